//! Commands in, projections out: the HTTP surface of the ledger.
//!
//! A command goes to the log; a read goes to the read tables. Nothing here reads the log to render, and
//! nothing here knows the projector: the read tables are the contract.

mod admission;
mod answer;
mod aside;
pub mod body;
mod cookie;
mod cors;
mod database_check;
mod door;
mod endpoints;
mod etag;
mod extract;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod health;
mod hub;
mod listeners;
mod live;
mod observe;
mod openapi;
mod outside;
mod preconditions;
pub mod problem;
mod received;
mod request;
mod router;
mod serve;
mod state;

pub use cors::{CorsOrigin, InvalidCorsOrigin};
pub use door::Door;
pub use listeners::Listeners;
pub use router::{metrics_router, openapi_document, router};
pub use serve::{ServeConfig, serve};
pub use state::{ApiConfig, ApiParts, ApiState};
