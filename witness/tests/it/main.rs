//! A witness by its HTTP, and its memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod memory;
mod statuses;
mod support;
