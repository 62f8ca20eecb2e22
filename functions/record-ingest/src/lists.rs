//! Full lists of cohorts: first everybody on the list joins, chunk by chunk; then, and only then, whoever is not on it
//! leaves, so that the list is at no moment empty.
//!
//! Leaving goes by the roll of the label and the source, part by part and in pages: each part is a job of its own after the
//! file's chunks, and a job that has done enough leaves the rest to another. What comes again finds nothing to do.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use ims_domain::person::{FullList, Membership};
use ims_domain::record::{Change, Source};
use ims_domain::{NhsNumber, PersonId};
use ims_messaging::{ChunkJob, Queue};
use ims_runtime::Service;
use ims_store::{Actor, AuditEntry, ChunkState, FeedFile, LISTED_SHARDS, Store, StoreError};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::IngestError;
use crate::feed::COHORT_LIST;
use crate::fields::{Fields, RowErrors};
use crate::rows::Prepared;

/// People of a roll who are read at once.
const PAGE: usize = 2_000;
/// Pages in one job.
const PAGES: usize = 50;
/// People changed at the same time.
const CONCURRENCY: usize = 12;

/// Reads the first row of a full list: `RECORD_TYPE` LIST, the label, the day, the source, and how many members follow.
///
/// # Errors
/// Names every field that cannot be used.
pub fn read_manifest(values: &[String], today: Date, order: &str) -> Result<(FullList, u64), RowErrors> {
    let mut row = Fields::new(&COHORT_LIST, values, today);
    row.one_of("RECORD_TYPE", "LIST in the first row", |text| (text == "LIST").then_some(()));
    let label = row.label("COHORT_LABEL");
    let date = row.required("DATE").and_then(|_| row.past_day("DATE")).flatten();
    let source = row.text("SOURCE").to_owned();
    let members = row.one_of("MEMBERS", "how many rows follow", |text| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
    });
    // Before all rows of its own file.
    let order = Source { supplier: String::new(), file: String::new(), order: order.to_owned(), row: 0 }.sort_key();
    let content = (|| Some((FullList { label: label?.to_owned(), source, date: date?, order }, members?)))();
    row.finish(content)
}

/// Reads a row of somebody on a full list: a membership as at the list's day.
///
/// # Errors
/// Names every field that cannot be used.
pub fn read_member(
    values: &[String],
    today: Date,
    list: &FullList,
    source: &Source,
) -> Result<(NhsNumber, Change), RowErrors> {
    let mut row = Fields::new(&COHORT_LIST, values, today);
    row.one_of("RECORD_TYPE", "MEMBER", |text| (text == "MEMBER").then_some(()));
    let number = row.nhs_number("NHS_NUMBER");
    for (field, of_list) in [("COHORT_LABEL", list.label.as_str()), ("SOURCE", list.source.as_str())] {
        row.one_of(field, "empty or that of the list", |text| (text.is_empty() || text == of_list).then_some(()));
    }
    let content = number.map(|number| {
        let (label, source_of_list) = (list.label.clone(), list.source.clone());
        let membership = Membership { member: true, date: list.date, order: source.sort_key(), source: source_of_list };
        (number, Change::Membership { label, membership })
    });
    row.finish(content)
}

/// Who joined by rows that may be older than a full list which has been taken in.
#[derive(Debug, Default)]
pub(crate) struct Joined(Vec<(NhsNumber, String, String, Date, String)>);

impl Joined {
    /// Those of these rows who join.
    pub(crate) fn of(rows: &[Prepared]) -> Self {
        let joins = rows.iter().filter_map(|row| match (&row.change, row.number) {
            (Change::Membership { label, membership }, Some(number)) if membership.member => {
                Some((number, label.clone(), membership.source.clone(), membership.date, membership.order.clone()))
            }
            _ => None,
        });
        Self(joins.collect())
    }

