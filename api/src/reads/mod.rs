//! Projections out: every GET of the API. Answers come from the read tables alone.
//!
//! A read is asked ([`asked`]: who, with which parameters, how current), opens a view of its tenant's
//! rows ([`pool`]), and is answered with the position it reflects ([`answer`]).

mod answer;
mod asked;
mod corrupt;
mod cursor;
mod events;
mod items;
mod notifications;
mod params;
mod pool;
mod runs;
mod stats;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use corrupt::Corrupt;
pub use pool::{ReadPool, TenantRead};

use crate::state::ApiState;

/// The GET routes, to be served with the rest.
#[must_use]
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(runs::list_runs))
        .routes(routes!(runs::get_run))
        .routes(routes!(items::list_items))
        .routes(routes!(events::list_events))
        .routes(routes!(notifications::list_notifications))
        .routes(routes!(stats::get_stats))
}
