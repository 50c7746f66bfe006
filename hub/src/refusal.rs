//! What is answered in the place of a page.

use access::LookupError;
use api::outside::Outside;
use api::problem::Problem;
use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use reads::ReadError;

use super::assets;
use super::protect::protect;
use super::words;

/// Why a page is not shown.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nobody is signed in. Afterwards it goes on there, which is an address as it is seen from outside.
    SignIn(Outside, String),
    /// Anything else.
    Problem(Problem),
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    style: String,
    icon: String,
    home: String,
    status: u16,
    title: &'a str,
    detail: &'a str,
}

#[derive(Template)]
#[template(path = "hop.html")]
struct HopPage<'a> {
    style: String,
    icon: String,
    next: &'a str,
    title: &'a str,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<LookupError> for Refusal {
    fn from(error: LookupError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Problem(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(outside, next) => {
                let next = local(&next).filter(|next| *next != outside.base.to("/"));
                see_other(
                    &outside.base.to(&format!("/sign-in{}", words::query(next.map(|next| ("next", next))))),
                )
            }
            // Made into a page where it is known how the server is seen: by `shown`.
            Self::Problem(problem) => {
                let mut response = problem.clone().into_response();
                response.extensions_mut().insert(ForPeople(problem));
                response
            }
        }
    }
}

/// A problem that is a page, whatever was asked for.
#[derive(Debug, Clone)]
struct ForPeople(Problem);

/// The answer, or the page that says why there is none.
pub(super) fn shown(mut response: Response, outside: &Outside) -> Response {
    match response.extensions_mut().remove::<ForPeople>() {
        Some(ForPeople(problem)) => in_place(response, &problem, outside),
        None => response,
    }
}

/// A page of a problem in the place of its answer for programs.
fn in_place(mut response: Response, problem: &Problem, outside: &Outside) -> Response {
    let mut page = refused(problem, outside);
    for name in [header::RETRY_AFTER, header::ALLOW, header::ACCEPT, header::ACCEPT_ENCODING] {
        if let Some(value) = response.headers_mut().remove(&name) {
            page.headers_mut().insert(name, value);
        }
    }
    page
}

/// The path of an address on this server; none where it might lead elsewhere, or nowhere. `//` and `/\` begin the
/// name of a server, and controls are passed over (WHATWG URL standard, section 4.4).
pub(super) fn local(next: &str) -> Option<&str> {
    let leads_elsewhere = next.starts_with("//") || next.contains(['\\', char::REPLACEMENT_CHARACTER]);
    let leads_elsewhere = leads_elsewhere || next.contains(char::is_control);
    (next.starts_with('/') && !leads_elsewhere).then_some(next)
}

/// Sends the browser to another page of ours, by GET.
pub(super) fn see_other(address: &str) -> Response {
    match HeaderValue::try_from(words::in_header(address)) {
        Ok(address) => (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// Goes on to another page of ours, as from ours: the strict cookie comes along then.
pub(super) fn hop(outside: &Outside, next: &str, title: &str) -> Response {
    html(&HopPage {
        style: outside.base.to(assets::style()),
        icon: outside.base.to(assets::icon()),
        next,
        title,
    })
    .unwrap_or_else(IntoResponse::into_response)
}

/// A page from its template.
///
/// # Errors
/// 500 when the template fails.
pub(super) fn html(page: &impl Template) -> Result<Response, Problem> {
    Ok(Html(page.render().map_err(|error| Problem::internal(&error))?).into_response())
}

fn refused(problem: &Problem, outside: &Outside) -> Response {
    let page = RefusalPage {
        style: outside.base.to(assets::style()),
        icon: outside.base.to(assets::icon()),
        home: outside.base.to("/"),
        status: problem.status,
        title: problem.title,
        detail: &problem.detail,
    };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match html(&page) {
        Ok(page) => (status, page).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// 404 for a browser.
pub fn no_such_page(outside: &Outside) -> Response {
    let mut response = refused(&Problem::not_found("There is no such page."), outside);
    protect(response.headers_mut());
    response
}

/// Paths that are for programs, whatever client asks.
const FOR_PROGRAMS: [&str; 5] = ["/v1/", "/healthz", "/readyz", "/metrics", "/openapi.json"];

/// Shows people a page of what went wrong before a page could be made: no room, no database, no time.
pub async fn for_people(request: Request, next: Next) -> Response {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let path = request.uri().path();
    let looked_at = accepted.is_some_and(|accepted| accepted.contains("text/html"))
        && !FOR_PROGRAMS.iter().any(|programs| path.starts_with(programs));
    let (mut parts, body) = request.into_parts();
    let outside = Outside::of_parts(&parts);
    parts.extensions.insert(outside.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>().filter(|_| looked_at) else {
        return response;
    };
    let mut page = in_place(response, &problem, &outside);
    protect(page.headers_mut());
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for next in ["/", "/t/demo/runs?q=a//b", "/t/demo/runs/1"] {
            assert_eq!(local(next), Some(next));
        }
        for next in [
            "",
            "t",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\\b",
            "/\t/evil.example",
            "/\u{1}",
            "/a\u{7f}",
            "/a\u{85}b",
            "/a\u{fffd}",
        ] {
            assert_eq!(local(next), None, "{next}");
        }
    }
}
