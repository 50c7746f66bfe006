//! Clean text: the one door through which free text becomes part of an event, and what counts as a secret.
//!
//! [`CleanText`] is one line, without control or invisible characters, with secrets replaced by
//! `[redacted:KIND]`, of at most 300 characters. The steps run in this order: the strip first, so that a
//! secret cannot hide behind an escape sequence; then one pass over the text in which the rules find secrets;
//! then the cut, so that a secret cannot straddle it.
//!
//! Everything here is pure, and its work is linear in the text (`view`).

mod entropy;
mod find;
mod fold;
mod json;
mod marker;
mod names;
mod pairs;
mod proof;
mod rules;
mod scan;
mod shape;
mod strip;
mod text;
mod view;
mod wording;

pub use json::{redact_json, secret_name};
pub use text::{CleanText, MAX_CHARS, hidden_by_name, recognized_secret};

#[cfg(test)]
mod tests;
