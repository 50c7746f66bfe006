//! The crate from outside: its rules, its fold, its forms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod admin;
mod duration;
mod fold;
mod forms;
mod idempotency;
mod labels;
mod resumed;
mod rules;
mod search_key;
mod support;
mod tally;
mod times;
mod wire;
