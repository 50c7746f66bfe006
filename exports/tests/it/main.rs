//! Exports, on a database of each test's own. What they hold and prove is tested with all crates together: `tests/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod cost;
