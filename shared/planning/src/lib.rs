//! Planning a wave: how many people to invite in each area on each day, so that those who answer meet free capacity.
//!
//! ```text
//! candidates (cells) ──┐
//! free slots ──────────┼─ allocate ─▶ people a cell and day, expected load of each site and day, an exact account
//! forecast of answers ─┤
//! aims and limits ─────┘
//! ```
//!
//! Everything is counted: no person, no clock, no chance. The same input gives the same plan, ties being settled by a hash
//! keyed with the plan's seed. How it allocates, and why so, is in `infra/decisions/0040-waves-fill-expected-slots.md`.

mod account;
mod aims;
mod allocate;
mod answers;
mod candidates;
mod capacity;
mod day;
mod places;
mod slots;
#[cfg(test)]
mod tests;
mod wave;

pub use account::{Account, Group, Left};
pub use aims::{Aims, Limits, Quotas, Unsound};
pub use allocate::{Allocation, DayUse, Grant, Pending, Setting, allocate};
pub use answers::{Delay, Forecast, Prior, Seen};
pub use candidates::{Apart, Cell, FIFTHS, Home};
pub use capacity::{CAPACITY_PREFIX, SiteDays, capacity_file, capacity_key, joined};
pub use places::{DETOUR, Nearest, Place};
pub use slots::Slots;
pub use wave::{
    AREAS_KEY, AreaPlan, CountedPart, Drawing, Kind, PartQuota, PlanDraft, SeenKind, SitePlan, WavePlan, plan_wave,
};
