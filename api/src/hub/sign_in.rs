//! Signing in with a token or a one-time link, and out.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::{HeaderMap, SET_COOKIE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::assets;
use super::form::Fields;
use super::refusal::{Refusal, hop, html, local, see_other};
use super::words;
use crate::access::{Caller, LASTS, OpeningSecret, cookie};
use crate::problem::Problem;
use crate::reads::params::Params;
use crate::state::ApiState;

/// Says that the visitor was sent here by a page of ours.
const HOPPED: &str = "hopped";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    style: &'a str,
    icon: &'a str,
    next: &'a str,
    fault: Option<&'a str>,
    signed_out: bool,
}

/// `GET /`: the runs of whoever is signed in.
pub(super) async fn home(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, Refusal> {
    match signed_in(&state, &headers).await? {
        Some(caller) => Ok(see_other(&runs_of(&caller))),
        None => Err(Refusal::SignIn(String::new())),
    }
}

/// `GET /sign-in`.
///
/// A strict cookie stays at home when somebody follows a link from another site, so such a visitor looks like
/// one who is not signed in, and is sent here once more, by us, before being asked. Not every browser says
/// where it comes from: on plain HTTP none does.
pub(super) async fn form(
    State(state): State<ApiState>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let params = Params::of(&uri)?;
    let pairs = params.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let value = |wanted: &str| pairs.clone().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let next = value("next").and_then(local).unwrap_or_default();
    let hopped = value(HOPPED).is_some();
    // Who is signed in and comes by a link of ours may want to be somebody else.
    if (next.is_empty() || hopped)
        && let Some(caller) = signed_in(&state, &headers).await?
    {
        return Ok(see_other(&if next.is_empty() { runs_of(&caller) } else { next.to_owned() }));
    }
    let from_elsewhere = headers.get("sec-fetch-site").is_none_or(|site| site == "cross-site");
    let signed_out = value("signed_out").is_some();
    let asked_before = signed_out || hopped;
    if from_elsewhere && !asked_before && OpeningSecret::of_cookie(&headers).is_none() {
        let again = (!next.is_empty()).then_some(("next", next)).into_iter().chain([(HOPPED, "1")]);
        return Ok(hop(&format!("/sign-in{}", words::query(again)), "Opening the page"));
    }
    Ok(page(next, None, signed_out)?)
}

/// `POST /sign-in`.
pub(super) async fn sign_in(
    State(state): State<ApiState>,
    headers: HeaderMap,
    form: Fields,
) -> Result<Response, Refusal> {
    // Nobody is to be signed in as somebody else by a form on another site, nor by one of a neighbour's.
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site") {
        return Err(Problem::forbidden("Sign in by the form on this site.").into());
    }
    let next = local(form.text("next")).unwrap_or_default();
    match state.tokens.sign_in(form.text("token")).await {
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

/// `GET /sign-in/{code}`: a link that works once. Whoever only asks what is there does not use it up.
pub(super) async fn by_link(
    State(state): State<ApiState>,
    method: Method,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Result<Response, Refusal> {
    if method == Method::HEAD {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
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
    form: Fields,
) -> Result<Response, Refusal> {
    if let Some(session) = OpeningSecret::of_cookie(&headers) {
        if !session.is_csrf(form.text("csrf")) {
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

/// Gives the browser its cookie (RFC 6265, section 4.1).
fn with_cookie(
    mut response: Response,
    value: &str,
    seconds: i64,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let cookie::Name { name, secure } = cookie::name(headers);
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::try_from(cookie).map_err(|error| Problem::internal(&error))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}
