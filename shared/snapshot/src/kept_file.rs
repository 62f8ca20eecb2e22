//! The list of a kept selection in Parquet: ids as 16 bytes, so that a part's list is read in milliseconds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, UInt8Array, UInt16Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use ims_domain::PersonId;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use uuid::Uuid;

use crate::column::SnapshotError;
use crate::selection::Candidate;

const NAME: &str = "a kept selection";

/// Bytes of an id.
const ID: i32 = 16;

fn arrow(source: ArrowError) -> SnapshotError {
    SnapshotError::Arrow { dataset: NAME, source }
}

fn parquet(source: ParquetError) -> SnapshotError {
    SnapshotError::Parquet { dataset: NAME, source }
}

pub(crate) fn wrong(column: &str, expected: &str) -> SnapshotError {
    SnapshotError::Column { dataset: NAME, column: column.to_owned(), expected: expected.to_owned() }
}

/// Candidates in order, then those who are eligible without being candidates: their dose is 0.
pub(crate) fn write(candidates: &[Candidate], others: &[PersonId]) -> Result<Vec<u8>, SnapshotError> {
    let nothing = |person: &PersonId| Candidate { cohort: 0, lot: 0, person: *person, dose: 0 };
    let all: Vec<Candidate> = candidates.iter().copied().chain(others.iter().map(nothing)).collect();
    let ids = all.iter().map(|one| Some(one.person.0.as_bytes()));
    let ids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, ID).map_err(arrow)?;
    let columns: [(&str, DataType, ArrayRef); 4] = [
        ("person", DataType::FixedSizeBinary(ID), Arc::new(ids)),
        ("cohort", DataType::UInt16, Arc::new(UInt16Array::from_iter_values(all.iter().map(|one| one.cohort)))),
        ("lot", DataType::UInt64, Arc::new(UInt64Array::from_iter_values(all.iter().map(|one| one.lot)))),
        ("dose", DataType::UInt8, Arc::new(UInt8Array::from_iter_values(all.iter().map(|one| one.dose)))),
    ];
    // What is sparse may be null by its type; nothing is.
    let fields: Vec<Field> = columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(.., array)| array).collect());
    let properties = WriterProperties::builder()
        .set_column_dictionary_enabled("person".into(), false)
        .set_column_dictionary_enabled("lot".into(), false);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties.build())).map_err(parquet)?;
    writer.write(&batch.map_err(arrow)?).map_err(parquet)?;
    writer.close().map_err(parquet)?;
    Ok(bytes)
}

/// What [`write`] wrote.
pub(crate) fn read(bytes: Vec<u8>) -> Result<(Vec<Candidate>, Vec<PersonId>), SnapshotError> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).map_err(parquet)?.build().map_err(parquet)?;
    let (mut candidates, mut others) = (Vec::new(), Vec::new());
    for batch in reader {
        let batch = batch.map_err(arrow)?;
        let people = column::<FixedSizeBinaryArray>(&batch, "person")?;
        let cohorts = column::<UInt16Array>(&batch, "cohort")?;
        let lots = column::<UInt64Array>(&batch, "lot")?;
        let doses = column::<UInt8Array>(&batch, "dose")?;
        for row in 0..batch.num_rows() {
            let id = Uuid::from_slice(people.value(row)).map_err(|_| wrong("person", "an id"))?;
            match (PersonId(id), doses.value(row)) {
                (person, 0) => others.push(person),
                (person, dose) => {
                    candidates.push(Candidate { cohort: cohorts.value(row), lot: lots.value(row), person, dose });
                }
            }
        }
    }
    Ok((candidates, others))
}

fn column<'b, A: Array + 'static>(batch: &'b RecordBatch, name: &str) -> Result<&'b A, SnapshotError> {
    let array = batch.column_by_name(name).and_then(|array| array.as_any().downcast_ref());
    array.ok_or_else(|| wrong(name, "as it was written"))
}
