//! What other systems have kept of their runs, taken over: a [`Source`] gives rows, a [`Mapping`] says what their
//! columns mean, [`Planner`] makes a run's events of each row, and [`Importer`] takes them to the log and tells in a
//! [`Report`] what became of them.
//!
//! All ids follow from what a row is called, so that a second import adds nothing. Planning is pure; the domain's rules
//! decide on what it makes, as on everything else.

mod choice;
mod importer;
mod items;
mod known;
mod mapping;
mod plan;
mod ready;
mod report;
mod row;
mod source;
mod status;
mod times;

pub use importer::{ImportError, Importer, Mode, Reached};
pub use mapping::{InvalidMapping, Mapping, Unfinished};
pub use plan::{Planned, Planner, Settings, Step};
pub use ready::{READY, ready};
pub use report::{Finding, Found, Report};
pub use row::Row;
pub use source::{Source, SourceError, Sourced};
pub use times::Zone;
