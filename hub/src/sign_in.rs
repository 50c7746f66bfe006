//! Signing in with a token or a one-time link, and out.

use access::{Caller, Denied, LookupError, SESSION_LIFETIME, SessionSecret};
use api::ApiState;
use api::cookie;
use api::outside::Outside;
use api::problem::Problem;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::{HeaderMap, SET_COOKIE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use reads::Params;

use super::assets;
use super::form::Fields;
use super::refusal::{Refusal, hop, html, local, see_other};
use super::words;

/// Says that the visitor was sent here by a page of ours.
const HOPPED: &str = "hopped";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    style: String,
    icon: String,
    action: String,
    next: &'a str,
    fault: Option<&'a str>,
    signed_out: bool,
}

/// `GET /`: the runs that the visitor who is signed in may see.
pub(super) async fn home(
    State(state): State<ApiState>,
    outside: Outside,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    match signed_in(&state, &outside, &headers).await? {
        Some(caller) => Ok(see_other(&runs_of(&outside, &caller))),
        None => Err(Refusal::SignIn(outside, String::new())),
    }
}

/// `GET /sign-in`.
///
/// A strict cookie stays at home when a visitor follows a link from another site, who then looks as if not
/// signed in, and is sent here once more, by us, before being asked. Not every browser says
/// where it comes from: on plain HTTP none does.
pub(super) async fn form(
    State(state): State<ApiState>,
    outside: Outside,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    // What can't be read leads nowhere, and keeps no visitor from signing in.
    let params = Params::of(uri.query()).unwrap_or_default();
    let pairs = params.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let value = |wanted: &str| pairs.clone().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let next = value("next").and_then(local).unwrap_or_default();
    let hopped = value(HOPPED).is_some();
    // A visitor who is signed in and comes by a link of ours may want to sign in with another token.
    if (next.is_empty() || hopped)
        && let Some(caller) = signed_in(&state, &outside, &headers).await?
    {
        return Ok(see_other(&if next.is_empty() { runs_of(&outside, &caller) } else { next.to_owned() }));
    }
    let from_elsewhere = headers.get("sec-fetch-site").is_none_or(|site| site == "cross-site");
    let signed_out = value("signed_out").is_some();
    let asked_before = signed_out || hopped;
    if from_elsewhere && !asked_before && cookie::session(&outside, &headers).is_none() {
        let again = (!next.is_empty()).then_some(("next", next)).into_iter().chain([(HOPPED, "1")]);
        let again = outside.base.to(&format!("/sign-in{}", words::query(again)));
        return Ok(hop(&outside, &again, "Opening the page"));
    }
    Ok(page(&outside, next, None, signed_out)?)
}

/// `POST /sign-in`. Ends the session that the browser had before.
pub(super) async fn sign_in(
    State(state): State<ApiState>,
    outside: Outside,
    headers: HeaderMap,
    form: Fields,
) -> Result<Response, Refusal> {
    let next = local(form.text("next")).unwrap_or_default();
    match state.tokens.sign_in(form.text("token")).await {
        Ok((session, caller)) => {
            let next = if next.is_empty() { runs_of(&outside, &caller) } else { next.to_owned() };
            end_former(&state, &outside, &headers).await?;
            opened(see_other(&next), &session, &outside)
        }
        Err(LookupError::Denied(denied)) => Ok(again(&outside, next, denied)?),
        Err(failed) => Err(failed.into()),
    }
}

/// `GET /sign-in/{code}`: a link that works once. A request that only asks what is there does not use the link up.
pub(super) async fn by_link(
    State(state): State<ApiState>,
    method: Method,
    outside: Outside,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Result<Response, Refusal> {
    if method == Method::HEAD {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    match state.tokens.sign_in_once(&code).await {
        // A redirect would still count as coming from wherever the link was, and leave the cookie at home.
        Ok(session) => {
            end_former(&state, &outside, &headers).await?;
            opened(hop(&outside, &outside.base.to("/"), "Signing in"), &session, &outside)
        }
        Err(LookupError::Denied(denied)) => Ok(again(&outside, "", denied)?),
        Err(failed) => Err(failed.into()),
    }
}

/// `POST /sign-out`.
pub(super) async fn sign_out(
    State(state): State<ApiState>,
    outside: Outside,
    headers: HeaderMap,
    form: Fields,
) -> Result<Response, Refusal> {
    if let Some(session) = cookie::session(&outside, &headers) {
        if !session.is_csrf(form.text("csrf")) {
            return Err(Problem::forbidden("Sign out by the button on a page of your session.").into());
        }
        state.tokens.sign_out(&session).await?;
    }
    with_cookie(see_other(&outside.base.to("/sign-in?signed_out=1")), "", 0, &outside)
}

/// Ends the session that the browser had before a sign-in: without its cookie it could not be ended any more.
async fn end_former(state: &ApiState, outside: &Outside, headers: &HeaderMap) -> Result<(), Problem> {
    match cookie::session(outside, headers) {
        Some(former) => Ok(state.tokens.sign_out(&former).await?),
        None => Ok(()),
    }
}

async fn signed_in(
    state: &ApiState,
    outside: &Outside,
    headers: &HeaderMap,
) -> Result<Option<std::sync::Arc<Caller>>, Problem> {
    let Some(session) = cookie::session(outside, headers) else { return Ok(None) };
    match state.tokens.of_session(&session).await {
        Ok(caller) => Ok(Some(caller)),
        Err(LookupError::Denied(_)) => Ok(None),
        Err(failed) => Err(failed.into()),
    }
}

fn runs_of(outside: &Outside, caller: &Caller) -> String {
    outside.base.to(&format!("/t/{}/runs", caller.tenant))
}

fn page(outside: &Outside, next: &str, fault: Option<&str>, signed_out: bool) -> Result<Response, Problem> {
    let ours = |path| outside.base.to(path);
    let (style, icon, action) = (ours(assets::style()), ours(assets::icon()), ours("/sign-in"));
    html(&SignInPage { style, icon, action, next, fault, signed_out })
}

/// The page once more, with what was wrong.
fn again(outside: &Outside, next: &str, denied: Denied) -> Result<Response, Problem> {
    let page = page(outside, next, Some(&denied.to_string()), false)?;
    Ok((StatusCode::UNAUTHORIZED, page).into_response())
}

fn opened(response: Response, session: &SessionSecret, outside: &Outside) -> Result<Response, Refusal> {
    with_cookie(response, session.reveal(), SESSION_LIFETIME.num_seconds(), outside)
}

/// Gives the browser its cookie.
fn with_cookie(
    mut response: Response,
    value: &str,
    seconds: i64,
    outside: &Outside,
) -> Result<Response, Refusal> {
    let cookie = HeaderValue::try_from(cookie::set(outside, value, seconds))
        .map_err(|error| Problem::internal(&error))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}
