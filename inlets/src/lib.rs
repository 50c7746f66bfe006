//! Emitters that know nothing of this ledger, such as a line of `curl` in a crontab, come in by inlets.
//!
//! What they say is translated where it comes in, by pure functions, into [`Report`]s: what happened to which run, in
//! our words and without secrets. A [`Receiver`] keeps these durably; only then is the emitter answered. An
//! [`Orderer`] then puts the reports of each run in order, decides by what the log has of the run what each of them
//! means ([`step`]), and appends that as any producer would. The domain knows nothing of it.
//!
//! Nothing here knows HTTP.

pub mod cloudevents;
mod fault;
mod ids;
mod json;
pub mod openlineage;
mod order;
mod orderer;
pub mod pings;
mod ready;
mod receiver;
mod report;
mod set_aside;

pub use fault::Malformed;
pub use order::{Seen, Step, step};
pub use orderer::{OrderError, Orderer, OrdererConfig};
pub use receiver::{Full, ReceiveError, Received, Receiver, ReceiverConfig};
pub use report::{About, Aside, Incoming, Report, RunName, Said};
pub use set_aside::{SetAside, newest_set_aside};
