//! Projections out: every GET of the API. Answers come from the read tables alone.
//!
//! A read is requested ([`request`]: by which caller, with which parameters, how current), opens a view of its tenant's
//! rows ([`pool`]), and is answered with the position it reflects ([`answer`]).

mod answer;
mod corrupt;
mod cursor;
pub(crate) mod events;
pub(crate) mod failures;
pub(crate) mod items;
pub(crate) mod notifications;
pub(crate) mod params;
mod pool;
pub(crate) mod request;
pub(crate) mod runs;
pub(crate) mod stats;

use axum::http::Uri;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use answer::{LONGEST_PAGE, USUAL_PAGE};
pub use corrupt::Corrupt;
pub(crate) use corrupt::{non_negative, parse_enum};
pub(crate) use params::LONGEST_ASKED;
pub(crate) use pool::{BEGIN, look_as_readers};
pub use pool::{ReadPool, TenantRead};
pub(crate) use request::RunInPath;

use params::Params;
use request::ReadQuery;

use crate::problem::Problem;
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

/// Reads the query of the list of runs as the handler does.
pub(crate) fn read_run_list(uri: &Uri) -> Result<(), Problem> {
    let mut params = Params::of(uri)?;
    runs::ListQuery::from_params(&mut params)?;
    params.end(runs::ListQuery::ALLOWED)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::request::ReadQuery;
    use super::{events, items, notifications, runs, stats};
    use crate::ledger::EPOCH_PARAM;

    #[test]
    fn the_description_has_every_read_and_the_parameters_that_it_takes() {
        let document = crate::openapi_document().unwrap();
        for (path, takes) in [
            ("runs", runs::ListQuery::ALLOWED),
            ("runs/{run}", runs::OneQuery::ALLOWED),
            ("runs/{run}/items", items::ItemsQuery::ALLOWED),
            ("runs/{run}/events", events::EventsQuery::ALLOWED),
            ("notifications", notifications::NotificationsQuery::ALLOWED),
            ("stats", stats::StatsQuery::ALLOWED),
        ] {
            let operation = &document["paths"][format!("/v1/tenants/{{tenant}}/{path}")]["get"];
            let parameters = operation["parameters"].as_array().unwrap().iter();
            let described: BTreeSet<&str> = parameters
                .map(|parameter| match parameter["$ref"].as_str() {
                    Some(target) => document.pointer(target.trim_start_matches('#')).unwrap(),
                    None => parameter,
                })
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            assert_eq!(described, takes.iter().copied().chain(["after", EPOCH_PARAM]).collect(), "{path}");
        }
    }
}
