//! Files that would change too much at once are held until somebody approves them (decision 0023).
//!
//! A demographics file is held where it says of people who are held and alive that they have died, of at least
//! [`FEWEST_DEATHS`] and of at least one in [`ONE_IN`] of those held whom it names at all. Who is not held yet counts for
//! neither: a first load may bring the dead. A full list of a cohort is held where more than half of those who are members by
//! its source's word are not on it, so also where it would leave nobody.

use std::collections::{BTreeSet, HashMap, HashSet};

use ims_domain::ids::stable_hash;
use ims_domain::person::FullList;
use ims_domain::record::{Change, Source};
use ims_domain::{NhsNumber, Person};
use ims_store::{LISTED_SHARDS, Store};
use jiff::civil::Date;
use record_ingest::{demographics, lists};

use crate::IntakeError;
use crate::content::ContentError;

/// Fewer deaths than these never hold a file: in a small file one death is a large share.
pub const FEWEST_DEATHS: u64 = 10;
/// A file is held where one in so many people, or more, would have died: 5 %.
pub const ONE_IN: u64 = 20;
/// People of a file who are looked at; of more, a sample by NHS number, which bounds memory and reads.
const SAMPLE: u64 = 200_000;
/// People looked up at the same time.
const AT_ONCE: usize = 2_000;
/// Members of a roll read at once.
const PAGE: usize = 5_000;

/// What a demographics file would do to people who are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deaths {
    /// People held whom it names.
    pub named: u64,
    /// Of them, those held as alive of whom it says later than what is held that they have died.
    pub newly: u64,
    /// Only one in so many people was looked at.
    pub one_in: u64,
}

impl Deaths {
    /// Why the file must wait, where it must.
    #[must_use]
    pub fn hold(self) -> Option<String> {
        let held = self.newly * self.one_in >= FEWEST_DEATHS && self.newly * ONE_IN >= self.named;
        held.then(|| {
            let about = if self.one_in > 1 { "about " } else { "" };
            let (newly, named) = (self.newly * self.one_in, self.named * self.one_in);
            let percent = self.newly * 100 / self.named.max(1);
            format!(
                "it says of {about}{newly} of {about}{named} people held whom it names that they have died ({percent} %; a file waits from {} % on)",
                100 / ONE_IN
            )
        })
    }
}

/// Surveys a demographics file of `rows` rows: what it would do to people who are held.
///
/// # Errors
/// Where people cannot be read.
pub async fn deaths<R: AsRef<[String]>>(
    store: &Store,
    today: Date,
    rows: u64,
    values: impl Iterator<Item = Result<R, ContentError>>,
) -> Result<Deaths, IntakeError> {
    let one_in = rows.div_ceil(SAMPLE).max(1);
    // The last row of each person, in the source's order, and whether it says that they have died.
    let mut last: HashMap<NhsNumber, (u64, String, u64, bool)> = HashMap::new();
    for row in values {
        let Ok((number, Change::Demographics(change))) = demographics::read(row?.as_ref(), today) else { continue };
        if one_in > 1 && !stable_hash(&number.to_string()).is_multiple_of(one_in) {
            continue;
        }
        let (serial, changed, digest) = change.0.place();
        let said = (serial, changed.to_owned(), digest, change.1.dead.is_some());
        let held = last.entry(number).or_default();
        if *held < said {
            *held = said;
        }
    }
    let mut found = Deaths { one_in, ..Deaths::default() };
    let numbers: Vec<NhsNumber> = last.keys().copied().collect();
    for some in numbers.chunks(AT_ONCE) {
        let holders = store.holders(some.iter().copied(), []).await?;
        for number in some {
            let Some((held, said)) = holders.named(*number).zip(last.get(number)) else { continue };
            found.named += 1;
            let is_later = (said.0, said.1.as_str(), said.2) > held.demographics.place();
            found.newly += u64::from(said.3 && is_later && held.states.dead.is_none());
        }
    }
    Ok(found)
}

