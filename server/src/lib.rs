//! The `runledger` program: knows every adapter and the configuration.

pub mod postgres;
