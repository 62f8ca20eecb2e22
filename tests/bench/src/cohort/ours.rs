//! From the parts on disk to the ordered candidate file, by the service's own evaluator.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use arrow::array::{ArrayRef, Int32Array, Int64Array, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use ims_domain::PersonId;
use ims_domain::campaign::ContactPlan;
use ims_eligibility::{Campaign, CompiledIteration};
use ims_snapshot::{By, Needed, Part, Preview, Selector, Tally};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::population::TODAY;
use super::threads::{each_thread, in_parallel};

/// Lots are spread over as many bins as this, cohort by cohort, so that each bin is sorted by itself.
const BINS: usize = 64;

/// People in a row group of the candidate file, about.
const ROW_GROUP: usize = 1 << 20;

/// The campaign of the demo for COVID-19: nine priority groups in thirteen cohorts.
pub(crate) struct Asked {
    pub(crate) rules: CompiledIteration,
    pub(crate) plan: ContactPlan,
}

impl Asked {
    pub(crate) fn read() -> Result<Self> {
        let folder = xtask::workspace_root().join("tests/campaigns");
        let bytes = std::fs::read(folder.join("covid.json"))?;
        let campaign = Campaign::parse(&bytes).map_err(|problems| anyhow::anyhow!("covid.json: {problems:?}"))?;
        let iteration = campaign.iteration_on(TODAY).context("no iteration is live")?;
        let rules = campaign.compile(iteration);
        Ok(Self { rules, plan: serde_json::from_slice(&std::fs::read(folder.join("covid.plan.json"))?)? })
    }

    pub(crate) fn selector(&self) -> Selector<'_> {
        Selector::new(&self.rules, &self.plan, TODAY)
    }
}

/// A candidate within a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub(crate) lot: u64,
    pub(crate) person: PersonId,
    pub(crate) dose: u8,
}

/// Candidates by cohort and bin, in the order of the file but for within bins.
pub(crate) struct Binned(Vec<Vec<Listed>>);

impl Binned {
    pub(crate) fn new(cohorts: usize) -> Self {
        Self(vec![Vec::new(); cohorts * BINS])
    }

    /// Adds the candidates of a part.
    pub(crate) fn add(&mut self, selector: &mut Selector<'_>, part: &Part) -> Result<()> {
        for selected in selector.select(part).selected {
            let place = selected.person as usize;
            let lot = part.lot(place);
            let person = part.id(place)?.context("ids were read")?;
            // Lots have 63 bits; the bin is the first six.
            let bin = usize::from(selected.cohort) * BINS + (lot >> 57) as usize % BINS;
            self.0[bin].push(Listed { lot, person, dose: selected.dose });
        }
        Ok(())
    }
}

/// Reads every part, selects, and writes the file; returns the candidates.
pub(crate) fn run(asked: &Asked, parts: &[PathBuf], out: &Path) -> Result<u64> {
    let needed = asked.selector().needed_to_list();
    let cohorts = asked.rules.cohort_labels().count();
    let binned = each_thread(parts.len(), |_, next| {
        let mut selector = asked.selector();
        let mut binned = Binned::new(cohorts);
        while let Some(number) = next() {
            let part = Part::read(File::open(&parts[number])?, &needed)?;
            binned.add(&mut selector, &part)?;
        }
        Ok(binned)
    })?;
    write(binned, out)
}

/// Selects from one part on one core; returns how many bytes of it the columns take that were read.
pub(crate) fn run_part(asked: &Asked, part: &Path) -> Result<u64> {
    let mut selector = asked.selector();
    let needed = selector.needed_to_list();
    let held = Part::read(File::open(part)?, &needed)?;
    ensure!(!selector.candidates(&held)?.1.is_empty(), "{} has no candidates", part.display());
    let file = SerializedFileReader::new(File::open(part)?)?;
    let read = |column: &&ColumnChunkMetaData| {
        needed.names().any(|name| column.column_path().parts().first().is_some_and(|first| first == name))
    };
    let chunks = file.metadata().row_groups().iter().flat_map(|group| group.columns());
    Ok(chunks.filter(read).map(|column| column.compressed_size().unsigned_abs()).sum())
}

/// Parts that are kept in memory, with the columns that selection and the previews need.
pub(crate) fn keep(asked: &Asked, parts: &[PathBuf], by: &[By]) -> Result<Vec<Part>> {
    let needed = by.iter().fold(asked.selector().needed_to_list(), |all: Needed, by| all.and(by.needed()));
    in_parallel(parts.len(), |number| Ok(Part::read(File::open(&parts[number])?, &needed)?.packed()?))
}

/// Selects from parts in memory and writes the file; returns the candidates.
pub(crate) fn run_kept(asked: &Asked, parts: &[Part], out: &Path) -> Result<u64> {
    let cohorts = asked.rules.cohort_labels().count();
    let binned = each_thread(parts.len(), |_, next| {
        let mut selector = asked.selector();
        let mut binned = Binned::new(cohorts);
        while let Some(number) = next() {
            binned.add(&mut selector, &parts[number])?;
        }
        Ok(binned)
    })?;
    write(binned, out)
}