    /// Ends the memberships that are older than the latest full list of their label and source. To be called after they
    /// were written: a list that is noted after this has read comes to them by the roll.
    pub(crate) async fn end_older(self, store: &Store, actor: &Actor) -> Result<(), StoreError> {
        let wanted: BTreeSet<(String, String)> =
            self.0.iter().map(|(_, label, source, _, _)| (label.clone(), source.clone())).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let lists = store.full_lists(wanted).await?;
        if lists.is_empty() {
            return Ok(());
        }
        let mut ended: BTreeMap<NhsNumber, Vec<Change>> = BTreeMap::new();
        for (number, label, source, date, order) in self.0 {
            if let Some(list) = lists.get(&(label, source)).filter(|list| (date, order.as_str()) < list.place()) {
                let changes = ended.entry(number).or_default();
                let change = Change::NotListed(list.clone());
                if !changes.contains(&change) {
                    changes.push(change);
                }
            }
        }
        stream::iter(ended)
            .map(|(number, changes)| async move { store.apply(Some(number), &changes, actor).await.map(|_| ()) })
            .buffer_unordered(CONCURRENCY)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }
}

/// Whether whoever is not on the list has left, given which chunks and parts are answered. The last chunk's worker notes
/// the list and has the parts of its roll gone through.
pub(crate) async fn rest_has_left(
    service: &Service,
    file: &FeedFile,
    list: &FullList,
    answered: &[ChunkState],
    after_chunk: u32,
) -> Result<bool, IngestError> {
    let parts = || file.chunks..file.chunks + LISTED_SHARDS;
    let open: Vec<u32> = parts().filter(|part| answered.iter().all(|state| state.chunk != *part)).collect();
    if !open.is_empty() && after_chunk < file.chunks {
        let failed = |source| IngestError::Store { file: file.name.clone(), chunk: after_chunk, source };
        service.store.note_full_list(list).await.map_err(failed)?;
        let jobs = open.iter().map(|part| Progress::default().job(file, *part));
        service.queues.send(Queue::RecordIngest, &jobs.collect::<Vec<_>>()).await?;
    }
    Ok(open.is_empty())
}

/// How far a part of a roll has been gone through, as its job says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Progress {
    left: u64,
    after: Option<PersonId>,
}

impl Progress {
    fn job(self, file: &FeedFile, chunk: u32) -> ChunkJob {
        let after = self.after.map(|person| person.to_string()).unwrap_or_default();
        ChunkJob { file: file.name.clone(), chunk, object: format!("roll/{}/{after}", self.left) }
    }

    /// A job that says nothing begins at the beginning.
    fn of(job: &ChunkJob) -> Self {
        let mut parts = job.object.split('/').skip(1);
        let left = parts.next().and_then(|left| left.parse().ok()).unwrap_or_default();
        Self { left, after: parts.next().and_then(|after| after.parse().ok()) }
    }
}

/// Goes through a part of the roll: whoever is not on the list leaves. Notes the part as answered at its end; after many
/// people it leaves the rest to another job.
pub(crate) async fn go_through(
    service: &Service,
    file: &FeedFile,
    list: &FullList,
    job: &ChunkJob,
) -> Result<bool, IngestError> {
    let failed = |source| IngestError::Store { file: file.name.clone(), chunk: job.chunk, source };
    let begun = Progress::of(job);
    let actor = Actor::new(&file.supplier, "feed", format!("{} not on the list", file.name), Timestamp::now());
    let run = AuditEntry::new(actor.at, &file.supplier, "feed", format!("{} part {}", file.name, job.chunk));
    service.store.audit(&run).await.map_err(failed)?;
    let (left, after) =
        end_part(&service.store, list, job.chunk - file.chunks, begun.after, &actor).await.map_err(failed)?;
    let done = Progress { left: begun.left + left, after };
    if after.is_some() {
        service.queues.send(Queue::RecordIngest, &[done.job(file, job.chunk)]).await?;
        return Ok(false);
    }
    let state = ChunkState { chunk: job.chunk, accepted: done.left, rejected: 0, object: String::new() };
    service.store.put_chunk(&file.name, &state).await.map_err(failed)?;
    tracing::info!(file = %file.name, part = job.chunk, left = done.left, "part of a full list gone through");
    Ok(true)
}

