//! Vaccination files.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::time::Instant;

use anyhow::{Result, ensure};
use feed_intake::content::Content;
use futures::stream::{self as each, StreamExt, TryStreamExt};
use ims_fhir::batch::Operations;
use ims_runtime::auth::Permissions;
use ims_store::Store;
use ims_testkit::population::VACCINATIONS;
use record_ingest::apply_chunk;
use record_ingest::chunk::{Chunk, ChunkResult};
use record_ingest::feed::{Feed, FeedName};
use record_ingest::rows::{self, Context};
use xtask::progress::step;

use crate::measure::Process;
use crate::memory::Database;
use crate::stack::{self, Stack};
use crate::{Better, Case, Options, Outcome, made};

/// Rows of the file that goes through the stack.
const STACK_ROWS: u64 = 100_000;
/// Rows that are written directly beside it.
const DIRECT_ROWS: u64 = 10_000;
/// Rows of the file that is applied to a store in memory.
const MEMORY_ROWS: u64 = 1_000_000;
/// Rows of which the pure work is measured.
const PURE_ROWS: u64 = 1_000_000;
/// Chunks that are worked on at once, as the queue's event source does it on the local stack.
const CHUNKS: usize = 2;

/// All cases of feeds. `--people` is the rows of the file through the stack; ten times as many go into memory.
pub fn run(options: &Options) -> Result<Outcome> {
    let rows = options.people.unwrap_or(STACK_ROWS);
    let in_memory = options.people.map_or(MEMORY_ROWS, |rows| rows * 10);
    let mut results = in_memory_store(in_memory)?;
    results.push(validation(PURE_ROWS)?);
    results.extend(stack::with(|stack| through_the_stack(stack, rows))?);
    Ok(Outcome { equal_output: None, results })
}

/// Rows first to last as a file's text, in pieces.
fn write_file(into: &mut impl Write, rows: std::ops::Range<u64>) -> Result<()> {
    writeln!(into, "{}", VACCINATIONS.join("|"))?;
    for number in rows {
        writeln!(into, "{}", made::row(number).join("|"))?;
    }
    Ok(into.flush()?)
}

fn context(file: &str) -> Result<Context> {
    Ok(Context {
        feed: Feed::Vaccinations,
        file: file.to_owned(),
        supplier: "EMIS".to_owned(),
        vaccine: Some(("FLU".parse()?, Operations::ALL)),
        order: "20251006T050000".to_owned(),
        today: stack::DAY,
        list: None,
    })
}

/// Cuts a file and applies its chunks, as the two functions of feeds do; rows accepted and refused.
async fn apply_file(store: &Store, file: File, context: &Context) -> Result<(u64, u64)> {
    let name = FeedName::parse(&context.file, &Permissions::built_in(true)?)?;
    let content = Content::judge(&name, file)?;
    let (mut accepted, mut refused, mut number) = (0, 0, 0);
    for chunks in content.cut(&name)? {
        let chunks = chunks?;
        let numbered: Vec<(u32, &Chunk)> = (number..).zip(&chunks).collect();
        number += u32::try_from(chunks.len())?;
        let work = each::iter(numbered).map(|(number, chunk)| apply_chunk(store, context, number, chunk));
        let results: Vec<ChunkResult> = work.buffer_unordered(CHUNKS).try_collect().await?;
        accepted += results.iter().map(|result| result.accepted).sum::<u64>();
        refused += results.iter().map(|result| result.failures.len() as u64).sum::<u64>();
    }
    ensure!(accepted + refused == content.rows, "{} rows came to {accepted} + {refused}", content.rows);
    Ok((accepted, refused))
}

