//! The behaviours that `clients/behaviours.md` names, each against a real ledger: `scripts/check-clients rust`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod away;
mod harness;
mod names;
mod outbox;
mod proxy;
mod run;
mod worker;
mod workers;