/// Counts over parts in memory.
pub(crate) fn preview_kept(asked: &Asked, parts: &[Part], by: By) -> Result<Preview> {
    let previews = each_thread(parts.len(), |_, next| {
        let mut selector = asked.selector();
        let mut tally = Tally::new(Some(by));
        while let Some(number) = next() {
            selector.add_to(&mut tally, &parts[number]);
        }
        Ok(selector.preview(tally))
    })?;
    Ok(previews.into_iter().fold(Preview::default(), |mut sum, preview| {
        sum.add(preview);
        sum
    }))
}

/// Counts over parts on disk.
pub(crate) fn preview(asked: &Asked, parts: &[PathBuf], by: By) -> Result<Preview> {
    let needed = asked.selector().needed().and(by.needed());
    let previews = each_thread(parts.len(), |_, next| {
        let mut selector = asked.selector();
        let mut tally = Tally::new(Some(by));
        while let Some(number) = next() {
            selector.add_to(&mut tally, &Part::read(File::open(&parts[number])?, &needed)?);
        }
        Ok(selector.preview(tally))
    })?;
    Ok(previews.into_iter().fold(Preview::default(), |mut sum, preview| {
        sum.add(preview);
        sum
    }))
}

/// The columns of the candidate file, as all write it.
fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("cohort", DataType::Int32, false),
        Field::new("lot", DataType::Int64, false),
        Field::new("person_id", DataType::Utf8, false),
        Field::new("dose", DataType::Int32, false),
    ]))
}

/// Sorts what the threads found and writes it, row groups in parallel.
fn write(mut binned: Vec<Binned>, out: &Path) -> Result<u64> {
    let bins = binned.first().map_or(0, |binned| binned.0.len());
    // Bins of all threads, in row groups of about the same size.
    let mut groups: Vec<Vec<(i32, Vec<Vec<Listed>>)>> = Vec::new();
    let (mut people, mut in_group) = (0u64, usize::MAX);
    for bin in 0..bins {
        let found: Vec<Vec<Listed>> = binned.iter_mut().map(|binned| std::mem::take(&mut binned.0[bin])).collect();
        let many: usize = found.iter().map(Vec::len).sum();
        people += many as u64;
        if in_group >= ROW_GROUP {
            groups.push(Vec::new());
            in_group = 0;
        }
        in_group += many;
        if let Some(group) = groups.last_mut() {
            group.push(((bin / BINS) as i32, found));
        }
    }
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_dictionary_enabled("lot".into(), false)
        .set_column_dictionary_enabled("person_id".into(), false)
        .build();
    let writer = ArrowWriter::try_new(File::create(out)?, schema(), Some(properties))?;
    let (mut file, factory) = writer.into_serialized_writer()?;
    let factory = &factory;
    let groups: Vec<std::sync::Mutex<Option<_>>> = groups.into_iter().map(|g| std::sync::Mutex::new(Some(g))).collect();
    let groups = &groups;
    // Encoded row groups wait for their turn.
    let (send, receive) = std::sync::mpsc::sync_channel::<(usize, Vec<ArrowColumnChunk>)>(2);
    std::thread::scope(|scope| -> Result<()> {
        let encoding = scope.spawn(move || {
            each_thread(groups.len(), |_, next| {
                let send = send.clone();
                while let Some(number) = next() {
                    let group = groups[number].lock().ok().and_then(|mut group| group.take()).unwrap_or_default();
                    let encoded = encode(factory, number, group)?;
                    send.send((number, encoded)).map_err(|_| anyhow::anyhow!("nobody writes any more"))?;
                }
                Ok(())
            })
        });
        let mut early: std::collections::BTreeMap<usize, Vec<ArrowColumnChunk>> = std::collections::BTreeMap::new();
        let mut turn = 0;
        while let Ok((number, chunks)) = receive.recv() {
            early.insert(number, chunks);
            while let Some(chunks) = early.remove(&turn) {
                let mut group = file.next_row_group()?;
                for chunk in chunks {
                    chunk.append_to_row_group(&mut group)?;
                }
                group.close()?;
                turn += 1;
            }
        }
        encoding.join().map_err(|_| anyhow::anyhow!("a thread failed"))??;
        ensure!(turn == groups.len(), "row group {turn} is missing");
        Ok(())
    })?;
    file.close()?;
    Ok(people)
}

/// One row group, sorted and encoded.
fn encode(
    factory: &ArrowRowGroupWriterFactory,
    number: usize,
    group: Vec<(i32, Vec<Vec<Listed>>)>,
) -> Result<Vec<ArrowColumnChunk>> {
    let schema = schema();
    let mut writers = factory.create_column_writers(number)?;
    for (cohort, found) in group {
        let mut listed = found.concat();
        listed.sort_unstable();
        let mut ids = StringBuilder::with_capacity(listed.len(), listed.len() * 36);
        let mut text = [0; 36];
        for candidate in &listed {
            ids.append_value(candidate.person.0.hyphenated().encode_lower(&mut text));
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(vec![cohort; listed.len()])),
            Arc::new(Int64Array::from_iter_values(listed.iter().map(|candidate| candidate.lot as i64))),
            Arc::new(ids.finish()),
            Arc::new(Int32Array::from_iter_values(listed.iter().map(|candidate| i32::from(candidate.dose)))),
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        for ((writer, field), column) in writers.iter_mut().zip(schema.fields()).zip(batch.columns()) {
            for leaf in compute_leaves(field, column)? {
                writer.write(&leaf)?;
            }
        }
    }
    writers.into_iter().map(|writer| Ok(writer.close()?)).collect()
}
