//! Projections out: every GET of the API. Answers come from the read tables alone.
//!
//! A read is asked ([`asked`]: who, with which parameters, how current), opens a view of its tenant's
//! rows ([`pool`]), and is answered with the position it reflects ([`answer`]).

mod answer;
pub(crate) mod asked;
mod corrupt;
mod cursor;
pub(crate) mod events;
pub(crate) mod failures;
pub(crate) mod items;
pub(crate) mod notifications;
pub(crate) mod params;
mod pool;
pub(crate) mod runs;
pub(crate) mod stats;

use axum::http::Uri;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use asked::RunInPath;
pub use corrupt::Corrupt;
pub(crate) use corrupt::{count, word};
pub(crate) use pool::{BEGIN, look_as_readers};
pub use pool::{ReadPool, TenantRead};

use asked::AskedQuery;
use params::Params;

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
    runs::ListQuery::take(&mut params)?;
    params.end(runs::ListQuery::ALLOWED)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use serde_json::Value;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(target) if name == "$ref" => found.push(target.clone()),
                        _ => references(member, found),
                    }
                }
            }
            Value::Array(entries) => entries.iter().for_each(|entry| references(entry, found)),
            _ => {}
        }
    }

    #[test]
    fn the_description_has_every_read_and_every_schema_it_names() {
        let document = serde_json::to_value(crate::openapi_document()).unwrap();
        for path in ["runs", "runs/{run}", "runs/{run}/items", "runs/{run}/events", "notifications", "stats"]
        {
            let path = format!("/v1/tenants/{{tenant}}/{path}");
            assert!(document["paths"][&path]["get"].is_object(), "{path}");
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for target in found {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
    }
}
