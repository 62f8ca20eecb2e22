//! Demographics as Parquet: the feed's columns by name, in any order, read batch by batch from one row group at a time.
//!
//! A value becomes the text that the same row has in CSV, so that both are judged and applied alike.

use std::fs::File;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Int64Type, Schema, TimeUnit};
use jiff::tz::Offset;
use jiff::{Span, Timestamp};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use record_ingest::feed::DEMOGRAPHICS;

use crate::content::ContentError;

/// Rows decoded at once.
const BATCH: usize = 1_000;

/// What a column may hold beside text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Whole,
    Flag,
    Day,
    Moment,
}

impl Kind {
    fn of(column: &str) -> Self {
        match column {
            "SERIAL_CHANGE_NUMBER"
            | "NHS_NUMBER"
            | "SUPERSEDED_BY_NHS_NUMBER"
            | "GENDER"
            | "IMD_DECILE"
            | "DEATH_STATUS" => Self::Whole,
            "IS_INTERPRETER_REQUIRED" | "RESTRICTED" | "INVALID_FLAG" => Self::Flag,
            "DATE_OF_BIRTH" | "REASON_FOR_REMOVAL_FROM" | "DATE_OF_DEATH" => Self::Day,
            "CHANGE_TIME_STAMP" => Self::Moment,
            _ => Self::Text,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Whole => "text or whole numbers",
            Self::Flag => "text, whole numbers or booleans",
            Self::Day => "text or dates",
            Self::Moment => "text or timestamps in UTC",
        }
    }

    fn takes(self, held: &DataType) -> bool {
        let is_text = |held: &DataType| matches!(held, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        match held {
            DataType::Dictionary(_, values) => is_text(values),
            DataType::Date32 => self == Self::Day,
            DataType::Boolean => self == Self::Flag,
            DataType::Timestamp(_, zone) => {
                self == Self::Moment
                    && zone.as_deref().is_none_or(|zone| matches!(zone, "UTC" | "Etc/UTC" | "+00:00" | "Z"))
            }
            held if held.is_integer() => matches!(self, Self::Whole | Self::Flag),
            held => is_text(held),
        }
    }
}

/// Whether a schema has the feed's columns and no other, each of a type that can be read.
fn check_columns(schema: &Schema) -> Result<(), ContentError> {
    let mut wrong = Vec::new();
    for column in DEMOGRAPHICS {
        let kind = Kind::of(column);
        match schema.fields().iter().filter(|field| field.name() == column).collect::<Vec<_>>()[..] {
            [] => wrong.push(format!("column {column} is missing")),
            [field] if kind.takes(field.data_type()) => {}
            [field] => wrong.push(format!("column {column} must be {}; it is {}", kind.expected(), field.data_type())),
            _ => wrong.push(format!("column {column} is there more than once")),
        }
    }
    let others = schema.fields().iter().filter(|field| !DEMOGRAPHICS.contains(&field.name().as_str()));
    wrong.extend(others.map(|field| format!("column {} is not one of the feed's", field.name())));
    if wrong.is_empty() { Ok(()) } else { Err(ContentError::Columns(wrong.join("; "))) }
}

fn opened(file: &File) -> Result<ParquetRecordBatchReaderBuilder<File>, ContentError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.try_clone()?);
    builder.map_err(|error| ContentError::Parquet(error.to_string()))
}

/// Whether the file is the feed's, and how many rows it has.
///
/// # Errors
/// Where it is no Parquet, or a column is missing, unknown or of another type.
pub(crate) fn check(file: &File) -> Result<u64, ContentError> {
    let builder = opened(file)?;
    check_columns(builder.schema())?;
    Ok(u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default())
}

