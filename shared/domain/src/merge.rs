//! People who had more than one NHS number.
//!
//! A row of the demographics feed may say that a number was superseded by another. Whoever held the superseded number
//! keeps all that was recorded under it, and points to the person who holds the other: the survivor. What the survivor
//! takes over is a [`Member`], a copy that follows every change, so that one item tells all that rules need and a
//! decision is made under one version. When the row is withdrawn, the copy goes and nothing else has to be mended.
//!
//! Numbers may be superseded in chains: a member's own members come with it. Where rows contradict each other in a
//! circle, the person with the lowest number stands for all, and, being superseded too, is not written to either.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::person::{Death, ProgrammeSummary};
use crate::{NhsNumber, Person, PersonId, VaccineType};

/// What somebody whose number was superseded brings to the survivor, their own members' included.
///
/// Removal and invalidation are not in it: they say what became of the number, not of the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Member {
    /// Known to have died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead: Option<Death>,
    /// The address may be disclosed to nobody.
    pub restricted: bool,
    /// Labels of the cohorts of which they are a member now, and of the wishes they hold.
    pub labels: BTreeSet<String>,
    /// History by programme.
    pub programmes: BTreeMap<VaccineType, ProgrammeSummary>,
    /// They themselves and their members, with their numbers.
    pub people: BTreeMap<PersonId, Option<NhsNumber>>,
}

impl Member {
    /// What a person would bring.
    #[must_use]
    pub fn of(person: &Person) -> Self {
        let all: BTreeSet<VaccineType> = std::iter::once(&person.programmes)
            .chain(person.members.values().map(|member| &member.programmes))
            .flat_map(BTreeMap::keys)
            .copied()
            .collect();
        Self {
            dead: person.death().cloned(),
            restricted: person.is_restricted(),
            labels: person.labels().into_iter().map(str::to_owned).collect(),
            programmes: all.into_iter().map(|programme| (programme, person.programme(programme))).collect(),
            people: person.numbers(),
        }
    }
}

impl ProgrammeSummary {
    /// Joins in what was recorded under another number: every dose and invitation, the latest appointment.
    pub(crate) fn join(&mut self, other: &Self) {
        self.doses.extend(&other.doses);
        self.doses.sort_unstable();
        self.doses.dedup();
        if self.booked < other.booked {
            self.booked = other.booked;
            self.booking_provider.clone_from(&other.booking_provider);
        }
        self.appointment = self.appointment.max(other.appointment);
        for invite in &other.invites {
            let same = |held: &&mut crate::person::Invite| held.campaign == invite.campaign && held.dose == invite.dose;
            match self.invites.iter_mut().find(same) {
                // One that was opened under either number was opened.
                Some(held) if invite.opened && !held.opened => held.clone_from(invite),
                Some(_) => {}
                None => self.invites.push(invite.clone()),
            }
        }
    }
}

/// Settles whom each of these people points to, from the numbers that superseded theirs. The people must be closed under
/// being superseded: whoever one of them names is among them.
pub fn point(people: &mut BTreeMap<PersonId, Person>) {
    let by_number: BTreeMap<NhsNumber, PersonId> =
        people.values().filter_map(|person| Some((person.nhs_number?, person.id))).collect();
    let named: BTreeMap<PersonId, PersonId> = people
        .values()
        .filter_map(|person| Some((person.id, *by_number.get(&person.states.superseded_by?)?)))
        .collect();
    let number = |id: &PersonId| people.get(id).and_then(|person| person.nhs_number);
    let mut survivors = BTreeMap::new();
    for (id, survivor) in &named {
        let mut circle = vec![*id];
        let mut at = *survivor;
        while at != *id {
            match named.get(&at) {
                // Into a circle that this person is not in.
                Some(next) if circle.contains(next) && next != id => break,
                Some(next) => {
                    circle.push(at);
                    at = *next;
                }
                None => break,
            }
        }
        let stands_for_all = at == *id && circle.iter().min_by_key(|held| number(held)) == Some(id);
        if !stands_for_all {
            survivors.insert(*id, *survivor);
        }
    }
    for person in people.values_mut() {
        person.survivor = survivors.get(&person.id).copied();
    }
}

