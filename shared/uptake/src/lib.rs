//! Coverage statistics and small-number suppression.
//!
//! ```text
//! counts by group ──Table::release──► rounded or withheld counts ──Published::coverage──► proportion with interval
//! ```
//!
//! Proportions that leave the service are reckoned from the rounded counts, so that exact ones cannot be worked back.

mod attack;
mod groups;
mod nested;
mod proportion;
mod suppression;
pub mod watch;

pub use groups::{AgeBand, EthnicGroup, UNKNOWN, deprivation_fifth};
pub use nested::{Area, ReleasedArea, release_areas};
pub use proportion::{Interval, NotAProportion, Z_95, Z_99_8, wilson};
pub use suppression::{Count, Published, Rule, Table};
