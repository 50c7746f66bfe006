//! JSON over HTTP: the resources of the ledger, what requests and answers have in common, and the streams.
//!
//! A command goes to the log; a read goes to the read tables. Nothing here reads the log to render, and
//! nothing here knows the projector: the read tables are the contract.

mod answer;
mod aside;
mod body;
mod command_problem;
pub mod cookie;
pub mod cors;
mod csv;
pub mod endpoints;
pub mod etag;
mod export_problem;
pub mod extract;
#[doc(hidden)]
pub mod fuzzing;
mod idempotency_key;
pub mod inlet;
mod live;
pub mod observe;
mod openapi;
pub mod outside;
pub mod permit;
mod preconditions;
pub mod problem;
mod problem_code;
pub mod received;
pub mod request;
mod state;

use axum::Router;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

pub use answer::RESERVED;
pub use cors::{CorsOrigin, InvalidCorsOrigin};
pub use endpoints::usual_principal;
pub use problem_code::ProblemCode;
pub use state::{ApiConfig, ApiParts, ApiState};

/// The resources and the streams, and their description (OpenAPI 3.1), generated from the code. That nothing in it keeps
/// it from being written as JSON is tested.
pub fn routes() -> (Router<ApiState>, Result<Value, serde_json::Error>) {
    let (routes, annotated) = OpenApiRouter::with_openapi(openapi::base())
        .merge(endpoints::routes())
        .merge(live::routes())
        .merge(inlet::routes())
        .split_for_parts();
    (routes, openapi::whole(&annotated))
}
