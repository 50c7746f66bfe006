//! The adapters of the event log: the contract that all of them pass, and what only one of them promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod contract_catches;
mod contract_kurrent;
mod contract_memory;
mod contract_postgres;
mod contract_postgres_shared;
mod kurrent_faults;
mod postgres_log;
