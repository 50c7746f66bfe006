//! Stuck runs: presumed failed where a policy says so, once, and never against the log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod folded;
mod judged;
mod swept;
