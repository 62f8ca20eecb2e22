//! The table of areas as CSV.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::file::{Area, Picture};
use super::page::{Found, find};
use super::view::{View, sorted};
use crate::layout::{Frame, Problem};
use crate::rooms::Room;
use crate::session::Staff;
use crate::{Console, Shared};

/// Answers `/picture.csv`.
pub(crate) async fn csv(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    RawQuery(query): RawQuery,
) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Picture), title: "Picture" };
    match answer(&console, query.as_deref().unwrap_or_default()).await {
        Ok(response) => response,
        Err(problem) => problem.respond(&frame),
    }
}

async fn answer(console: &Console, query: &str) -> Result<Response, Problem> {
    let Found::Picture(view, _, picture) = find(console, query).await? else {
        let what = "There is no picture to download yet.".to_owned();
        return Err(Problem::new(StatusCode::NOT_FOUND, "Nothing to download", what)
            .link(console.link("/picture"), "Go to the picture, which says what to do next"));
    };
    let (text, name) = write(console, &picture, &view)?;
    let disposition = format!("attachment; filename=\"{name}\"");
    Ok((
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)],
        text,
    )
        .into_response())
}

fn write(console: &Console, picture: &Picture, view: &View) -> Result<(String, String), Problem> {
    let (chosen, level) = view.place(console, picture)?;
    let rows = sorted(console, picture, chosen, level, view);
    let text = to_csv(&picture.campaign, &rows).map_err(|error| {
        tracing::error!(%error, "a table cannot be written as CSV");
        let what = "The table cannot be written as CSV.".to_owned();
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "No download", what).then("Tell an engineer on call.")
    })?;
    let plain = |text: &str| -> String {
        text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
    };
    let name = format!(
        "coverage-{}-{}-{}-{}.csv",
        plain(&picture.campaign),
        plain(&chosen.code),
        plain(level.name()),
        picture.business_date
    );
    Ok((text, name))
}

/// A cell that a spreadsheet does not take for a formula.
fn text(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

fn to_csv(campaign: &str, rows: &[(&Area, String)]) -> Result<String, Box<dyn std::error::Error>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record([
        "campaign",
        "level",
        "area_code",
        "area_name",
        "eligible",
        "vaccinated",
        "coverage",
        "lower",
        "upper",
        "withheld",
    ])?;
    for (area, name) in rows {
        let cell = &area.coverage;
        let count = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        let share = |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
        let is_withheld = cell.eligible.is_none() || cell.vaccinated.is_none();
        let record: [&str; 10] = [
            &text(campaign),
            area.level.name(),
            &text(&area.code),
            &text(name),
            &count(cell.eligible),
            &count(cell.vaccinated),
            &share(cell.coverage),
            &share(cell.lower),
            &share(cell.upper),
            if is_withheld { "yes" } else { "no" },
        ];
        writer.write_record(record)?;
    }
    Ok(String::from_utf8(writer.into_inner().map_err(|error| error.into_error())?)?)
}

#[cfg(test)]
mod tests {
    use super::super::file::{Cell, Level};
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_withheld_numbers_are_empty() {
        let area = |code: &str, coverage| Area {
            code: code.to_owned(),
            level: Level::Icb,
            parent: None,
            coverage,
            groups: Default::default(),
        };
        let shown = Cell {
            eligible: Some(120),
            vaccinated: Some(60),
            coverage: Some(0.5),
            lower: Some(0.41),
            upper: Some(0.59),
        };
        let (one, other) = (area("QMF", shown), area("@X", Cell::default()));
        let rows = [(&one, "=HYPERLINK(\"x\"), London".to_owned()), (&other, "+1".to_owned())];
        let text = to_csv("-flu", &rows).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[1], "'-flu,icb,QMF,\"'=HYPERLINK(\"\"x\"\"), London\",120,60,0.5000,0.4100,0.5900,no");
        assert_eq!(lines[2], "'-flu,icb,'@X,'+1,,,,,,yes");
    }
}
