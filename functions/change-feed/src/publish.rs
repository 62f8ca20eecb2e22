//! Writing a subscriber's chain of change files.
//!
//! A file is named by the number of its first row, and is written only where nothing has that name. The next file starts
//! where the one before ends, so that the files alone are the truth of the numbers; a control item remembers where the
//! chain ends, and never runs ahead of it. Whoever finds a file at the end of the chain finishes what its writer may
//! have left undone (its Parquet twin, its events) and moves the end on. So a crash at any point loses nothing.

use std::collections::HashSet;

use ims_messaging::Bucket;
use ims_snapshot::write_parquet;
use tracing::info;

use crate::announce::announce;
use crate::change::cleansing_counts;
use crate::{Change, ChangeFeed, ChangeFeedError, Row, Subscriber};

/// Folder of a subscriber and number of the first row; names sort by number.
fn key(subscriber: &str, first: u64, ending: &str) -> String {
    format!("{subscriber}/{first:012}.{ending}")
}

/// Adds changes to the end of a subscriber's chain.
pub(crate) async fn publish(
    feed: &ChangeFeed,
    subscriber: &Subscriber,
    mut changes: Vec<Change>,
) -> Result<(), ChangeFeedError> {
    let (store, objects) = (&feed.service.store, &feed.service.objects);
    while !changes.is_empty() {
        let end = store.change_feed_end(&subscriber.name).await?;
        for (change, sequence) in changes.iter_mut().zip(end.next..) {
            change.row.sequence = sequence;
        }
        let key_of = |ending| key(&subscriber.name, end.next, ending);
        let lines = to_lines(changes.iter().map(|change| &change.row))?;
        let ours = objects.create(Bucket::Outbound, &key_of("ndjson"), lines, "application/x-ndjson").await?;
        let written = if ours {
            changes.iter().map(|change| change.row.clone()).collect()
        } else {
            from_lines(&key_of("ndjson"), &objects.read(Bucket::Outbound, &key_of("ndjson")).await?)?
        };
        let parquet = write_parquet(&written)?;
        objects.put(Bucket::Outbound, &key_of("parquet"), parquet, "application/vnd.apache.parquet").await?;
        let of_these: HashSet<(&str, u32)> = written.iter().map(Row::name).collect();
        let (these, others): (Vec<Change>, Vec<Change>) =
            changes.into_iter().partition(|change| of_these.contains(&change.row.name()));
        announce(feed, subscriber, &these, &written).await?;
        match store.move_change_feed_end(&subscriber.name, &end, written.len() as u64).await {
            // Another writer found the file too and was faster.
            Err(error) if error.is_condition() => {}
            other => other?,
        }
        let cleansing = serde_json::to_string(&cleansing_counts(&written))?;
        info!(
            subscriber = subscriber.name,
            changes = written.len(),
            first = end.next,
            ours,
            cleansing,
            "changes passed on"
        );
        changes = others;
    }
    Ok(())
}

fn to_lines<'r>(rows: impl Iterator<Item = &'r Row>) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn from_lines(key: &str, lines: &[u8]) -> Result<Vec<Row>, ChangeFeedError> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let read = lines.enumerate().map(|(place, line)| {
        serde_json::from_slice(line).map_err(|error| {
            // Where, not what: the line is somebody's record.
            let message = format!("not a change at column {}", error.column());
            ChangeFeedError::File { key: key.to_owned(), line: place + 1, message }
        })
    });
    let rows: Vec<Row> = read.collect::<Result<_, _>>()?;
    if rows.is_empty() {
        // Nobody writes one; to go on behind it would be to come to it again.
        let message = "no change in it".to_owned();
        return Err(ChangeFeedError::File { key: key.to_owned(), line: 1, message });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_written_and_what_is_none_is_told_without_its_content() {
        let row = |sequence| Row { sequence, immunisation: "9990000018".into(), ..Row::default() };
        let rows = [row(1), row(2)];
        let lines = to_lines(rows.iter()).unwrap();
        assert_eq!(from_lines("k", &lines).unwrap(), rows);
        for (lines, told) in [(&b""[..], "k line 1"), (b"\n", "k line 1"), (&lines[..lines.len() - 3], "k line 2")] {
            let error = from_lines("k", lines).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("9990000018"), "{error}");
        }
    }
}
