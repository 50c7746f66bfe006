//! The projector on a database of each test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod administration;
mod crashes;
mod cuts;
mod dead_letters;
mod directory;
mod following;
mod lease;
mod maintenance;
mod metrics;
mod notifications;
mod rows;
mod support;
mod upgrade;
