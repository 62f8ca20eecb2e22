//! Acknowledgements of batch files: one for the file (InfAck) and one for its refused rows (BusAck), as CSV and JSON.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::json;

const INF_HEADER: &str = "MESSAGE_HEADER_ID|HEADER_RESPONSE_CODE|ISSUE_SEVERITY|ISSUE_CODE|ISSUE_DETAILS_CODE|\
    RESPONSE_TYPE|RESPONSE_CODE|RESPONSE_DISPLAY|RECEIVED_TIME|MAILBOX_FROM|LOCAL_ID|MESSAGE_DELIVERY";
const BUS_HEADER: &str = "MESSAGE_HEADER_ID|HEADER_RESPONSE_CODE|ISSUE_SEVERITY|ISSUE_CODE|ISSUE_DETAILS_CODE|\
    RESPONSE_TYPE|RESPONSE_CODE|RESPONSE_DISPLAY|RECEIVED_TIME|MAILBOX_FROM|LOCAL_ID|IMMS_ID|OPERATION_OUTCOME|\
    MESSAGE_DELIVERY";
const FILE_FAILED_DISPLAY: &str = "Infrastructure Level Response Value - Processing Error";
const ROW_FAILED: &str = "30002";
const ROW_FAILED_DISPLAY: &str = "Business Level Response Value - Processing Error";

/// An instant as acknowledgements write it: `YYYYMMDDThhmmss00`, UTC.
#[must_use]
pub fn compact_time(at: Timestamp) -> String {
    let at = Offset::UTC.to_datetime(at);
    let (y, m, d) = (at.year(), at.month(), at.day());
    format!("{y:04}{m:02}{d:02}T{:02}{:02}{:02}00", at.hour(), at.minute(), at.second())
}

/// A file's name without its extension.
fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// Key of the InfAck of a file, in the bucket of acknowledgements. `created` is when the file was received.
#[must_use]
pub fn inf_ack_key(file: &str, created: Timestamp) -> String {
    format!("ack/{}_InfAck_{}.csv", stem(file), compact_time(created))
}

/// Key of the BusAck of a file as CSV.
#[must_use]
pub fn bus_ack_csv_key(file: &str, created: Timestamp) -> String {
    format!("forwardedFile/{}_BusAck_{}.csv", stem(file), compact_time(created))
}

/// Key of the BusAck of a file as JSON.
#[must_use]
pub fn bus_ack_json_key(file: &str, created: Timestamp) -> String {
    format!("forwardedFile/{}_BusAck_{}.json", stem(file), compact_time(created))
}

/// What an InfAck says of a file as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAnswer<'a> {
    /// Accepted: its rows are applied.
    Accepted,
    /// Refused: none is.
    Refused,
    /// Refused, with the reason beside the national words.
    RefusedBecause(&'a str),
    /// In order, but none of its rows is applied before somebody has approved them, for this reason.
    Awaiting(&'a str),
}

/// The InfAck: whether the file as such was accepted.
#[must_use]
pub fn inf_ack(message_id: &str, created: Timestamp, answer: FileAnswer<'_>) -> String {
    let plain = |why: &str| why.chars().map(|c| if c == '|' || c.is_control() { ' ' } else { c }).collect::<String>();
    let display = match answer {
        FileAnswer::Accepted => "Success".to_owned(),
        FileAnswer::Refused => FILE_FAILED_DISPLAY.to_owned(),
        FileAnswer::RefusedBecause(why) => format!("{FILE_FAILED_DISPLAY}: {}", plain(why)),
        FileAnswer::Awaiting(why) => format!("AwaitingApproval - {}", plain(why)),
    };
    let [header, severity, code, details, response, delivery] = match answer {
        FileAnswer::Accepted => ["Success", "Information", "OK", "20013", "20013", "True"],
        FileAnswer::Refused | FileAnswer::RefusedBecause(_) => {
            ["Failure", "Fatal", "Fatal Error", "10001", "10002", "False"]
        }
        FileAnswer::Awaiting(_) => ["Success", "Warning", "OK", "20013", "20013", "False"],
    };
    let created = compact_time(created);
    format!(
        "{INF_HEADER}\n{message_id}|{header}|{severity}|{code}|{details}|Technical|{response}|{display}|{created}|||{delivery}\n"
    )
}

/// A refused row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFailure {
    /// Place of the row in the file, from 1.
    pub row: u64,
    /// `UNIQUE_ID^UNIQUE_ID_URI`
    pub local_id: String,
    /// Why it was refused.
    pub diagnostics: String,
}

