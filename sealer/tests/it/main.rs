//! The sealer on a database of each test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod anew;
mod attacks;
mod authority;
mod copies;
mod crashes;
mod keys;
mod restored;
mod support;
mod timestamps;
mod told;
mod trees;
mod witness;