/// What a full list would do to those who are members by its source's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leavers {
    /// Members now.
    pub members: u64,
    /// Of them, those who are on the list; of a long list as a sample has it.
    pub staying: u64,
}

impl Leavers {
    /// Why the file must wait, where it must.
    #[must_use]
    pub fn hold(self) -> Option<String> {
        let leaving = self.members.saturating_sub(self.staying);
        (leaving * 2 > self.members).then(|| {
            format!("{leaving} of {} members are not on it and would leave (a list waits from half on)", self.members)
        })
    }
}

/// Surveys a full list of `rows` rows: how many of those who are members by its source's word would leave. A list that is
/// older than the latest one ends nothing that was not ended already, and is not looked at.
///
/// # Errors
/// Where the list or people cannot be read.
pub async fn leavers<R: AsRef<[String]>>(
    store: &Store,
    today: Date,
    list: &FullList,
    rows: u64,
    values: impl Iterator<Item = Result<R, ContentError>>,
) -> Result<Leavers, IntakeError> {
    let noted = store.full_lists(BTreeSet::from([(list.label.clone(), list.source.clone())])).await?;
    if noted.values().any(|noted| noted.place() >= list.place()) {
        return Ok(Leavers::default());
    }
    let mut found = Leavers::default();
    for shard in 0..LISTED_SHARDS {
        let mut after = None;
        loop {
            let page = store.roll(list, shard, after, PAGE).await?;
            found.members += page.iter().filter(|(_, ends)| *ends).count() as u64;
            after = page.last().map(|(person, _)| *person);
            if page.len() < PAGE {
                break;
            }
        }
    }
    let one_in = rows.div_ceil(SAMPLE).max(1);
    let source = Source { supplier: String::new(), file: String::new(), order: list.order.clone(), row: 1 };
    let mut on_it: HashSet<NhsNumber> = HashSet::new();
    for row in values {
        let Ok((number, _)) = lists::read_member(row?.as_ref(), today, list, &source) else { continue };
        if stable_hash(&number.to_string()).is_multiple_of(one_in) {
            on_it.insert(number);
        }
    }
    let numbers: Vec<NhsNumber> = on_it.into_iter().collect();
    for some in numbers.chunks(AT_ONCE) {
        let holders = store.holders(some.iter().copied(), []).await?;
        let stays = |person: &&Person| person.cohorts.get(&list.label).is_some_and(|held| list.ends(&list.label, held));
        found.staying += some.iter().filter_map(|number| holders.named(*number)).filter(stays).count() as u64 * one_in;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{actor, number, row, store};
    use ims_domain::person::Membership;
    use jiff::civil::date;

    const TODAY: Date = date(2025, 10, 6);

    /// A store that holds people at these places, those of `dead` dead, each by a row with serial number 5.
    async fn holding(people: std::ops::Range<u64>, dead: std::ops::Range<u64>) -> Store {
        let store = store().await;
        for place in people {
            let died = if dead.contains(&place) { "20250101" } else { "" };
            let values = row(place, &[("SERIAL_CHANGE_NUMBER", "5"), ("DATE_OF_DEATH", died)]);
            let (number, change) = demographics::read(&values, TODAY).unwrap();
            store.apply(Some(number), &[change], &actor()).await.unwrap();
        }
        store
    }

    async fn survey(store: &Store, rows: &[Vec<String>]) -> Deaths {
        deaths(store, TODAY, rows.len() as u64, rows.iter().map(Ok)).await.unwrap()
    }

    fn death(place: u64, serial: &str) -> Vec<String> {
        row(place, &[("SERIAL_CHANGE_NUMBER", serial), ("DATE_OF_DEATH", "20251001")])
    }

    #[tokio::test]
    async fn a_file_waits_from_five_per_cent_of_the_people_held_on_and_not_before() {
        let store = holding(0..220, 0..0).await;
        let file = |dead: u64, named: u64| -> Vec<Vec<String>> {
            (0..named).map(|place| if place < dead { death(place, "6") } else { row(place, &[]) }).collect()
        };
        for (dead, named, waits) in [(10, 200, true), (10, 201, false), (11, 201, true), (9, 20, false), (10, 10, true)]
        {
            let found = survey(&store, &file(dead, named)).await;
            assert_eq!((found.newly, found.named), (dead, named));
            assert_eq!(found.hold().is_some(), waits, "{dead} of {named}");
        }
        let why = survey(&store, &file(20, 100)).await.hold().unwrap();
        assert_eq!(
            why,
            "it says of 20 of 100 people held whom it names that they have died (20 %; a file waits from 5 % on)"
        );
    }

    #[tokio::test]
    async fn only_deaths_that_are_new_of_people_who_are_held_count() {
        let store = holding(0..60, 0..20).await;
        let mut rows: Vec<Vec<String>> = Vec::new();
        rows.extend((0..20).map(|place| death(place, "6"))); // known to be dead
        rows.extend((20..40).map(|place| death(place, "4"))); // older than what is held
        rows.extend((100..140).map(|place| death(place, "6"))); // not held
        rows.extend((40..60).map(|place| death(place, "6"))); // taken back in the same file
        rows.extend((40..60).map(|place| row(place, &[("SERIAL_CHANGE_NUMBER", "7")])));
        rows.push(row(50, &[("SERIAL_CHANGE_NUMBER", "8"), ("GENDER", "X"), ("DATE_OF_DEATH", "20251001")])); // refused
        assert_eq!(survey(&store, &rows).await, Deaths { named: 60, newly: 0, one_in: 1 });
        rows.push(death(50, "9"));
        assert_eq!(survey(&store, &rows).await.newly, 1);
    }

    #[tokio::test]
    async fn a_list_waits_where_more_than_half_of_its_members_would_leave() {
        let store = store().await;
        let join = |place: u64, source: &str| {
            let membership =
                Membership { member: true, date: date(2025, 9, 1), order: "f#1".into(), source: source.into() };
            (number(place), Change::Membership { label: "at_risk".into(), membership })
        };
        for (number, change) in
            (0..10).map(|place| join(place, "gp")).chain((20..40).map(|place| join(place, "hospital")))
        {
            store.apply(Some(number), &[change], &actor()).await.unwrap();
        }
        let list = |day: i8| {
            let (label, source) = ("at_risk".to_owned(), "gp".to_owned());
            FullList { label, source, date: date(2025, 10, day), order: "f#0".into() }
        };
        let survey = async |day: i8, places: Vec<u64>| {
            let member = |place: u64| {
                vec![
                    "MEMBER".to_owned(),
                    number(place).to_string(),
                    String::new(),
                    String::new(),
                    String::new(),
                    String::new(),
                ]
            };
            let rows: Vec<Vec<String>> = places.into_iter().map(member).collect();
            leavers(&store, TODAY, &list(day), rows.len() as u64, rows.iter().map(Ok)).await.unwrap()
        };
        for (places, staying, waits) in [
            ((0..10).collect::<Vec<_>>(), 10, false),
            ((5..40).collect(), 5, false), // exactly half leave
            ((6..40).collect(), 4, true),
            (vec![7, 7, 7, 7, 7, 7], 1, true),
            (vec![], 0, true),
        ] {
            let found = survey(2, places).await;
            assert_eq!((found, found.hold().is_some()), (Leavers { members: 10, staying }, waits));
        }
        let why = survey(2, vec![1]).await.hold().unwrap();
        assert_eq!(why, "9 of 10 members are not on it and would leave (a list waits from half on)");
        store.note_full_list(&list(5)).await.unwrap();
        assert_eq!(survey(4, vec![]).await, Leavers::default(), "an older list ends nothing");
    }

    #[test]
    fn a_sample_speaks_for_all() {
        let found = Deaths { named: 1_000, newly: 50, one_in: 7 };
        assert!(found.hold().unwrap().starts_with("it says of about 350 of about 7000 people"));
        assert!(Deaths { newly: 49, ..found }.hold().is_none());
        assert!(number(3).to_string().starts_with("999"));
    }
}