/// A file whose rows were all dealt with.
#[derive(Debug, Clone, Copy)]
pub struct FileReport<'a> {
    /// The file's name.
    pub file: &'a str,
    /// The service's id for the file.
    pub message_id: &'a str,
    /// The supplier's name.
    pub supplier: &'a str,
    /// When the file was received.
    pub created: Timestamp,
    /// When its first row was taken up.
    pub started: Timestamp,
    /// When its last row was done.
    pub ended: Timestamp,
    /// Number of its rows.
    pub rows: u64,
}

/// Failures in the order of the file's rows.
fn in_order(failures: &[RowFailure]) -> Vec<&RowFailure> {
    let mut failures: Vec<&RowFailure> = failures.iter().collect();
    failures.sort_by_key(|failure| failure.row);
    failures
}

/// Text on one line, runs of white space made one space.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// A field of a line; quoted only where it would otherwise be read as something else, since receivers of these files
/// compare fields as they stand.
fn field(text: &str) -> String {
    let line = one_line(text);
    if line.contains('|') || line.starts_with('"') { format!("\"{}\"", line.replace('"', "\"\"")) } else { line }
}

/// The BusAck as CSV: the header, and a line for every refused row.
#[must_use]
pub fn bus_ack_csv(report: &FileReport<'_>, failures: &[RowFailure]) -> String {
    let created = compact_time(report.created);
    let mut text = String::with_capacity(BUS_HEADER.len() + 1 + failures.len() * 320);
    text.push_str(BUS_HEADER);
    text.push('\n');
    for failure in in_order(failures) {
        text.push_str(&format!(
            "{}^{}|Fatal Error|Fatal|Fatal Error|{ROW_FAILED}|Business|{ROW_FAILED}|{ROW_FAILED_DISPLAY}|{created}||{}||{}|False\n",
            report.message_id,
            failure.row,
            field(&failure.local_id),
            field(&failure.diagnostics),
        ));
    }
    text
}

/// The BusAck as JSON: the file, its counts, and every refused row. Ingestion times are in seconds since 1970; the end is
/// the second after the last row was done, so that it is later than the start, as receivers require.
#[must_use]
pub fn bus_ack_json(report: &FileReport<'_>, failures: &[RowFailure]) -> String {
    let failed = failures.len() as u64;
    let rows: Vec<_> = in_order(failures)
        .into_iter()
        .map(|failure| {
            json!({
                "rowId": failure.row,
                "responseCode": ROW_FAILED,
                "responseDisplay": ROW_FAILED_DISPLAY,
                "severity": "Fatal",
                "localId": failure.local_id,
                "operationOutcome": one_line(&failure.diagnostics),
            })
        })
        .collect();
    let ended = Offset::UTC.to_datetime(report.ended);
    let report = json!({
        "system": "Immunisation FHIR API Batch Report",
        "version": 1,
        "generatedDate": ended.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
        "provider": report.supplier,
        "filename": stem(report.file),
        "messageHeaderId": report.message_id,
        "summary": {
            "totalRecords": report.rows,
            "succeeded": report.rows.saturating_sub(failed),
            "failed": failed,
            "ingestionTime": {"start": report.started.as_second(), "end": report.ended.as_second() + 1},
        },
        "failures": rows,
    });
    format!("{report:#}")
}
