//! What an event says of an object that arrived.

use aws_lambda_events::event::s3::S3EventRecord;
use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

/// Namespace of message ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x7d0f_3a52_5d0c_4d37_8a64_1f2c_09be_51d3);

/// An event that does not tell what arrived.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the event has no usable {0}")]
pub struct EventError(&'static str);

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Object key.
    pub name: String,
    /// Entity tag without quotation marks.
    pub etag: String,
    /// Who put it there, as S3 names principals; empty where the event does not say.
    pub principal: String,
    /// When it was uploaded.
    pub at: Timestamp,
    /// The same for every delivery of one event, another for another upload, even of the same file.
    pub message_id: Uuid,
}

impl Arrival {
    /// Reads a record of an S3 event.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn read(record: &S3EventRecord) -> Result<Self, EventError> {
        let object = &record.s3.object;
        let name = object.key.as_deref().map(decode_key).ok_or(EventError("object key"))?;
        let etag = object.e_tag.as_deref().map(|tag| tag.trim_matches('"').to_owned());
        let etag = etag.filter(|tag| !tag.is_empty()).ok_or(EventError("entity tag"))?;
        let milliseconds = record.event_time.timestamp_millis();
        let at = Timestamp::from_millisecond(milliseconds).map_err(|_| EventError("event time"))?;
        let sequencer = object.sequencer.as_deref().unwrap_or_default();
        let request = record.response_elements.get("x-amz-request-id").map_or("", String::as_str);
        let upload = format!("{name}|{etag}|{milliseconds}|{sequencer}|{request}");
        let principal = record.principal_id.principal_id.clone().unwrap_or_default();
        Ok(Self { message_id: Uuid::new_v5(&NAMESPACE, upload.as_bytes()), name, etag, principal, at })
    }
}

/// A key as S3 writes it in events: form-encoded. What is no valid escape stays as it is.
fn decode_key(key: &str) -> String {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| key.to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::event::s3::S3Event;

    fn event() -> S3Event {
        serde_json::from_str(include_str!("../fixtures/object-created.json")).unwrap()
    }

    #[test]
    fn keys_are_form_encoded() {
        for (key, decoded) in [
            ("FLU_Vaccinations_v5_YGM41_20251001T05000000.csv", "FLU_Vaccinations_v5_YGM41_20251001T05000000.csv"),
            ("a+b%20c%2Bd", "a b c+d"),
            ("Zo%C3%AB.csv", "Zoë.csv"),
            ("100%", "100%"),
            ("%zz%e", "%zz%e"),
            ("%FF", "%FF"),
        ] {
            assert_eq!(decode_key(key), decoded);
        }
    }

    #[test]
    fn one_event_has_one_message_id_and_another_upload_another() {
        let mut record = event().records.remove(0);
        let first = Arrival::read(&record).unwrap();
        assert_eq!(first.name, "FLU_Vaccinations_v5_YGM41_20251001T05000000.csv");
        assert_eq!(first.at.to_string(), "2025-10-01T05:00:01.25Z");
        assert_eq!(Arrival::read(&record).unwrap(), first);
        record.s3.object.sequencer = Some("0055AED6DCD90281E6".into());
        let second = Arrival::read(&record).unwrap();
        assert_eq!((&second.name, &second.etag), (&first.name, &first.etag));
        assert_ne!(second.message_id, first.message_id);
        record.s3.object.e_tag = None;
        assert_eq!(Arrival::read(&record).unwrap_err().to_string(), "the event has no usable entity tag");
    }
}
