//! Takes sealed history out of the ledger: a zip file from which is seen, on any machine and without a network, that
//! these are all events of a run, or all runs of a period, in their order and unchanged (`docs/sealed-history.md`).
//!
//! First [`Exporter::prepare`] finds out what the file will hold, in one snapshot of the tables `seal.*`; whatever
//! makes an export impossible is told there. Then [`Export::write`] reads the events from the event log, compares
//! them with what was sealed, and writes them piece by piece: memory is bounded by the number of runs, not of events.

mod archive;
mod chain;
mod error;
mod leaves;
mod prepare;
mod prove;
mod read;
mod receipt;
mod record;
mod report;
mod select;
mod snapshot;
mod state;
mod tables;
mod texts;
mod time_stamp;
mod waiting;
mod write;

pub use error::{ExportError, NotSealed};
pub use prepare::{Export, Exporter, Request};
pub use receipt::Given;
pub use select::Which;
pub use snapshot::SignedCheckpoint;
pub use state::{Found, SealState};
pub use tables::text as spreadsheet_text;
pub use waiting::Sealing;
pub use write::{Progress, Written};
