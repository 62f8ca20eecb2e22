//! Batch files as wholes: names, columns, and dropping them.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use ims_store::FeedFile;

use crate::acks;
use crate::sheet::{Sheet, keep, listed, rename, row, sheet};
use crate::steps::{Said, Step, steps};
use crate::world::{PATIENCE, POLL, World};

/// Sentences about files as wholes.
pub const STEPS: &[Step] = steps! {
    "batch file is created for below data with {} filename and {} extension" => named,
    "Empty batch file is created" => empty,
    "batch file is created with missing columns for below data" => fewer_columns,
    "batch file is created with invalid column order for below data" => other_order,
    "batch file is created with invalid delimiter for below data" => other_delimiter,
    "batch file is created with invalid column name for patient surname for below data" => other_column,
    "batch file is created with additional column person age for below data" => one_more_column,
    "batch file is uploaded in s3 bucket" => upload,
    "same batch file is uploaded again in s3 bucket" => upload,
    "a file of {} that is called {}" => own_named,
    "its column {} is called {}" => own_column,
    "its values are parted by {}" => own_delimiter,
    "it has no rows" => own_empty,
    "the file is dropped" => upload,
    "the file is dropped again" => upload,
};

async fn named(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    sheet.name = world.bench.free_name(said.value(0), said.value(1)).await?;
    world.sheet = Some(sheet);
    Ok(())
}

async fn empty(world: &mut World, _: &Said) -> Result<()> {
    keep(world, sheet(Vec::new()), "csv").await
}

async fn fewer_columns(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    for column in ["PERSON_DOB", "PERFORMING_PROFESSIONAL_FORENAME"] {
        if let Some(place) = sheet.columns.iter().position(|held| held == column) {
            sheet.columns.remove(place);
            sheet.rows.iter_mut().for_each(|row| _ = row.remove(place));
        }
    }
    keep(world, sheet, "csv").await
}

async fn other_order(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    sheet.columns.swap(0, 1);
    sheet.rows.iter_mut().for_each(|row| row.swap(0, 1));
    keep(world, sheet, "csv").await
}

async fn other_delimiter(world: &mut World, said: &Said) -> Result<()> {
    let sheet = Sheet { delimiter: ';', ..listed(world, said)? };
    keep(world, sheet, "csv").await
}

async fn other_column(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    rename(&mut sheet, "PERSON_SURNAME", "PERSON_SURENAME")?;
    keep(world, sheet, "csv").await
}

async fn one_more_column(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    sheet.columns.push("PERSON_AGE".to_owned());
    sheet.rows.iter_mut().for_each(|row| row.push("30".to_owned()));
    keep(world, sheet, "csv").await
}

async fn own_named(world: &mut World, said: &Said) -> Result<()> {
    (world.supplier, world.vaccine) = ("EMIS".to_owned(), said.value(0).to_owned());
    let mut sheet = sheet(vec![row(world, &world.bench.people.patient("Random")?, &world.bench.unique())?]);
    let (beginning, extension) = said.value(1).rsplit_once('.').context("the name has no extension")?;
    sheet.name = world.bench.free_name(beginning, extension).await?;
    world.sheet = Some(sheet);
    Ok(())
}

fn own(world: &mut World) -> Result<&mut Sheet> {
    world.sheet.as_mut().context("no file was made up yet")
}

async fn own_column(world: &mut World, said: &Said) -> Result<()> {
    rename(own(world)?, said.value(0), said.value(1))
}

async fn own_delimiter(world: &mut World, said: &Said) -> Result<()> {
    own(world)?.delimiter = said.value(0).chars().next().context("no delimiter")?;
    Ok(())
}

async fn own_empty(world: &mut World, _: &Said) -> Result<()> {
    own(world)?.rows.clear();
    Ok(())
}

/// Drops the file and waits until the service has dealt with it. A file stays in the inbound bucket: what has become of it
/// is told by its state, where the national service moves it.
async fn upload(world: &mut World, _: &Said) -> Result<()> {
    let mut sheet = world.sheet()?.clone();
    let bench = world.bench.clone();
    let again = sheet.noted.is_some();
    sheet.acks_before = (acks::keys(world, "ack").await?.len(), acks::keys(world, "forwardedFile").await?.len());
    bench.running.put("inbound", &sheet.name, sheet.bytes()).await?;
    sheet.noted = Some(if again { second(world, &sheet.name).await? } else { bench.file_done(&sheet.name).await? });
    world.sheet = Some(sheet);
    Ok(())
}

/// What is noted of another upload of a name, beside the first.
async fn second(world: &World, name: &str) -> Result<FeedFile> {
    let begun = Instant::now();
    loop {
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        for day in [now, now.yesterday()?] {
            let files = world.bench.running.store.files_on(day).await?;
            if let Some(found) =
                files.into_iter().rfind(|file| file.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('#')))
            {
                return Ok(found);
            }
        }
        if begun.elapsed() > PATIENCE {
            bail!("nothing is noted of the second upload of {name}");
        }
        tokio::time::sleep(POLL).await;
    }
}
