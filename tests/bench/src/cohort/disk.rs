//! Files in and out of memory, and what is in them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256};

/// Takes files out of the system's memory, so that the next read comes from the disk.
pub(crate) fn drop_pages(files: &[PathBuf]) -> Result<()> {
    for path in files {
        let file = File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed).with_context(|| format!("dropping {}", path.display()))?;
    }
    Ok(())
}

/// Reads files once, so that the next read comes from memory.
pub(crate) fn touch(files: &[PathBuf]) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    for path in files {
        let mut file = File::open(path)?;
        while file.read(&mut buffer)? > 0 {}
    }
    Ok(())
}

/// A digest of the rows of a candidate file, in their order, whoever wrote it.
pub(crate) fn digest(path: &Path) -> Result<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.with_batch_size(65_536).build()?;
    let mut digest = Sha256::new();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch?;
        let wrong = || io::Error::other(format!("{} has other columns than a candidate file", path.display()));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
        let cohorts = column("cohort")?.as_primitive_opt::<Int32Type>().ok_or_else(wrong)?.values();
        let lots = column("lot")?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?.values();
        let doses = column("dose")?.as_primitive_opt::<Int32Type>().ok_or_else(wrong)?.values();
        let ids = arrow::compute::cast(column("person_id")?, &arrow::datatypes::DataType::Utf8)?;
        let ids = ids.as_string_opt::<i32>().ok_or_else(wrong)?;
        rows.clear();
        for row in 0..batch.num_rows() {
            rows.extend_from_slice(&cohorts[row].to_le_bytes());
            rows.extend_from_slice(&lots[row].to_le_bytes());
            rows.extend_from_slice(ids.value(row).as_bytes());
            rows.extend_from_slice(&doses[row].to_le_bytes());
        }
        digest.update(&rows);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
