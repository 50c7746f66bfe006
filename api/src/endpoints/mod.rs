//! The resources of the API, a file each.

mod administration;
mod commands;
mod events;
mod exports;
mod items;
mod notifications;
mod parse;
mod run;
mod runs;
mod stats;
mod tokens;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ApiState;

pub use commands::mark_read;
pub use exports::Exports;
pub(crate) use parse::{EventsBody, StartBody};

/// The routes, to be served with the rest.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(commands::routes())
        .routes(routes!(runs::list_runs))
        .routes(routes!(run::get_run))
        .routes(routes!(items::list_items))
        .routes(routes!(events::list_events))
        .routes(routes!(notifications::list_notifications))
        .routes(routes!(stats::get_stats))
        .routes(routes!(administration::list_admin_events))
        .merge(tokens::routes())
        .merge(exports::routes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use reads::{ReadQuery, administration, events, items, notifications, runs, stats, tokens};

    use super::exports::{CheckpointQuery, PopulationQuery, RunQuery};
    use crate::preconditions::EPOCH_PARAM;

    #[test]
    fn the_description_has_every_read_and_the_parameters_that_it_takes() {
        let document = crate::routes().1.unwrap();
        for (path, takes) in [
            ("runs", runs::ListQuery::ALLOWED),
            ("runs/{run}", runs::OneQuery::ALLOWED),
            ("runs/{run}/items", items::ItemsQuery::ALLOWED),
            ("runs/{run}/events", events::EventsQuery::ALLOWED),
            ("notifications", notifications::NotificationsQuery::ALLOWED),
            ("stats", stats::StatsQuery::ALLOWED),
            ("admin/events", administration::AdminQuery::ALLOWED),
            ("tokens", tokens::TokensQuery::ALLOWED),
            ("runs/{run}/export", RunQuery::ALLOWED),
            ("export", PopulationQuery::ALLOWED),
            ("checkpoint", CheckpointQuery::ALLOWED),
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
