//! Signing in with a token or a one-time link, and out.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::header::{HeaderMap, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::assets;
use super::refusal::{Refusal, hop, html, local, see_other};
use crate::access::{COOKIE, Caller, LASTS, OpeningSecret};
use crate::problem::Problem;
use crate::state::ApiState;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    style: &'a str,
    icon: &'a str,
    next: &'a str,
    fault: Option<&'a str>,
    signed_out: bool,
}

/// Where it goes on afterwards.
#[derive(Debug, Deserialize)]
pub(super) struct Next {
    next: Option<String>,
    signed_out: Option<String>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct SignIn {
    token: String,
    #[serde(default)]
    next: String,
}

/// What the button "Sign out" sends.
#[derive(Deserialize)]
pub(super) struct SignOut {
    #[serde(default)]
    csrf: String,
}

/// `GET /`: the runs of whoever is signed in.
pub(super) async fn home(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, Refusal> {
    match signed_in(&state, &headers).await? {
        Some(caller) => Ok(see_other(&runs_of(&caller))),
        None => Err(Refusal::SignIn(String::new())),
    }
}

/// `GET /sign-in`.
pub(super) async fn form(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Query(query): Query<Next>,
) -> Result<Response, Refusal> {
    let next = query.next.as_deref().and_then(local).unwrap_or_default();
    if next.is_empty()
        && let Some(caller) = signed_in(&state, &headers).await?
    {
        return Ok(see_other(&runs_of(&caller)));
    }
    Ok(page(next, None, query.signed_out.is_some())?)
}

/// `POST /sign-in`.
pub(super) async fn sign_in(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Result<Response, Refusal> {
    // Nobody is to be signed in as somebody else by a form on another site.
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Err(Problem::forbidden("Sign in by the form on this site.").into());
    }
    let next = local(&form.next).unwrap_or_default();
    match state.tokens.sign_in(&form.token).await {
        Ok((session, caller)) => {
            let next = if next.is_empty() { runs_of(&caller) } else { next.to_owned() };
            opened(see_other(&next), &session, &headers)
        }
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED.as_u16() => {
            Ok((StatusCode::UNAUTHORIZED, page(next, Some(&problem.detail), false)?).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// `GET /sign-in/{code}`: a link that works once.
pub(super) async fn by_link(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Result<Response, Refusal> {
    match state.tokens.sign_in_once(&code).await {
        // A redirect would still count as coming from wherever the link was, and leave the cookie at home.
        Ok(session) => opened(hop("/", "Signing in"), &session, &headers),
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED.as_u16() => {
            Ok((StatusCode::UNAUTHORIZED, page("", Some(&problem.detail), false)?).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// `POST /sign-out`.
pub(super) async fn sign_out(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Form(form): Form<SignOut>,
) -> Result<Response, Refusal> {
    if let Some(session) = OpeningSecret::of_cookie(&headers) {
        if !session.is_csrf(&form.csrf) {
            return Err(Problem::forbidden("Sign out by the button on a page of your session.").into());
        }
        state.tokens.sign_out(&session).await?;
    }
    with_cookie(see_other("/sign-in?signed_out=1"), "", 0, &headers)
}

async fn signed_in(state: &ApiState, headers: &HeaderMap) -> Result<Option<std::sync::Arc<Caller>>, Problem> {
    match OpeningSecret::of_cookie(headers) {
        Some(session) => state.tokens.of_session(&session).await,
        None => Ok(None),
    }
}

fn runs_of(caller: &Caller) -> String {
    format!("/t/{}/runs", caller.tenant)
}

fn page(next: &str, fault: Option<&str>, signed_out: bool) -> Result<Response, Problem> {
    html(&SignInPage { style: assets::style(), icon: assets::icon(), next, fault, signed_out })
}

fn opened(response: Response, session: &OpeningSecret, headers: &HeaderMap) -> Result<Response, Refusal> {
    with_cookie(response, session.reveal(), LASTS.num_seconds(), headers)
}

/// Gives the browser its cookie (RFC 6265, section 4.1). Behind a proxy that speaks TLS it is sent nowhere
/// else; a server on one's own machine has none.
fn with_cookie(
    mut response: Response,
    value: &str,
    seconds: i64,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let by_tls = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let secure = if by_tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::try_from(cookie).map_err(|error| Problem::internal(&error))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}