/// Gives every survivor among these people what their members among them bring now. The people must be closed under
/// pointing: whoever one of them points to is among them.
pub fn gather(people: &mut BTreeMap<PersonId, Person>) {
    let survivors: BTreeMap<PersonId, Option<PersonId>> =
        people.iter().map(|(id, person)| (*id, person.survivor)).collect();
    let depth = |id: PersonId| std::iter::successors(Some(id), |at| survivors.get(at).copied().flatten()).count();
    for person in people.values_mut() {
        let id = person.id;
        person.members.retain(|member, _| survivors.get(member).is_none_or(|survivor| *survivor == Some(id)));
    }
    let mut order: Vec<(usize, PersonId, PersonId)> =
        survivors.iter().filter_map(|(id, survivor)| Some((depth(*id), *id, (*survivor)?))).collect();
    // Those farthest from their survivor first, so that each brings all that its own members bring.
    order.sort_unstable_by(|one, other| other.cmp(one));
    for (_, id, survivor) in order {
        let Some(brought) = people.get(&id).map(Member::of) else { continue };
        if let Some(survivor) = people.get_mut(&survivor) {
            survivor.members.insert(id, brought);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::{Invite, Membership};
    use jiff::civil::date;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn id(place: u8) -> PersonId {
        PersonId(Uuid::from_u128(u128::from(place)))
    }

    fn number(place: u8) -> NhsNumber {
        (0..).filter_map(|stem| NhsNumber::from_stem(999_000_000 + stem)).nth(usize::from(place)).unwrap()
    }

    /// People whose numbers are superseded by those at these places, each with a dose on a day of their own.
    fn people(superseded_by: &[Option<u8>]) -> BTreeMap<PersonId, Person> {
        let people = (0u8..).zip(superseded_by).map(|(place, by)| {
            let mut person = Person::new(id(place), Some(number(place)));
            person.states.superseded_by = by.map(number);
            let doses = vec![date(2025, 9, 1 + i8::try_from(place).unwrap())];
            person.programmes.insert("FLU".parse().unwrap(), ProgrammeSummary { doses, ..Default::default() });
            (person.id, person)
        });
        let mut people = people.collect();
        point(&mut people);
        gather(&mut people);
        people
    }

    fn doses(person: &Person) -> usize {
        person.programme("FLU".parse().unwrap()).doses.len()
    }

    #[test]
    fn chains_bring_everything_to_their_end() {
        let people = people(&[Some(1), Some(2), None, None]);
        let counts: Vec<usize> = people.values().map(doses).collect();
        assert_eq!(counts, [1, 2, 3, 1]);
        assert_eq!(people[&id(2)].numbers().len(), 3);
        assert_eq!((people[&id(0)].survivor, people[&id(2)].survivor), (Some(id(1)), None));
    }

    #[test]
    fn in_a_circle_the_lowest_number_stands_for_all() {
        let people = people(&[Some(1), Some(2), Some(0), Some(2)]);
        assert_eq!(people[&id(0)].survivor, None);
        assert_eq!(people[&id(0)].numbers().len(), 4);
        assert!(people.values().all(|person| crate::contact::off_list(person).is_some()));
    }

    #[test]
    fn what_stands_against_writing_comes_with_a_member_and_goes_with_it() {
        let mut people = people(&[Some(1), None]);
        let alone = {
            let mut alone = people[&id(1)].clone();
            alone.members.clear();
            alone
        };
        let old = people.get_mut(&id(0)).unwrap();
        old.states.restricted = true;
        old.states.dead = Some(Death { date: None, formal: false });
        old.states.removed = Some("ORR".into());
        let wish = Membership { member: true, date: date(2025, 1, 1), order: String::new(), source: String::new() };
        old.cohorts.insert("contact_opt_out_all".into(), wish.clone());
        old.cohorts.insert("contact_no_text".into(), Membership { member: false, ..wish });
        let invite = Invite { campaign: "flu-2025".into(), dose: 1, date: date(2025, 10, 6), opened: true };
        old.programmes.entry("FLU".parse().unwrap()).or_default().note_invite(invite);
        gather(&mut people);
        let survivor = &people[&id(1)];
        assert!(survivor.is_restricted() && survivor.death().is_some() && survivor.states.removed.is_none());
        let flu = "FLU".parse().unwrap();
        assert!(survivor.has_opted_out(flu) && !survivor.in_cohort("contact_no_text"));
        assert!(survivor.programme(flu).is_invited("flu-2025", 1));
        people.get_mut(&id(0)).unwrap().states.superseded_by = None;
        point(&mut people);
        gather(&mut people);
        assert_eq!(people[&id(1)], alone);
    }

    proptest! {
        /// However numbers supersede each other, every person points up a tree, and all of a tree's doses are at its top.
        #[test]
        fn everybody_is_brought_to_one_survivor(named in prop::collection::vec(prop::option::of(0u8..7), 7)) {
            let named: Vec<Option<u8>> =
                (0u8..).zip(named).map(|(place, by)| by.filter(|by| *by != place)).collect();
            let people = people(&named);
            let top = |id: PersonId| std::iter::successors(Some(id), |at| people[at].survivor).take(9).last().unwrap();
            for person in people.values() {
                prop_assert_eq!(people[&top(person.id)].survivor, None);
            }
            for person in people.values().filter(|person| person.survivor.is_none()) {
                let under = people.keys().filter(|id| top(**id) == person.id).count();
                prop_assert_eq!(doses(person), under);
                prop_assert_eq!(person.numbers().len(), under);
            }
        }
    }
}
