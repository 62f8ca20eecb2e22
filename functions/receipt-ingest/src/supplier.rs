//! The print supplier's two ways in: a status file `status/{name}.csv` in the print bucket, and `POST /receipts/print`.
//!
//! A file is answered by `answers/{name}.csv.json`: rows noted, and each refused row with its line and what is wrong.

use aws_lambda_events::event::s3::S3Event;
use futures::{StreamExt, TryStreamExt, stream};
use ims_messaging::Bucket;
use ims_runtime::Service;
use lambda_runtime::Error;
use serde::Serialize;
use serde_json::Value;

use crate::print::{PrintReport, note, rows};
use crate::request::{CallbackToken, body};
use crate::{answer, refusal};

/// Where status files are dropped.
pub const STATUS: &str = "status/";
/// Reports noted at a time.
const AT_ONCE: usize = 16;

/// What became of a status file.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Answer {
    noted: usize,
    refused: Vec<RefusedRow>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct RefusedRow {
    line: usize,
    error: String,
}

/// Takes an event that is the print supplier's; `None` of any other.
///
/// # Errors
/// Where the store or the bucket fails; a file is then delivered again.
pub async fn take(service: &Service, token: &CallbackToken, event: &Value) -> Result<Option<Value>, Error> {
    if event.pointer("/Records/0/eventSource").and_then(Value::as_str) == Some("aws:s3") {
        let event: S3Event = serde_json::from_value(event.clone())?;
        for record in event.records {
            if let Some(key) = record.s3.object.key {
                file(service, &decode(&key)).await?;
            }
        }
        return Ok(Some(Value::Null));
    }
    let path = event.get("path").and_then(Value::as_str).unwrap_or_default();
    if !path.ends_with("/receipts/print") {
        return Ok(None);
    }
    let body = match body(serde_json::from_value(event.clone())?, token) {
        Ok(body) => body,
        Err(refused) => return Ok(Some(refusal(&refused, 200))),
    };
    let report = match PrintReport::parse(&body) {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!(%error, "a print report cannot be read");
            return Ok(Some(answer(400, &error.to_string())));
        }
    };
    Ok(Some(match note(&service.store, &report, service.clock.today().await?).await {
        Ok(noted) => answer(200, noted),
        Err(error) => {
            tracing::error!(message = %report.reference, %error, "a print report could not be noted; it will come again");
            answer(503, "try again")
        }
    }))
}

async fn file(service: &Service, key: &str) -> Result<(), Error> {
    let Some(name) = key.strip_prefix(STATUS).filter(|name| !name.is_empty()) else { return Ok(()) };
    let bytes = service.objects.read(Bucket::Print, key).await?;
    let today = service.clock.today().await?;
    let mut told = Answer::default();
    match rows(&String::from_utf8_lossy(&bytes)) {
        Err(error) => told.refused.push(RefusedRow { line: 1, error: error.to_string() }),
        Ok(rows) => {
            let (mut reports, mut refused) = (Vec::new(), Vec::new());
            for (line, row) in rows {
                match row {
                    Ok(report) => reports.push(report),
                    Err(error) => refused.push(RefusedRow { line, error: error.to_string() }),
                }
            }
            // Two reports of one letter may overtake one another: the one that counts more stands either way.
            let noted: Vec<&str> = stream::iter(reports)
                .map(|report| async move { note(&service.store, &report, today).await })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
            told = Answer { noted: noted.iter().filter(|noted| **noted == "noted").count(), refused };
        }
    }
    tracing::info!(
        file = name,
        noted = told.noted,
        refused = told.refused.len(),
        "a status file of the print supplier"
    );
    service.objects.put_json(Bucket::Print, &format!("answers/{name}.json"), &told).await?;
    Ok(())
}

/// A key as it stands in an event: form-encoded.
fn decode(key: &str) -> String {
    form_urlencoded::parse(key.as_bytes()).map(|(key, _)| key.into_owned()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        assert_eq!(decode("status/20251006+part%281%29.csv"), "status/20251006 part(1).csv");
    }
}
