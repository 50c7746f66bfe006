//! The verifier and `verify.py`, against good exports and all that could be done to them.
#![allow(missing_docs)]

mod attacks;
mod binary;
mod containers;
mod good;
mod ledger;
mod mutations;
mod python;
mod speed;
