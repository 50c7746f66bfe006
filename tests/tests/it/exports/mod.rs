//! Exports of sealed history over HTTP, checked as somebody checks them who has nothing but the file and a key.

mod apart;
mod asked;
#[allow(dead_code, reason = "here it answers well")]
#[path = "../../../../sealer/tests/it/authority.rs"]
mod authority;
mod changed;
mod content;
mod going_away;
mod page;
mod receipts;
mod recorded;
mod stamped;
mod support;
