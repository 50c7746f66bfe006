//! Projections out: every GET of the API. Answers come from the read tables alone.

mod corrupt;
mod pool;

use utoipa_axum::router::OpenApiRouter;

pub use corrupt::Corrupt;
pub use pool::{ReadPool, TenantRead};

use crate::state::ApiState;

/// The GET routes, to be served with the rest.
#[must_use]
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
}
