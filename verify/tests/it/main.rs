//! The verifier and `verify.py`, against good exports and all that could be done to them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::print_stdout, reason = "figures of runs that are made by hand")]

mod attacks;
mod binary;
mod containers;
mod good;
mod ledger;
mod mutations;
mod others;
mod python;
mod receipts;
mod restored;
mod speed;
mod stamps;
