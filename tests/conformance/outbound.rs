//! What others are given of changes: the lines of the change files.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::columns;
use crate::events::mark;
use crate::found::shown;
use crate::sheet::Sheet;
use crate::steps::{Said, Step, steps};
use crate::stored::{id_of, last_written, rows_with};
use crate::world::{Bench, POLL, World, same};

/// How long a change may take to go out: the change feed works by the minute.
pub const GOES_OUT_IN: Duration = Duration::from_secs(90);
/// Bucket of change files, and who is given all of them.
const BUCKET: &str = "outbound";
const CENTRAL: &str = "central/";

/// Sentences about what others are given.
pub const STEPS: &[Step] = steps! {
    "The delta table will be populated with the correct data for created event" => created,
    "The delta table will be populated with the correct data for updated event" => updated,
    "The delta table will be populated with the correct data for deleted event" => deleted,
    "The delta table will have delete entry with no change to record detail" => deleted,
    "The delta table will be populated with the correct data for all created records in batch file" => all_created,
    "The delta table will be populated with the correct data for all updated records in batch file" => all_updated,
    "The delta table will be populated with the correct data for all deleted records in batch file" => all_deleted,
    "The delta table will not be populated with {} records in batch file" => none_of_file,
    "The terms are mapped to the respective text fields in imms delta table" => terms,
    "The terms are mapped to first instance of coding.display fields in imms delta table" => terms,
    "The terms are mapped to correct instance of coding.display fields in imms delta table" => terms,
    "The terms are mapped to correct coding.display fields in imms delta table" => terms,
    "The terms are blank in imms delta table" => no_terms,
    "The delta table will use the first valid SNOMED site and route coding" => terms,
    // The project's own wording.
    "its {} goes out" => own_out,
    "the {} of its rows go out" => own_rows,
    "its rows do not go out" => none_of_file,
};

/// Lines of the change files, read as they come.
#[derive(Debug, Default)]
pub struct Changes {
    read: BTreeSet<String>,
    lines: HashMap<String, Vec<Value>>,
}

/// The changes of a record that went out by now, in their order.
async fn changes(bench: &Bench, id: &str) -> Result<Vec<Value>> {
    let mut changes = bench.changes.lock().await;
    for key in bench.running.keys(BUCKET).await? {
        if !key.starts_with(CENTRAL) || !key.ends_with(".ndjson") || changes.read.contains(&key) {
            continue;
        }
        let bytes = bench.running.get(BUCKET, &key).await?;
        for line in String::from_utf8(bytes)?.lines() {
            let line: Value =
                serde_json::from_str(line).with_context(|| format!("{key} has a line that is no JSON"))?;
            let id = line["immunisation"].as_str().unwrap_or_default().to_owned();
            changes.lines.entry(id).or_default().push(line);
        }
        changes.read.insert(key);
    }
    let mut found = changes.lines.get(id).cloned().unwrap_or_default();
    found.sort_by_key(|line| line["sequence"].as_u64());
    Ok(found)
}

