//! `ims letter`: the committed wordings as they are printed, to somebody made up.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use ims_contact::letter::{Letter, typeset};
use ims_contact::template::{Fields, TemplateSet, plain_words};
use ims_domain::VaccineType;
use ims_domain::campaign::Step;
use ims_domain::letter::{Format, Language};
use jiff::civil::{Date, date};

/// The day that is printed: that of the demo's first waves.
const DAY: Date = date(2025, 10, 6);

/// Arguments of `ims letter`.
#[derive(clap::Args)]
pub struct Args {
    /// Programme, such as FLU
    #[arg(long, value_name = "CODE", default_value = "FLU")]
    programme: String,
    /// The reminder instead of the invitation
    #[arg(long)]
    reminder: bool,
    /// en, cy or ar
    #[arg(long, value_name = "CODE", default_value = "en")]
    language: String,
    /// standard, `large_print` or `easy_read`
    #[arg(long, value_name = "NAME", default_value = "standard")]
    format: String,
    /// To the parent or guardian of a child
    #[arg(long)]
    child: bool,
    /// The PDF
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs `ims letter`.
///
/// # Errors
/// Where there is no such wording, or the file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let programme: VaccineType =
        args.programme.parse().ok().with_context(|| format!("--programme: '{}' is no programme", args.programme))?;
    let language = Language::preferred(&args.language);
    if language.code() != args.language {
        bail!("--language: letters are not written in '{}'", args.language);
    }
    let format: Format = args.format.parse().context("--format")?;
    if format.is_made_from_text() {
        bail!("--format: '{}' has no pages: the supplier makes it from the text", args.format);
    }
    let step = if args.reminder { Step::Reminder } else { Step::Invite };
    let templates = TemplateSet::embedded()?;
    let Some(template) = templates.letter(programme, step, language, format, true) else {
        bail!("there is no wording for programme '{}', step '{}'", args.programme, step.name());
    };
    let rendered = template.render(&Fields {
        greeting_name: "Siân Example".to_owned(),
        to_parent: args.child,
        programme: plain_words(programme).to_owned(),
        dose: 1,
        doses: 1,
        booking_link: "www.nhs.uk/get-vaccination".to_owned(),
        booking_phone: "119".to_owned(),
    })?;
    let mut address_lines = vec!["Siân Example", "Flat 2", "10 Example Street", "Leeds", "LS1 4AP"];
    if args.child {
        address_lines.insert(0, "To the parent or guardian of");
    }
    let letter = Letter {
        reference: "00000000-0000-4000-8000-000000000000".to_owned(),
        address_lines: address_lines.into_iter().map(str::to_owned).collect(),
        date: template.language.date(DAY),
        heading: rendered.heading.unwrap_or_default(),
        paragraphs: rendered.paragraphs,
        pictures: rendered.pictures,
        language: template.language,
        format: if format == Format::EasyRead { template.format } else { format },
    };
    let batch = typeset(&[letter])?;
    fs::write(&args.out, batch.pdf).with_context(|| format!("writing {}", args.out.display()))?;
    let reviewed = if template.reviewed { "reviewed" } else { "not reviewed" };
    eprintln!("{} version {} ({reviewed}): {} pages", template.name, template.version, batch.pages_per_letter[0]);
    Ok(ExitCode::SUCCESS)
}
