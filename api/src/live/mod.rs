//! What happens to a tenant's runs, as server-sent events.

mod listener;
mod seen;
mod stream;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ApiState;

/// The streams, to be served with the rest.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(stream::stream_tenant)).routes(routes!(stream::stream_run))
}
