//! The real program and the Postgres that it starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod administration;
mod deployment;
mod dev;
mod exports;
mod first_minutes;
mod imports;
mod inlets;
mod maintenance;
mod postgres_tls;
mod restoring;
mod rights;
mod sealing;
mod settings;
mod support;
mod survival;
mod tls;
mod witness;
