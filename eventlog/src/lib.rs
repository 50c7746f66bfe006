//! The event log: the port ([`EventLog`]), its adapters, and one contract suite that all of them pass.

#[cfg(feature = "contract")]
pub mod contract;
mod error;
pub mod fact;
#[cfg(feature = "kurrent")]
pub mod kurrent;
pub mod memory;
mod port;
pub mod postgres;
mod repeat;
pub mod streams;
mod validate;

pub use error::{AppendError, LogError};
pub use port::{
    Appended, EventLog, ExpectedRevision, Guarantees, NewEvent, Position, RecordedEvent, StreamAppend,
    Subscription,
};
