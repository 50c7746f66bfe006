//! Exports of sealed history over HTTP, checked as somebody checks them who has nothing but the file and a key.

mod apart;
mod asked;
mod changed;
mod content;
mod going_away;
mod page;
mod recorded;
mod support;
