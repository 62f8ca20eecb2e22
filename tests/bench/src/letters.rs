//! `letters`: letters typeset a second on one core, and what they weigh, beside WeasyPrint making the same letter.
//!
//! Both make the committed flu invitation for the same made-up people: a page each, address in the window, the same faces
//! embedded and cut down, a Data Matrix, tagged as PDF/UA-1. `single` is a PDF for each letter, `batch` one PDF of many.
//! Times are processor time, so that what else the machine does has no part in them.
//! Equal output means that the words read from both batches are the same, in the same order.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, ensure};
use datamatrix::{DataMatrix, SymbolList, SymbolSize};
use ims_contact::letter::{Letter, typeset};
use ims_contact::template::{Fields, TemplateSet, plain_words};
use ims_domain::campaign::Step;
use ims_domain::ids::stable_hash;
use ims_domain::letter::{Format, Language};
use jiff::civil::date;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;
use xtask::workspace_root;

use crate::measure::Process;
use crate::{Better, Case, Options, Outcome};

/// Letters of a batch, as many as the service seals in one.
const BATCH: u64 = 250;
/// Letters that get a PDF each.
const SINGLES: usize = 40;
/// Processor time that a figure rests on at least: it is told in hundredths of a second.
const SECONDS: f64 = 3.0;
const REQUIREMENTS: &str = "tests/bench/peers/letters-requirements.txt";

/// What the peer says of its run.
#[derive(Deserialize)]
struct Peer {
    version: String,
    single_seconds: f64,
    single_bytes: f64,
    batch_seconds: f64,
    batch_bytes: f64,
    equal_words: bool,
}

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<Outcome> {
    let templates = TemplateSet::embedded()?;
    let letters: Vec<Letter> =
        (0..options.people.unwrap_or(BATCH)).map(|place| letter(place, &templates)).collect::<Result<_>>()?;
    let singles = letters.get(..SINGLES.min(letters.len())).unwrap_or_default();
    let one = |letter: &Letter| Ok::<_, anyhow::Error>(typeset(std::slice::from_ref(letter))?.pdf.len());
    let all_singles = || singles.iter().map(one).sum::<Result<usize>>();
    let single_bytes = all_singles()?;
    let batch = typeset(&letters)?;
    ensure!(batch.pages_per_letter.iter().all(|pages| *pages == 1), "a letter of the benchmark is longer than a page");

    let single_seconds = seconds(&all_singles)?;
    let batch_seconds = seconds(&|| Ok(typeset(&letters)?.pdf.len()))?;
    let shared = seconds(&|| Ok(letters.iter().map(Letter::check).filter(Result::is_ok).count()))?;

    let folder = workspace_root().join(".local/bench/letters");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("ours.pdf"), &batch.pdf)?;
    fs::write(folder.join("letters.json"), serde_json::to_vec(&described(&letters)?)?)?;
    let peer = peer(&folder, singles.len())?;

    let name = format!("WeasyPrint {}", peer.version);
    let (few, many) = (singles.len() as f64, letters.len() as f64);
    let per_thousand = |bytes: f64, letters: f64| bytes / letters * 1000.0 / 1e6;
    let rate =
        |case: &str, ours: f64, theirs: f64| Case::new(case, ours, "letters/s", Better::Higher).beside(&*name, theirs);
    let weight = |case: &str, ours: f64, theirs: f64| {
        Case::new(case, ours, "MB per 1,000", Better::Lower).beside(&*name, theirs)
    };
    Ok(Outcome {
        equal_output: Some(peer.equal_words),
        results: vec![
            rate("single", few / single_seconds, few / peer.single_seconds),
            rate("batch", many / batch_seconds, many / peer.batch_seconds),
            weight("single, weight", per_thousand(single_bytes as f64, few), per_thousand(peer.single_bytes, few)),
            weight("batch, weight", per_thousand(batch.pdf.len() as f64, many), per_thousand(peer.batch_bytes, many)),
            Case::new("checked before a batch is sealed", many / shared, "letters/s", Better::Higher),
        ],
    })
}

