//! Picture: the funnel of a campaign and its coverage, from the file that `uptake-report` writes.

mod area;
mod export;
mod file;
mod funnel;
mod page;
mod view;

pub use file::{Area, Cell, Funnel, Group, Level, Messages, People, Picture, PictureError, TrendDay};

pub(crate) use export::csv;
pub(crate) use funnel::reconciliation;
pub(crate) use page::page;