/// A file through the whole of the local stack, beside the same writes made from this process.
async fn through_the_stack(stack: Stack, rows: u64) -> Result<Vec<Case>> {
    let folder = stack::scratch();
    let path = folder.join("FLU_Vaccinations_v5_YGM41_20251006T05000000.csv");
    write_file(&mut BufWriter::new(File::create(&path)?), 0..rows)?;
    let begun = Instant::now();
    let file = stack.running.drop_file(&path).await?;
    let took = begun.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    ensure!(
        (file.rows, file.accepted, file.rejected) == (rows, rows, 0),
        "of {rows} rows {} were read, {} accepted, {} refused",
        file.rows,
        file.accepted,
        file.rejected
    );
    step(format!("{rows} rows through the stack in {took:.0} s"));
    let peak = |function: &str| {
        let of = stack.processes(function).into_iter().map(|(_, process)| process.peak_memory).max();
        of.unwrap_or_default() as f64 / 1e6
    };
    let (intake, ingest) = (peak("feed-intake"), peak("record-ingest"));

    let direct = DIRECT_ROWS.min(rows);
    let mut file = tempfile::tempfile()?;
    write_file(&mut BufWriter::new(&mut file), rows..rows + direct)?;
    let context = context("FLU_Vaccinations_v5_YGM41_20251006T06000000.csv")?;
    stack.running.quiet().await?;
    let begun = Instant::now();
    let (accepted, _) = apply_file(&stack.service.store, file, &context).await?;
    let ceiling = accepted as f64 / begun.elapsed().as_secs_f64();
    ensure!(accepted == direct, "{} rows written directly were refused", direct - accepted);
    let name = format!("file of {rows} rows through the stack");
    Ok(vec![
        Case::new(name, rows as f64 / took, "rows/s", Better::Higher).beside("same writes, no functions", ceiling),
        Case::new("feed-intake's peak memory", intake, "MB", Better::Lower),
        Case::new("record-ingest's peak memory", ingest, "MB", Better::Lower),
    ])
}

/// A file applied to a store in another process's memory, and this process's own memory at a tenth of it and at its end.
fn in_memory_store(rows: u64) -> Result<Vec<Case>> {
    let database = Database::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let store = database.store();
    let run = |name: &str, rows: std::ops::Range<u64>| -> Result<(f64, f64)> {
        let count = rows.end - rows.start;
        let mut file = tempfile::tempfile()?;
        write_file(&mut BufWriter::new(&mut file), rows)?;
        let begun = Instant::now();
        let (accepted, refused) = runtime.block_on(apply_file(&store, file, &context(name)?))?;
        ensure!((accepted, refused) == (count, 0), "of {count} rows {accepted} were accepted, {refused} refused");
        let rate = count as f64 / begun.elapsed().as_secs_f64();
        let peak = Process::this()?.peak_memory as f64 / 1e6;
        step(format!("{count} rows into memory: {rate:.0} rows/s, {peak:.0} MB"));
        Ok((rate, peak))
    };
    let tenth = rows / 10;
    let (_, small) = run("FLU_Vaccinations_v5_YGM41_20251006T07000000.csv", 0..tenth)?;
    let (rate, large) = run("FLU_Vaccinations_v5_YGM41_20251006T08000000.csv", tenth..tenth + rows)?;
    Ok(vec![
        Case::new(format!("file of {rows} rows into a store in memory"), rate, "rows/s", Better::Higher),
        Case::new(format!("peak memory after a file of {tenth} rows"), small, "MB", Better::Lower),
        Case::new(format!("peak memory after a file of {rows} rows"), large, "MB", Better::Lower),
    ])
}

/// Validation and conversion of rows on one core: from fields as written to the change that is stored.
fn validation(count: u64) -> Result<Case> {
    let context = context("FLU_Vaccinations_v5_YGM41_20251001T05000000.csv")?;
    let all: Vec<Vec<String>> = (0..count.min(5_000)).map(made::row).collect();
    for (number, values) in all.iter().enumerate().take(1000) {
        let read = rows::read(&context, number as u64, values);
        ensure!(read.is_ok(), "a row of the benchmark is refused: {read:?}");
    }
    // Processor time: others may use the core in between.
    let (mut done, before) = (0u64, Process::this()?.cpu);
    while done < count {
        let read = |(number, values): (usize, &Vec<String>)| black_box(rows::read(&context, number as u64, values));
        let accepted = all.iter().enumerate().map(read).filter(Result::is_ok).count() as u64;
        ensure!(accepted == all.len() as u64, "{} rows were refused", all.len() as u64 - accepted);
        done += accepted;
    }
    let spent = Process::this()?.cpu - before;
    step(format!("validated {done} rows in {spent:.1} s of processor time"));
    let rate = done as f64 / spent;
    Ok(Case::new("validation and conversion, one core", rate, "rows/s", Better::Higher))
}
