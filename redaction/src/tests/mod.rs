//! What needs a look inside: the rows of the tables, and how much a pass looks at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod corpus;
mod linear;
mod names;
mod random;
mod rows;
mod samples;