/// Processor time of one round of work, so that what else the machine does has no part in it.
fn seconds(work: &dyn Fn() -> Result<usize>) -> Result<f64> {
    let begun = Process::this()?.cpu;
    let mut rounds = 0.0;
    loop {
        black_box(work()?);
        rounds += 1.0;
        let taken = Process::this()?.cpu - begun;
        if taken >= SECONDS {
            return Ok(taken / rounds);
        }
    }
}

/// The flu invitation to somebody made up.
fn letter(place: u64, templates: &TemplateSet) -> Result<Letter> {
    let draw = |what: &str, of: &[&str]| -> String {
        let at = stable_hash(&format!("{what} {place}")) % of.len().max(1) as u64;
        usize::try_from(at).ok().and_then(|at| of.get(at)).copied().unwrap_or_default().to_owned()
    };
    let given = draw("given", &["Amina", "George", "Siân", "Zoë", "Olumide", "Małgorzata", "Priya", "Tom"]);
    let family = draw("family", &["Khan", "Smith", "O’Neill", "Wójcik", "Adeyemi", "Patel-Jones", "Ŵyn", "Lee"]);
    let street = draw("street", &["High Street", "Station Road", "The Avenue", "Mill Lane", "Church Close"]);
    let town = draw("town", &["Leeds", "Bristol", "Norwich", "Newcastle upon Tyne", "Penzance"]);
    let programme = "FLU".parse()?;
    let template = templates
        .letter(programme, Step::Invite, Language::English, Format::Standard, true)
        .ok_or_else(|| anyhow!("there is no flu invitation"))?;
    let rendered = template.render(&Fields {
        greeting_name: format!("{given} {family}"),
        to_parent: false,
        programme: plain_words(programme).to_owned(),
        dose: 1,
        doses: 1,
        booking_link: "www.nhs.uk/get-vaccination".to_owned(),
        booking_phone: "119".to_owned(),
    })?;
    Ok(Letter {
        reference: Uuid::from_u128(u128::from(place)).to_string(),
        address_lines: vec![
            format!("{given} {family}"),
            format!("{} {street}", place + 1),
            town,
            format!("LS{} 4AP", place % 20 + 1),
        ],
        date: Language::English.date(date(2025, 10, 6)),
        heading: rendered.heading.unwrap_or_default(),
        paragraphs: rendered.paragraphs,
        pictures: Vec::new(),
        language: Language::English,
        format: Format::Standard,
    })
}

/// The letters for the peer, with their barcodes as rows of modules.
fn described(letters: &[Letter]) -> Result<serde_json::Value> {
    let total = letters.len();
    let describe = |(index, letter): (usize, &Letter)| {
        let content = format!("{}{:05}0101", letter.reference.replace('-', "").to_uppercase(), index + 1);
        let symbol = DataMatrix::encode(content.as_bytes(), SymbolList::with_whitelist([SymbolSize::Square24]))
            .map_err(|error| anyhow!("barcode: {error:?}"))?;
        let bitmap = symbol.bitmap();
        let rows: Vec<String> = bitmap
            .bits()
            .chunks(bitmap.width())
            .map(|row| row.iter().map(|dark| if *dark { '1' } else { '0' }).collect())
            .collect();
        Ok(json!({
            "address_lines": letter.address_lines,
            "date": letter.date,
            "heading": letter.heading,
            "paragraphs": letter.paragraphs,
            "foot": format!("Reference {}   Letter {} of {total}   Page 1 of 1", letter.reference, index + 1),
            "barcode": rows,
        }))
    };
    Ok(serde_json::Value::Array(letters.iter().enumerate().map(describe).collect::<Result<_>>()?))
}

fn peer(folder: &Path, singles: usize) -> Result<Peer> {
    let python = xtask::python::venv_at(".local/bench/letters-venv", &[REQUIREMENTS])?;
    let output = Command::new(python)
        .arg(workspace_root().join("tests/bench/peers/letters_weasyprint.py"))
        .arg(folder)
        .arg(workspace_root().join("shared/contact/fonts"))
        .arg(singles.to_string())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "letters_weasyprint.py failed; see above");
    serde_json::from_slice(&output.stdout).context("what the peer printed")
}
