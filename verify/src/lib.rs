//! Checks an export of sealed history, or a receipt for one event: without the ledger, a database, a clock or a network.
//!
//! `docs/sealed-history.md` has the forms and the steps, `docs/verifying.md` says what is proven by them. What is read may
//! come from an enemy: memory is bounded by the longest line, and what has no single meaning is refused.
//! `verify.py` beside this crate makes the same checks; tests hold the two against each other.

mod archive;
mod check;
mod content;
mod continues;
mod form;
mod moment;
mod plain;
mod receipt;
mod refused;
mod report;
mod runs;
mod selected;
mod stream;
mod time_stamp;

pub use check::{older_checkpoint, verify};
pub use moment::Moment;
pub use plain::members;
pub use receipt::{Receipted, receipt};
pub use refused::{Place, Refused};
pub use report::{Cosigner, Older, Report, Restored};
pub use time_stamp::Stamped;

/// The files of an export that are always checked.
pub const CHECKED: [&str; 8] =
    [MANIFEST, HEADS, PROOF, RUNS, EVENTS, STAMP, STAMP_CHECKPOINT, STAMP_RESPONSE];
/// What is said to be in the export.
pub const MANIFEST: &str = "manifest.json";
/// The text of the heads entry.
pub const HEADS: &str = "heads.txt";
/// That it is the last entry of the checkpoint's tree.
pub const PROOF: &str = "heads.tlog-proof";
/// With which entries the log was begun anew; there only where it was, and then checked too.
pub const CONTINUES: &str = "continues.ndjson";
/// The heads of the runs.
pub const RUNS: &str = "runs.ndjson";
/// The events.
pub const EVENTS: &str = "events.ndjson";
/// A time stamp of the ledger's own log, and what ties the export to it; not in every export.
pub const STAMP: &str = "timestamp.json";
/// The bytes that are stamped, as a file for `openssl ts`.
pub const STAMP_CHECKPOINT: &str = "timestamp.checkpoint";
/// The authority's answer as it came, as a file for `openssl ts`.
pub const STAMP_RESPONSE: &str = "timestamp.tsr";
