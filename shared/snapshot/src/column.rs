//! Columns by table: what they are called, what they mean, how a row gives and takes them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBuilder, Date32Array, Date32Builder, Int64Array, Int64Builder, ListArray,
    ListBuilder, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use jiff::civil::Date;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use thiserror::Error;

use crate::Row;

/// Why a part cannot be written or read.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Arrow.
    #[error("building record batches of {dataset}")]
    Arrow {
        /// Dataset.
        dataset: &'static str,
        /// Cause.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// Parquet.
    #[error("Parquet part of {dataset}")]
    Parquet {
        /// Dataset.
        dataset: &'static str,
        /// Cause.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// A column is absent or has another type.
    #[error("column '{column}' of {dataset} is absent or not {expected}")]
    Column {
        /// Dataset.
        dataset: &'static str,
        /// Column.
        column: String,
        /// Arrow type.
        expected: String,
    },
}

type Get<R, T> = Box<dyn Fn(&R) -> T + Send + Sync>;
type Set<R, T> = Box<dyn Fn(&mut R, T) + Send + Sync>;

/// How a row gives and takes a column's value.
pub enum Access<R> {
    /// Text; empty is null.
    Text(Get<R, String>, Set<R, String>),
    /// A count or code.
    Number(Get<R, u64>, Set<R, u64>),
    /// A flag.
    Flag(Get<R, bool>, Set<R, bool>),
    /// A day.
    Day(Get<R, Option<Date>>, Set<R, Option<Date>>),
    /// A list of texts.
    Texts(Get<R, Vec<String>>, Set<R, Vec<String>>),
    /// A list of days.
    Days(Get<R, Vec<Date>>, Set<R, Vec<Date>>),
}

/// A column.
pub struct Column<R> {
    /// Name.
    pub name: String,
    /// Meaning and unit, for analysts; kept in the Parquet schema.
    pub meaning: &'static str,
    /// How a row gives and takes it.
    pub access: Access<R>,
}

impl<R> Column<R> {
    /// A column.
    pub fn new(name: impl Into<String>, meaning: &'static str, access: Access<R>) -> Self {
        Self { name: name.into(), meaning, access }
    }

    /// What it holds, in words for analysts.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.access {
            Access::Text(..) => "text",
            Access::Number(..) => "number",
            Access::Flag(..) => "true or false",
            Access::Day(..) => "day",
            Access::Texts(..) => "list of texts",
            Access::Days(..) => "list of days",
        }
    }

    fn data_type(&self) -> DataType {
        match self.access {
            Access::Text(..) => DataType::Utf8,
            Access::Number(..) => DataType::Int64,
            Access::Flag(..) => DataType::Boolean,
            Access::Day(..) => DataType::Date32,
            Access::Texts(..) => list_of(DataType::Utf8),
            Access::Days(..) => list_of(DataType::Date32),
        }
    }
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

fn to_days(date: Date) -> i32 {
    date.duration_since(Date::constant(1970, 1, 1))
        .as_hours()
        .checked_div(24)
        .and_then(|d| i32::try_from(d).ok())
        .unwrap_or(0)
}

pub(crate) fn from_days(days: i32) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(jiff::Span::new().try_days(i64::from(days)).ok()?).ok()
}

