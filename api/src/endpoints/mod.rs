//! The resources of the API, a file each.

mod administration;
mod commands;
mod difference;
mod directory;
mod events;
mod exports;
mod history;
mod inlets;
mod items;
mod notifications;
mod parse;
mod receipts;
mod run;
mod runs;
mod sealed;
mod stats;
mod tokens;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ApiState;

pub use commands::mark_read;
pub use exports::Exports;
pub use inlets::usual_principal;
pub(crate) use parse::{EventsBody, StartBody, id_of_ours};

/// The routes, to be served with the rest.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(commands::routes())
        .routes(routes!(runs::list_runs))
        .routes(routes!(run::get_run))
        .routes(routes!(items::list_items))
        .routes(routes!(events::list_events))
        .routes(routes!(difference::get_difference))
        .routes(routes!(directory::name_ids))
        .routes(routes!(history::list_history))
        .routes(routes!(notifications::list_notifications))
        .routes(routes!(stats::get_stats))
        .routes(routes!(administration::list_admin_events))
        .merge(tokens::routes())
        .merge(inlets::routes())
        .merge(exports::routes())
        .routes(routes!(receipts::get_receipt))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use reads::{
        Params, ReadQuery, administration, difference, events, inlets, items, notifications, runs, stats,
        tokens,
    };

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
            ("runs/{run}/difference", difference::DifferenceQuery::ALLOWED),
            ("events", events::HistoryQuery::ALLOWED),
            ("notifications", notifications::NotificationsQuery::ALLOWED),
            ("stats", stats::StatsQuery::ALLOWED),
            ("admin/events", administration::AdminQuery::ALLOWED),
            ("tokens", tokens::TokensQuery::ALLOWED),
            ("inlets", inlets::InletsQuery::ALLOWED),
            ("inlets/{inlet_id}/set-aside", inlets::SetAsideQuery::ALLOWED),
            ("runs/{run}/export", RunQuery::ALLOWED),
            ("export", PopulationQuery::ALLOWED),
            ("checkpoint", CheckpointQuery::ALLOWED),
            ("runs/{run}/events/{revision}/receipt", CheckpointQuery::ALLOWED),
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

    fn is_taken<Q: ReadQuery>(query: &str) -> bool {
        let mut params = Params::of(Some(query)).unwrap();
        Q::from_params(&mut params).is_ok() && params.end(Q::ALLOWED).is_ok()
    }

    #[test]
    fn what_auditors_are_told_to_ask_is_taken() {
        let document = include_str!("../../../docs/auditing.md");
        let mut seen = BTreeSet::new();
        for line in document.lines().filter_map(|line| line.strip_prefix("AUDIT ")) {
            let line = line.split(" #").next().unwrap();
            let (resource, rest) = line.split_once(' ').unwrap_or((line, ""));
            let words: Vec<&str> = rest.split_whitespace().collect();
            let pairs = words.windows(2).filter(|pair| pair[0] == "-d").map(|pair| pair[1]);
            let query = pairs.collect::<Vec<_>>().join("&");
            let taken = match resource {
                "events" => is_taken::<events::HistoryQuery>(&query),
                "runs" => is_taken::<runs::ListQuery>(&query),
                "runs/$RUN" => is_taken::<runs::OneQuery>(&query),
                "runs/$RUN/events" => is_taken::<events::EventsQuery>(&query),
                "runs/$RUN/items" => is_taken::<items::ItemsQuery>(&query),
                "runs/$RUN/difference" => is_taken::<difference::DifferenceQuery>(&query),
                "runs/$RUN/export" => is_taken::<RunQuery>(&query),
                "admin/events" => is_taken::<administration::AdminQuery>(&query),
                "export" => is_taken::<PopulationQuery>(&query),
                "checkpoint" | "runs/$RUN/events/7/receipt" => is_taken::<CheckpointQuery>(&query),
                other => panic!("{other}"),
            };
            assert!(taken, "{line}");
            seen.insert(resource);
        }
        assert_eq!(seen.len(), 11);
    }
}
