//! A server that speaks KurrentDB's gRPC protocol, keeps its events in memory, and can be made to fail as
//! real ones do. For tests: what it does not need it does not have.
//!
//! The protocol is documented at <https://docs.kurrent.io/clients/grpc/> and in the published protocol files
//! of the clients; names and numbers of fields are theirs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::result_large_err,
    reason = "a test's failure is a panic; the errors are those of the gRPC library"
)]

mod append;
mod batch;
mod cluster;
mod faults;
mod kept;
pub mod proto;
mod read;
mod rpc;
mod store;
mod subscribe;

pub use cluster::{Cluster, Node};
pub use faults::Faults;