/// The Arrow schema of a dataset; each field's metadata holds its meaning.
#[must_use]
pub fn schema<R: Row>() -> SchemaRef {
    let fields: Vec<Field> = R::columns()
        .iter()
        .map(|column| {
            let nullable = !matches!(column.access, Access::Number(..) | Access::Flag(..));
            Field::new(&column.name, column.data_type(), nullable)
                .with_metadata([("meaning".to_owned(), column.meaning.to_owned())])
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn build<R>(column: &Column<R>, rows: &[R]) -> ArrayRef {
    match &column.access {
        Access::Text(get, _) => {
            let mut builder = StringBuilder::new();
            for row in rows {
                builder.append_option(Some(get(row)).filter(|text| !text.is_empty()));
            }
            Arc::new(builder.finish())
        }
        Access::Number(get, _) => {
            let mut builder = Int64Builder::new();
            for row in rows {
                builder.append_value(i64::try_from(get(row)).unwrap_or(i64::MAX));
            }
            Arc::new(builder.finish())
        }
        Access::Flag(get, _) => {
            let mut builder = BooleanBuilder::new();
            for row in rows {
                builder.append_value(get(row));
            }
            Arc::new(builder.finish())
        }
        Access::Day(get, _) => {
            let mut builder = Date32Builder::new();
            for row in rows {
                builder.append_option(get(row).map(to_days));
            }
            Arc::new(builder.finish())
        }
        Access::Texts(get, _) => {
            let mut builder = ListBuilder::new(StringBuilder::new());
            for row in rows {
                for text in get(row) {
                    builder.values().append_value(text);
                }
                builder.append(true);
            }
            Arc::new(builder.finish())
        }
        Access::Days(get, _) => {
            let mut builder = ListBuilder::new(Date32Builder::new());
            for row in rows {
                for day in get(row) {
                    builder.values().append_value(to_days(day));
                }
                builder.append(true);
            }
            Arc::new(builder.finish())
        }
    }
}

/// How parts of a dataset are stored: Snappy-compressed; columns in dictionaries whose places are packed into as few bits
/// as they need, but for those in which hardly two rows are alike: these would only grow.
#[must_use]
pub fn properties<R: Row>() -> WriterProperties {
    let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    for name in R::unlike() {
        let column = ColumnPath::from(*name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_compression(column, Compression::UNCOMPRESSED);
    }
    properties.build()
}

/// Rows as one Parquet file, stored as [`properties`] say.
///
/// # Errors
/// Where Arrow or Parquet fail.
pub fn write_parquet<R: Row>(rows: &[R]) -> Result<Vec<u8>, SnapshotError> {
    let arrow = |source| SnapshotError::Arrow { dataset: R::DATASET, source };
    let parquet = |source| SnapshotError::Parquet { dataset: R::DATASET, source };
    let schema = schema::<R>();
    let columns = R::columns();
    let properties = properties::<R>();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema.clone(), Some(properties)).map_err(parquet)?;
    for block in rows.chunks(65_536) {
        let arrays = columns.iter().map(|column| build(column, block)).collect();
        let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(arrow)?;
        writer.write(&batch).map_err(parquet)?;
    }
    writer.close().map_err(parquet)?;
    Ok(bytes)
}

/// Reads a Parquet file that [`write_parquet`] made, now or at an earlier version: columns it lacks keep their default.
///
/// # Errors
/// Where it is not Parquet, or a column has another type.
pub fn read_parquet<R: Row>(bytes: Vec<u8>) -> Result<Vec<R>, SnapshotError> {
    let parquet = |source| SnapshotError::Parquet { dataset: R::DATASET, source };
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).map_err(parquet)?.build().map_err(parquet)?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|source| SnapshotError::Arrow { dataset: R::DATASET, source })?;
        rows.append(&mut rows_of(&batch)?);
    }
    Ok(rows)
}

/// The rows of a record batch; columns it lacks keep their default.
pub(crate) fn rows_of<R: Row>(batch: &RecordBatch) -> Result<Vec<R>, SnapshotError> {
    let mut rows = vec![R::default(); batch.num_rows()];
    for column in &R::columns() {
        if let Some(array) = batch.column_by_name(&column.name) {
            fill(column, array, &mut rows).ok_or_else(|| SnapshotError::Column {
                dataset: R::DATASET,
                column: column.name.clone(),
                expected: column.data_type().to_string(),
            })?;
        }
    }
    Ok(rows)
}

