//! The visitor of a page.

use access::{Caller, SessionSecret};
use api::ApiState;
use api::ProblemCode;
use api::extract::identify;
use api::outside::Outside;
use api::problem::Problem;
use api::request::After;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use eventlog::Position;
use reads::LAST;
use reads::Params;
use reads::ReadQuery;
use reads::TenantRead;

use super::refusal::Refusal;

/// The caller of a page: the holder of a session, or of a token. Others are sent to sign in.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) caller: Caller,
    /// None where a token came along instead.
    pub(super) session: Option<SessionSecret>,
    /// How the caller sees the server.
    pub(super) outside: Outside,
}

impl FromRequestParts<ApiState> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refusal> {
        match identify(parts, state).await {
            Ok((caller, session)) => Ok(Self { caller, session, outside: Outside::of_parts(parts) }),
            Err(problem) if problem.status == StatusCode::UNAUTHORIZED.as_u16() => Err(unknown(parts)),
            Err(problem) => Err(problem.into()),
        }
    }
}

/// Sends an unknown visitor to sign in, and back to here where the page can be asked for again.
fn unknown(parts: &Parts) -> Refusal {
    let outside = Outside::of_parts(parts);
    let here = parts.uri.path_and_query().filter(|_| parts.method.is_safe());
    let next = here.map_or_else(String::new, |here| outside.base.to(here.as_str()));
    Refusal::SignIn(outside, next)
}

impl Visitor {
    /// Makes sure that a form was sent from a page of the visitor's own.
    ///
    /// # Errors
    /// 403 when the form's CSRF token is not the session's.
    pub(super) fn check_csrf(&self, csrf: &str) -> Result<(), Problem> {
        match &self.session {
            Some(session) if !session.is_csrf(csrf) => Err(Problem::forbidden(
                "The form does not come from a page of this session. Load the page again, and send it from there.",
            )),
            _ => Ok(()),
        }
    }
}

/// A page that is asked for: by whom, with which parameters.
#[derive(Debug)]
pub(super) struct Visit<Q> {
    pub(super) visitor: Visitor,
    /// The parameters, or what is wrong with them.
    pub(super) query: Result<Q, Problem>,
    /// The parameters as they came, decoded, without those that a form left empty.
    pub(super) pairs: Vec<(String, String)>,
    /// The page of ours that the browser comes from, where it says so.
    came_from: Option<String>,
    after: Option<After>,
}

impl<Q: ReadQuery> FromRequestParts<ApiState> for Visit<Q> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refusal> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        // To links that people send each other more is added than we know.
        let known = |name: &str| name == "after" || Q::ALLOWED.contains(&name);
        let mut params = Params::of_these(parts.uri.query(), known)?;
        params.edit(from_form);
        let after = params.number("after", 0, LAST)?.map(Position);
        let after = after.map(|position| After::new(position, &visitor.caller, &parts.extensions));
        let pairs = params.pairs().to_vec();
        let query = Q::from_params(&mut params).map_err(Problem::from);
        let came_from = visitor.outside.came_from(&parts.headers).map(str::to_owned);
        Ok(Self { visitor, query, pairs, came_from, after })
    }
}

/// Parameters that are times, or may be.
const TIMES: [&str; 7] = ["since", "until", "ended_since", "ended_until", "from", "to", "at"];

/// A value as the API reads it; none where the form's field was left empty.
fn from_form(name: &str, value: &str) -> Option<String> {
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    // `datetime-local` has no zone (HTML standard, section 2.3.5.3). Pages speak UTC.
    if TIMES.contains(&name) && !value.ends_with(['Z', 'z']) {
        let seconds = if value.len() == "2026-11-24T10:00".len() { ":00" } else { "" };
        // People put a blank between day and hour.
        let local = format!("{}{seconds}Z", value.replacen(' ', "T", 1));
        if chrono::DateTime::parse_from_rfc3339(&local).is_ok() {
            return Some(local);
        }
    }
    Some(value.to_owned())
}

impl<Q> Visit<Q> {
    /// The filters of the list of runs that the browser comes from, as a query; empty where it comes from elsewhere.
    pub(super) fn list_before(&self) -> String {
        let list = self.visitor.outside.base.to(&format!("/t/{}/runs", self.visitor.caller.tenant));
        let query =
            self.came_from.as_deref().and_then(|page| page.strip_prefix(list.as_str())?.strip_prefix('?'));
        let of_page = |pair: &&str| !pair.is_empty() && !pair.starts_with("after=");
        let kept: Vec<_> = query.into_iter().flat_map(|query| query.split('&')).filter(of_page).collect();
        if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) }
    }

    /// Opens the visitor's view of the read tables. A page that follows upon something of the visitor's own
    /// waits for it, but not for long: it is shown either way, and says how far it goes.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn begin(&self, state: &ApiState) -> Result<TenantRead, Problem> {
        if let Some(after) = &self.after
            && let Err(problem) = after.shown(state).await
        {
            // A request that has waited and finds no room now is refused all the same.
            if problem.code == ProblemCode::Overloaded {
                return Err(problem);
            }
            tracing::debug!(%problem.detail, "a page is shown before it has what was asked for");
        }
        Ok(state.reads.begin(&self.visitor.caller.tenant).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_the_api_reads_them() {
        assert_eq!(from_form("kind", "  "), None);
        assert_eq!(from_form("kind", " a.b ").as_deref(), Some("a.b"));
        assert_eq!(from_form("since", "2026-11-24T10:00").as_deref(), Some("2026-11-24T10:00:00Z"));
        assert_eq!(from_form("until", "2026-11-24T10:00:30").as_deref(), Some("2026-11-24T10:00:30Z"));
        assert_eq!(
            from_form("until", "2026-11-24T10:00:30+01:00").as_deref(),
            Some("2026-11-24T10:00:30+01:00")
        );
        assert_eq!(from_form("from", "2026-11-24 10:00:00.5").as_deref(), Some("2026-11-24T10:00:00.5Z"));
        assert_eq!(from_form("to", "17").as_deref(), Some("17"));
        assert_eq!(from_form("since", "yesterday").as_deref(), Some("yesterday"));
    }
}
