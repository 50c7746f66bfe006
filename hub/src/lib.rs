//! The monitoring hub: pages for people who look after runs.
//!
//! View-only: the only things that can be changed here are one's own session and which of one's own
//! notifications are read. Every page is rendered on the server from one view of the read tables, reads
//! well without a script, and states the position and moment that it reflects. The script re-reads the page
//! when the live stream says that something has changed.

mod administration;
mod assets;
mod chart;
mod chips;
mod compare;
mod filters;
mod form;
mod frame;
mod in_use;
mod items;
mod linked;
mod links;
mod notifications;
mod protect;
mod refusal;
mod run;
mod runs;
mod sign_in;
mod summary;
mod texts;
mod timeline;
mod visitor;
mod words;

use api::ApiState;
use api::outside::Outside;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};

pub use refusal::{for_people, no_such_page};

/// The pages.
pub fn routes() -> Router<ApiState> {
    Router::new()
        .route("/", get(sign_in::home))
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/sign-in/{code}", get(sign_in::by_link))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/t/{tenant}", get(runs::of_tenant))
        .route("/t/{tenant}/runs", get(runs::page))
        .route("/t/{tenant}/runs/{run}", get(run::page))
        .route("/t/{tenant}/runs/{run}/difference", get(compare::page))
        .route("/t/{tenant}/notifications", get(notifications::page))
        .route("/t/{tenant}/notifications/read", post(notifications::mark_all_read))
        .route("/t/{tenant}/notifications/{id}/read", post(notifications::mark_read))
        .route("/t/{tenant}/administration", get(administration::page))
        .route("/assets/{*name}", get(assets::asset))
        .layer(from_fn(secure))
}

/// Makes refusals pages, and adds to every page what keeps it from being misused.
async fn secure(request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let outside = Outside::of_parts(&parts);
    parts.extensions.insert(outside.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    let mut response = refusal::shown(response, &outside);
    protect::protect(response.headers_mut());
    response
}
