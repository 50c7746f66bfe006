//! Commands in, projections out: the HTTP surface of the ledger.
//!
//! A command goes to the log; a read goes to the read tables. Nothing here reads the log to render, and
//! nothing here knows the projector: the read tables are the contract.

mod admission;
mod aside;
pub mod body;
pub mod commands;
mod cookie;
mod cors;
mod database_check;
mod door;
mod etag;
mod extract;
pub mod freshness;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod health;
mod hub;
pub mod ledger;
mod listeners;
pub mod live;
mod observe;
mod openapi;
mod outside;
pub mod policies;
pub mod problem;
pub mod reads;
mod received;
mod router;
mod serve;
mod state;
mod time;

pub use cors::{CorsOrigin, InvalidCorsOrigin};
pub use door::Door;
pub use listeners::Listeners;
pub use outside::{BasePath, InvalidBasePath};
pub use router::{metrics_router, openapi_document, router};
pub use serve::{ServeConfig, serve};
pub use state::{ApiConfig, ApiParts, ApiState};