/// Ends the memberships in a part of a roll that the list ends: how many, and after whom to go on, where not all of the
/// part was gone through.
pub(crate) async fn end_part(
    store: &Store,
    list: &FullList,
    shard: u32,
    from: Option<PersonId>,
    actor: &Actor,
) -> Result<(u64, Option<PersonId>), StoreError> {
    let (mut left, mut after) = (0, from);
    for _ in 0..PAGES {
        let page = store.roll(list, shard, after, PAGE).await?;
        after = page.last().map(|(person, _)| *person);
        let is_last = page.len() < PAGE;
        let ended: Vec<bool> = stream::iter(page.into_iter().filter(|(_, ends)| *ends))
            .map(|(person, _)| async move { store.end_membership(person, list, actor).await })
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        left += ended.into_iter().filter(|ended| *ended).count() as u64;
        if is_last {
            return Ok((left, None));
        }
    }
    Ok((left, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const TODAY: Date = date(2025, 10, 6);

    fn row(values: [&str; 6]) -> Vec<String> {
        values.map(str::to_owned).to_vec()
    }

    fn list() -> FullList {
        let values = row(["LIST", "", "at_risk", "20251005", "gp", "2"]);
        read_manifest(&values, TODAY, "20251005T050000").unwrap().0
    }

    #[test]
    fn a_manifest_names_the_list_and_stands_before_its_own_rows() {
        let (list, members) =
            read_manifest(&row(["LIST", "", "at_risk", "20251005", "gp", "2"]), TODAY, "20251005T050000").unwrap();
        assert_eq!(
            (list.label.as_str(), list.source.as_str(), list.date, members),
            ("at_risk", "gp", date(2025, 10, 5), 2)
        );
        let source = Source { supplier: "X26".into(), file: "f".into(), order: "20251005T050000".into(), row: 2 };
        let (_, change) = read_member(&row(["MEMBER", "9990000018", "", "", "", ""]), TODAY, &list, &source).unwrap();
        let Change::Membership { membership, .. } = change else { panic!() };
        assert!((membership.date, membership.order.as_str()) > list.place());
        assert!(!list.ends("at_risk", &membership));
        for (values, field) in [
            (["MEMBER", "", "at_risk", "20251005", "gp", "2"], "RECORD_TYPE"),
            (["LIST", "", "at risk", "20251005", "gp", "2"], "COHORT_LABEL"),
            (["LIST", "", "at_risk", "20251007", "gp", "2"], "DATE"),
            (["LIST", "", "at_risk", "", "gp", "2"], "DATE"),
            (["LIST", "", "at_risk", "20251005", "gp", "-2"], "MEMBERS"),
            (["LIST", "", "at_risk", "20251005", "gp", ""], "MEMBERS"),
        ] {
            let errors = read_manifest(&row(values), TODAY, "20251005T050000").unwrap_err();
            assert_eq!(errors.0.iter().map(|error| error.field).collect::<Vec<_>>(), [field]);
        }
    }

    #[test]
    fn a_member_must_be_of_the_list() {
        let source = Source { supplier: "X26".into(), file: "f".into(), order: "20251005T050000".into(), row: 2 };
        for (values, field) in [
            (["MEMBER", "9990000019", "", "", "", ""], "NHS_NUMBER"),
            (["JOIN", "9990000018", "", "", "", ""], "RECORD_TYPE"),
            (["MEMBER", "9990000018", "carer", "", "", ""], "COHORT_LABEL"),
            (["MEMBER", "9990000018", "", "", "hospital", ""], "SOURCE"),
        ] {
            let errors = read_member(&row(values), TODAY, &list(), &source).unwrap_err();
            assert_eq!(errors.0.iter().map(|error| error.field).collect::<Vec<_>>(), [field]);
        }
    }

    #[test]
    fn a_job_tells_where_to_go_on() {
        let person: PersonId = "00000000-0000-0000-0000-000000000007".parse().unwrap();
        let file = crate::acknowledge::tests::file();
        for progress in [Progress::default(), Progress { left: 12, after: Some(person) }] {
            assert_eq!(Progress::of(&progress.job(&file, 9)), progress);
        }
    }
}
