//! Follows the event log and folds it into the read tables and notifications.
//!
//! A batch is loaded, folded and written in one transaction with the checkpoint, so rows and checkpoint
//! never disagree, and a batch that comes twice changes nothing. An event that can't be folded holds back
//! its own run, in `projection.dead_letters`, and nobody else's.

mod administration;
mod agree;
mod apply;
mod batch;
mod counters;
mod decode;
mod directory;
mod error;
mod lag;
mod lease;
mod load;
mod maintenance;
mod notifications;
mod run;
mod store;
mod tables;
mod titles;

pub use agree::check_log;
pub use error::{Lost, ProjectorError};
pub use maintenance::{Difference, Findings, Maintenance, Progress, Rebuilt, Retried, Unreadable, Wrong};
pub use run::{Projector, ProjectorConfig};