/// The last change of a record by an operation, of a version, once it went out.
async fn change(bench: &Bench, id: &str, operation: &str, version: u32) -> Result<Value> {
    let begun = Instant::now();
    loop {
        let found = changes(bench, id).await?;
        let wanted =
            |line: &&Value| line["operation"] == operation && line["version"].as_u64() == Some(u64::from(version));
        if let Some(line) = found.iter().rev().find(wanted) {
            return Ok(line.clone());
        }
        if begun.elapsed() > GOES_OUT_IN {
            let seen: Vec<String> =
                found.iter().map(|line| format!("{} {}", line["operation"], line["version"])).collect();
            bail!("the {operation} of record {id}, version {version}, did not go out; there are {seen:?}");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The action flag of an operation.
pub fn flag(operation: &str) -> &str {
    if operation == "CREATE" { "NEW" } else { operation }
}

fn compare(world: &World, line: &Value, expected: Vec<(&'static str, String)>) -> Result<()> {
    same("vaccine_type", &line["vaccine_type"], world.vaccine.to_uppercase().as_str())?;
    same("supplier", &line["supplier"], world.supplier.as_str())?;
    let names: Vec<&str> = line["record"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    same("the columns", names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
    for (column, value) in expected {
        let found = line["record"][column].as_str().unwrap_or("no text");
        let equal = found == value
            || (column == "DOSE_AMOUNT"
                && found.parse::<f64>().ok().zip(value.parse::<f64>().ok()).is_some_and(|(a, b)| a == b));
        if !equal {
            bail!("{column} went out as {found:?}, expected {value:?}");
        }
    }
    Ok(())
}

/// The last change of the row's record went out, with all that it says.
///
/// # Errors
/// Where it did not.
pub async fn changed(world: &World, operation: &str) -> Result<()> {
    let line = change(&world.bench, &world.id, operation, world.changes()).await?;
    compare(world, &line, columns::of_record(&shown(world), flag(operation)))
}

async fn created(world: &mut World, _: &Said) -> Result<()> {
    changed(world, "CREATE").await
}

async fn updated(world: &mut World, _: &Said) -> Result<()> {
    changed(world, "UPDATE").await
}

async fn deleted(world: &mut World, _: &Said) -> Result<()> {
    changed(world, "DELETE").await
}

/// The operation that a word of the project's own stands for.
pub fn operation(word: &str) -> Result<&'static str> {
    Ok(match word {
        "creation" | "creations" => "CREATE",
        "change" | "changes" => "UPDATE",
        "deletion" | "deletions" => "DELETE",
        _ => bail!("no operation is called '{word}'"),
    })
}

async fn own_out(world: &mut World, said: &Said) -> Result<()> {
    changed(world, operation(said.value(0))?).await
}

async fn own_rows(world: &mut World, said: &Said) -> Result<()> {
    rows_out(world, operation(said.value(0))?).await
}

async fn terms(world: &mut World, _: &Said) -> Result<()> {
    changed(world, "CREATE").await
}

async fn no_terms(world: &mut World, _: &Said) -> Result<()> {
    changed(world, "CREATE").await?;
    let line = change(&world.bench, &world.id, "CREATE", world.changes()).await?;
    for name in
        ["VACCINATION_PROCEDURE_TERM", "VACCINE_PRODUCT_TERM", "SITE_OF_VACCINATION_TERM", "ROUTE_OF_VACCINATION_TERM"]
    {
        same(name, &line["record"][name], "")?;
    }
    Ok(())
}

/// How many changes a record has seen with a row of the file.
pub fn changes_with(world: &World, sheet: &Sheet, row: usize) -> u32 {
    let same = |other: &usize| id_of(sheet, *other) == id_of(sheet, row);
    if id_of(sheet, row) == world.id {
        return world.changes();
    }
    u32::try_from((0..=row).filter(same).count()).unwrap_or_default()
}

async fn rows_out(world: &World, operation: &str) -> Result<()> {
    let sheet = world.sheet()?;
    let rows = rows_with(sheet, flag(operation));
    same("that the file has such rows", rows.is_empty(), false)?;
    for row in rows {
        let line = change(&world.bench, &id_of(sheet, row), operation, changes_with(world, sheet, row)).await?;
        let from = if operation == "DELETE" { last_written(sheet, row) } else { row };
        let restricted = world.bench.people.is_restricted(sheet.value(row, "NHS_NUMBER"));
        compare(world, &line, columns::of_row(sheet, from, flag(operation), restricted))
            .with_context(|| format!("row {}", row + 1))?;
    }
    Ok(())
}

async fn all_created(world: &mut World, _: &Said) -> Result<()> {
    rows_out(world, "CREATE").await
}

async fn all_updated(world: &mut World, _: &Said) -> Result<()> {
    rows_out(world, "UPDATE").await
}

async fn all_deleted(world: &mut World, _: &Said) -> Result<()> {
    rows_out(world, "DELETE").await
}

async fn none_of_file(world: &mut World, _: &Said) -> Result<()> {
    let mark = mark(world).await?;
    change(&world.bench, &mark.id, "CREATE", 1).await?;
    let sheet = world.sheet()?;
    for row in 0..sheet.rows.len() {
        let found = changes(&world.bench, &id_of(sheet, row)).await?.len();
        same(&format!("the number of changes of row {} that went out", row + 1), found, 0)?;
    }
    Ok(())
}
