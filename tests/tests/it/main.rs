//! All crates together, over real HTTP and a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![recursion_limit = "256"]

mod administration;
mod append_events;
mod commands_cost;
mod directory;
mod dropped_begin;
mod exports;
mod faithful;
mod fuzz;
mod hub;
mod idempotency_secret;
mod idle_listeners;
mod inlets;
mod item_names;
mod kept;
mod live;
mod lost_answers;
mod malformed;
mod origins;
mod positions;
mod reads;
mod roles;
mod start_crash;
mod start_links;
mod start_named;
mod start_run;
mod strangers;
mod stuck_runs;
mod surface;
mod tallies;
mod tokens;
mod transport;