/// The rows, from 1, with their values in the order of the feed's columns.
///
/// # Errors
/// Where the file cannot be read.
pub(crate) fn rows(
    file: &File,
) -> Result<impl Iterator<Item = Result<(u64, Vec<String>), ContentError>> + use<>, ContentError> {
    let reader: ParquetRecordBatchReader =
        opened(file)?.with_batch_size(BATCH).build().map_err(|error| ContentError::Parquet(error.to_string()))?;
    let mut before = 0;
    Ok(reader.flat_map(move |batch| {
        let read = batch.map_err(|error| ContentError::Parquet(error.to_string())).and_then(|batch| values(&batch));
        let rows: Vec<Result<(u64, Vec<String>), ContentError>> = match read {
            Ok(rows) => (before + 1..).zip(rows).map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        before += rows.len() as u64;
        rows
    }))
}

fn values(batch: &RecordBatch) -> Result<Vec<Vec<String>>, ContentError> {
    let mut columns = Vec::with_capacity(DEMOGRAPHICS.len());
    for name in DEMOGRAPHICS {
        let column =
            batch.column_by_name(name).ok_or_else(|| ContentError::Columns(format!("column {name} is missing")))?;
        columns.push(texts(column).map_err(|error| ContentError::Columns(format!("column {name}: {error}")))?);
    }
    let value = |column: &StringArray, row: usize| if column.is_null(row) { "" } else { column.value(row) }.to_owned();
    Ok((0..batch.num_rows()).map(|row| columns.iter().map(|column| value(column, row)).collect()).collect())
}

/// A column as CSV writes it.
fn texts(column: &ArrayRef) -> Result<StringArray, arrow::error::ArrowError> {
    Ok(match column.data_type() {
        DataType::Boolean => {
            column.as_boolean().iter().map(|flag| flag.map(|flag| if flag { "1" } else { "0" })).collect()
        }
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>();
            days.iter().map(|days| days.and_then(day)).collect()
        }
        DataType::Timestamp(..) => {
            let seconds = cast(&cast(column, &DataType::Timestamp(TimeUnit::Second, None))?, &DataType::Int64)?;
            let seconds = seconds.as_primitive::<Int64Type>();
            seconds.iter().map(|second| second.and_then(moment)).collect()
        }
        _ => cast(column, &DataType::Utf8)?.as_string::<i32>().clone(),
    })
}

/// `YYYYMMDD`. A day that is none in the calendar becomes what no field takes.
fn day(days: i32) -> Option<String> {
    let day = jiff::civil::date(1970, 1, 1).checked_add(Span::new().days(i64::from(days)));
    Some(day.map_or_else(|_| format!("day {days}"), |day| day.strftime("%Y%m%d").to_string()))
}

