//! A file that can be taken, on the disk, up to its chunks.

use futures::{StreamExt, TryStreamExt, stream};
use ims_messaging::{Bucket, Objects};
use ims_runtime::Service;
use ims_store::{FeedFile, FeedFileState, Store};
use jiff::civil::Date;
use record_ingest::chunk::{Chunk, chunk_key};
use record_ingest::feed::{Feed, FeedName};

use crate::content::{Content, ContentError, ROWS};
use crate::spool::{NumberedRow, Spooled};
use crate::{IntakeError, guard};

/// Chunks written at the same time.
const CONCURRENCY: usize = 16;

/// What is in a file.
#[derive(Debug)]
pub(crate) enum Body {
    /// Text whose rows are cut so that those that share an identifier are together.
    Cut(Content),
    /// Rows that are read one after the other, and cut in their order: each says itself where it stands among others.
    Spooled(Spooled),
}

impl Body {
    /// Reads an object of the inbound bucket and checks it as a whole.
    ///
    /// # Errors
    /// [`IntakeError::Content`] where it cannot be taken.
    pub(crate) async fn read(service: &Service, name: &FeedName, key: &str, today: Date) -> Result<Self, IntakeError> {
        let mut kept = tempfile::tempfile().map_err(ContentError::Disk)?;
        service.objects.download(Bucket::Inbound, key, &mut kept).await?;
        Ok(if name.is_parquet || name.feed == Feed::CohortList {
            Self::Spooled(Spooled::of(kept, name, today)?)
        } else {
            Self::Cut(Content::judge(name, kept)?)
        })
    }

    /// Whether there is nothing to do. A full list of nobody is something.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Cut(content) => content.rows == 0,
            Self::Spooled(spooled) => spooled.rows == 0 && spooled.list.is_none(),
        }
    }

    /// Why it must wait for somebody's approval, where it must.
    pub(crate) async fn why_to_hold(
        &self,
        store: &Store,
        name: &FeedName,
        today: Date,
    ) -> Result<Option<String>, IntakeError> {
        match self {
            Self::Cut(content) if name.feed == Feed::Demographics => {
                Ok(guard::deaths(store, today, content.rows, content.values(name)?).await?.hold())
            }
            Self::Cut(_) => Ok(None),
            Self::Spooled(spooled) => {
                let rows = spooled.read()?.map(|row| row.map(|(_, values)| values));
                match &spooled.list {
                    Some(list) => Ok(guard::leavers(store, today, list, spooled.rows, rows).await?.hold()),
                    None => Ok(guard::deaths(store, today, spooled.rows, rows).await?.hold()),
                }
            }
        }
    }

    /// Writes the chunks into the work bucket; gives back the file's item with its counts.
    pub(crate) async fn write_chunks(
        self,
        objects: &Objects,
        name: &FeedName,
        file: FeedFile,
    ) -> Result<FeedFile, IntakeError> {
        let (rows, list, chunks) = match self {
            Self::Cut(content) => {
                // Some chunks at a time.
                let chunks = content.cut(name)?.flat_map(|some| match some {
                    Ok(chunks) => chunks.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                });
                (content.rows, None, write(objects, &file.name, chunks).await?)
            }
            Self::Spooled(spooled) => {
                let chunks = in_order(&name.order, spooled.read()?);
                let chunks = write(objects, &file.name, chunks).await?;
                (spooled.rows, spooled.list, chunks)
            }
        };
        Ok(FeedFile { state: FeedFileState::Preprocessed, rows, chunks, list, ..file })
    }
}

/// Writes chunks as they come, and counts them.
async fn write(
    objects: &Objects,
    file: &str,
    chunks: impl Iterator<Item = Result<Chunk, ContentError>>,
) -> Result<u32, IntakeError> {
    let written = stream::iter((0u32..).zip(chunks)).map(|(number, chunk)| async move {
        let chunk = chunk?;
        objects.put_json(Bucket::Work, &chunk_key(file, number), &chunk).await?;
        Ok::<u32, IntakeError>(1)
    });
    written.buffer_unordered(CONCURRENCY).try_fold(0, |count, one| async move { Ok(count + one) }).await
}

/// Rows cut into chunks as they come; at least one chunk, so that there is something whose end is the file's.
fn in_order(
    order: &str,
    mut rows: impl Iterator<Item = Result<NumberedRow, ContentError>>,
) -> impl Iterator<Item = Result<Chunk, ContentError>> {
    let order = order.to_owned();
    let mut is_first = true;
    std::iter::from_fn(move || {
        let taken: Result<Vec<_>, ContentError> = rows.by_ref().take(ROWS as usize).collect();
        let is_over = taken.as_ref().is_ok_and(Vec::is_empty) && !std::mem::take(&mut is_first);
        is_first = false;
        (!is_over).then(|| taken.map(|rows| Chunk { order: order.clone(), rows }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_the_rows_and_a_list_of_nobody_has_one() {
        let lengths = |rows: u64| -> Vec<(usize, u64)> {
            let rows = (1..=rows).map(|row| Ok((row, vec![row.to_string()])));
            let chunks = in_order("20251006T050000", rows).map(Result::unwrap);
            chunks.map(|chunk| (chunk.rows.len(), chunk.rows.first().map_or(0, |(row, _)| *row))).collect()
        };
        assert_eq!(lengths(0), [(0, 0)]);
        assert_eq!(lengths(1), [(1, 1)]);
        assert_eq!(lengths(800), [(400, 1), (400, 401)]);
        assert_eq!(lengths(801), [(400, 1), (400, 401), (1, 801)]);
    }
}
