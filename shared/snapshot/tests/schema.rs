//! The README's tables are those of the code.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ims_snapshot::{ContactRow, PersonRow, Row, VaccinationRow};

fn table<R: Row>() -> String {
    let mut table = format!("### {}\n\n| column | holds | meaning |\n|---|---|---|\n", R::DATASET);
    for column in R::columns() {
        table.push_str(&format!(
            "| `{}` | {} | {} |\n",
            column.name,
            column.kind(),
            column.meaning.replace('|', "\\|")
        ));
    }
    table
}

#[test]
fn the_readme_describes_every_column() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for table in [table::<PersonRow>(), table::<VaccinationRow>(), table::<ContactRow>()] {
        assert!(readme.contains(&table), "README.md should have:\n{table}");
    }
}