/// `YYYYMMDDThhmmss`, UTC.
fn moment(second: i64) -> Option<String> {
    let at = Timestamp::from_second(second).map(|at| Offset::UTC.to_datetime(at));
    Some(at.map_or_else(|_| format!("second {second}"), |at| at.strftime("%Y%m%dT%H%M%S").to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{Seek, SeekFrom, Write};
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::Field;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;
    use crate::tests::row;

    /// Columns of a Parquet file in memory, in row groups of this many rows.
    pub(crate) fn parquet(columns: &[(&str, ArrayRef)], rows_in_a_group: usize) -> Vec<u8> {
        let fields: Vec<Field> =
            columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let batch =
            RecordBatch::try_new(schema.clone(), columns.iter().map(|(_, column)| column.clone()).collect()).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_in_a_group)).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    /// Rows as text columns.
    pub(crate) fn text_columns(rows: &[Vec<String>]) -> Vec<(&'static str, ArrayRef)> {
        let column = |place: usize| {
            let values = rows.iter().map(|row| Some(row[place].as_str()).filter(|value| !value.is_empty()));
            Arc::new(values.collect::<StringArray>()) as ArrayRef
        };
        DEMOGRAPHICS.iter().enumerate().map(|(place, name)| (*name, column(place))).collect()
    }

    pub(crate) fn spooled(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file
    }

    fn read(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
        let file = spooled(bytes);
        let count = check(&file).unwrap();
        let rows: Vec<(u64, Vec<String>)> = rows(&file).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len() as u64, count);
        rows
    }

    fn refusal(bytes: &[u8]) -> String {
        check(&spooled(bytes)).unwrap_err().to_string()
    }

    #[test]
    fn rows_are_those_of_the_csv_across_row_groups() {
        let written: Vec<Vec<String>> = (0..2_500)
            .map(|place| {
                row(place, &[("FAMILY_NAME", "Zoë, \"x\""), ("SERIAL_CHANGE_NUMBER", &(place + 1).to_string())])
            })
            .collect();
        let mut columns = text_columns(&written);
        columns.reverse();
        let found = read(&parquet(&columns, 700));
        assert!(found.iter().map(|(row, _)| *row).eq(1..=2_500));
        assert!(found.into_iter().map(|(_, values)| values).eq(written));
    }

    #[test]
    fn typed_columns_read_as_the_csv_writes_them() {
        let text = [row(0, &[]), row(1, &[])];
        let mut columns = text_columns(&text);
        let typed: [(&str, ArrayRef); 8] = [
            ("SERIAL_CHANGE_NUMBER", Arc::new(Int64Array::from(vec![Some(7), None]))),
            ("GENDER", Arc::new(Int32Array::from(vec![2, 0]))),
            ("RESTRICTED", Arc::new(BooleanArray::from(vec![Some(true), Some(false)]))),
            ("INVALID_FLAG", Arc::new(Int32Array::from(vec![None, Some(1)]))),
            ("DATE_OF_BIRTH", Arc::new(Date32Array::from(vec![Some(-7_291), None]))),
            (
                "CHANGE_TIME_STAMP",
                Arc::new(TimestampMicrosecondArray::from(vec![1_759_287_600_999_999, 0]).with_timezone("UTC")),
            ),
            ("FAMILY_NAME", Arc::new(LargeStringArray::from(vec![Some("Byron"), None]))),
            ("POSTCODE", Arc::new(cast(&StringArray::from(vec!["CB3 8DX", ""]), &DataType::Utf8View).unwrap())),
        ];
        for (name, array) in typed {
            let place = columns.iter().position(|(column, _)| *column == name).unwrap();
            columns[place].1 = array;
        }
        let found = read(&parquet(&columns, 10));
        let value = |row: usize, column: &str| {
            found[row].1[DEMOGRAPHICS.iter().position(|name| *name == column).unwrap()].as_str()
        };
        for (column, values) in [
            ("SERIAL_CHANGE_NUMBER", ["7", ""]),
            ("GENDER", ["2", "0"]),
            ("RESTRICTED", ["1", "0"]),
            ("INVALID_FLAG", ["", "1"]),
            ("DATE_OF_BIRTH", ["19500115", ""]),
            ("CHANGE_TIME_STAMP", ["20251001T030000", "19700101T000000"]),
            ("FAMILY_NAME", ["Byron", ""]),
            ("POSTCODE", ["CB3 8DX", ""]),
        ] {
            assert_eq!([value(0, column), value(1, column)], values, "{column}");
        }
    }

    #[test]
    fn a_refusal_names_every_column_and_type_that_is_wrong() {
        let text = [row(0, &[])];
        let mut columns = text_columns(&text);
        columns.retain(|(name, _)| *name != "POSTCODE");
        let float: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        let date: ArrayRef = Arc::new(Date32Array::from(vec![1]));
        for (name, array) in [("GENDER", float.clone()), ("FAMILY_NAME", date)] {
            let place = columns.iter().position(|(column, _)| *column == name).unwrap();
            columns[place].1 = array;
        }
        columns.push(("AGE", float));
        assert_eq!(
            refusal(&parquet(&columns, 10)),
            "File columns are invalid: column FAMILY_NAME must be text; it is Date32; \
             column GENDER must be text or whole numbers; it is Float64; column POSTCODE is missing; \
             column AGE is not one of the feed's."
        );
        let no = refusal(b"RECORD_TYPE,CHANGE_TIME_STAMP\n");
        assert!(no.starts_with("File is not Parquet that can be read: "), "{no}");
        let whole = parquet(&text_columns(&text), 10);
        assert!(refusal(&whole[..whole.len() - 20]).starts_with("File is not Parquet"));
        let local: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("Europe/London"));
        let mut columns = text_columns(&text);
        columns[1].1 = local;
        assert!(
            refusal(&parquet(&columns, 10))
                .contains("column CHANGE_TIME_STAMP must be text or timestamps in UTC; it is Timestamp")
        );
    }
}