fn fill<R>(column: &Column<R>, array: &ArrayRef, rows: &mut [R]) -> Option<()> {
    let any = array.as_any();
    match &column.access {
        Access::Text(_, set) => {
            let array = any.downcast_ref::<StringArray>()?;
            rows.iter_mut().zip(array).for_each(|(row, value)| set(row, value.unwrap_or_default().to_owned()));
        }
        Access::Number(_, set) => {
            let array = any.downcast_ref::<Int64Array>()?;
            let value = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
            rows.iter_mut().zip(array).for_each(|(row, held)| set(row, value(held)));
        }
        Access::Flag(_, set) => {
            let array = any.downcast_ref::<BooleanArray>()?;
            rows.iter_mut().zip(array).for_each(|(row, value)| set(row, value.unwrap_or(false)));
        }
        Access::Day(_, set) => {
            let array = any.downcast_ref::<Date32Array>()?;
            rows.iter_mut().zip(array).for_each(|(row, value)| set(row, value.and_then(from_days)));
        }
        Access::Texts(_, set) => {
            let array = any.downcast_ref::<ListArray>()?;
            for (index, row) in rows.iter_mut().enumerate() {
                let list = array.value(index);
                let list = list.as_any().downcast_ref::<StringArray>()?;
                set(row, list.iter().flatten().map(str::to_owned).collect());
            }
        }
        Access::Days(_, set) => {
            let array = any.downcast_ref::<ListArray>()?;
            for (index, row) in rows.iter_mut().enumerate() {
                let list = array.value(index);
                let list = list.as_any().downcast_ref::<Date32Array>()?;
                set(row, list.iter().flatten().filter_map(from_days).collect());
            }
        }
    }
    Some(())
}

/// A text column kept in a field of the row.
#[macro_export]
macro_rules! text {
    ($name:literal, $meaning:literal, $($field:ident).+) => {
        $crate::Column::new($name, $meaning, $crate::column::Access::Text(
            Box::new(|row: &Self| row.$($field).+.clone()), Box::new(|row: &mut Self, value| row.$($field).+ = value)))
    };
}

/// A number column kept in a field of the row.
#[macro_export]
macro_rules! number {
    ($name:literal, $meaning:literal, $($field:ident).+) => {
        $crate::Column::new($name, $meaning, $crate::column::Access::Number(
            Box::new(|row: &Self| row.$($field).+), Box::new(|row: &mut Self, value| row.$($field).+ = value)))
    };
}

/// A flag column kept in a field of the row.
#[macro_export]
macro_rules! flag {
    ($name:literal, $meaning:literal, $($field:ident).+) => {
        $crate::Column::new($name, $meaning, $crate::column::Access::Flag(
            Box::new(|row: &Self| row.$($field).+), Box::new(|row: &mut Self, value| row.$($field).+ = value)))
    };
}

/// A day column kept in a field of the row.
#[macro_export]
macro_rules! day {
    ($name:literal, $meaning:literal, $($field:ident).+) => {
        $crate::Column::new($name, $meaning, $crate::column::Access::Day(
            Box::new(|row: &Self| row.$($field).+), Box::new(|row: &mut Self, value| row.$($field).+ = value)))
    };
}

/// A column of a list of texts kept in a field of the row.
#[macro_export]
macro_rules! texts {
    ($name:literal, $meaning:literal, $($field:ident).+) => {
        $crate::Column::new($name, $meaning, $crate::column::Access::Texts(
            Box::new(|row: &Self| row.$($field).+.clone()), Box::new(|row: &mut Self, value| row.$($field).+ = value)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_since_1970_go_both_ways() {
        for day in [date(1970, 1, 1), date(1923, 2, 28), date(2024, 2, 29), date(2105, 12, 31)] {
            assert_eq!(from_days(to_days(day)), Some(day));
        }
        assert_eq!(to_days(date(1970, 1, 2)), 1);
        assert_eq!(to_days(date(1969, 12, 31)), -1);
    }
}
