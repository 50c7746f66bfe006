//! The run: its events, its rules ([`decide`]) and its fold ([`evolve`]), reason codes and
//! idempotency keys.
//!
//! Everything here is pure. There is no I/O, no clock and no randomness: times and ids are arguments,
//! and `clippy.toml` beside this crate says so where somebody forgets.

pub mod admin;
mod decide;
mod directory;
mod duration;
mod event;
pub mod forms;
mod ids;
pub mod json;
pub mod key;
pub mod reason;
mod reference;
mod run;
mod search;
mod tally;
pub mod usual;
pub mod wire;

pub use decide::{CLOCKS_APART, Command, ProposedEvent, Rejection, decide};
pub use directory::Named;
pub use duration::{Course, Stamp, TOLERANCE};
pub use event::{
    Bounded, Completed, Event, EventBody, Failed, Failure, HeartbeatSeconds, Initiator, ItemCount,
    ItemFailed, ItemName, ItemSkipped, ItemSucceeded, Labels, LinkedRun, Origin, Progressed, Queued, Resumed,
    Started, Tally,
};
pub use ids::{
    CorrelationId, InvalidId, Invisible, Kind, Namespace, PrincipalId, ReferencePart, RequestId, RunId,
    TenantId, invisible,
};
pub use reference::Reference;
pub use run::{Counts, EndedAs, Outcome, Run, Status, evolve};
pub use search::search_key;
