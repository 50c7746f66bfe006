//! `GET /t/{tenant}/runs`: the tenant's runs.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::Status;

use super::chart::Chart;
use super::frame::{Frame, Here};
use super::refusal::{Refusal, html, see_other};
use super::summary::{Failure, Summary};
use super::visitor::Visit;
use super::words;
use crate::problem::Problem;
use crate::reads::runs::{ListQuery, page_of_runs};
use crate::reads::stats::{StatusCounts, counts, hours};
use crate::reads::{TenantRead, failures};
use crate::state::ApiState;

/// How many hours the strip shows.
const HOURS: u64 = 48;

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    frame: Frame,
    form: FilterForm,
    chips: Vec<Chip>,
    chart: Chart,
    rows: Vec<Summary>,
    /// What is wrong with the filters.
    fault: Option<String>,
    filtered: bool,
    first_page: Option<String>,
    next_page: Option<String>,
}

/// A count that is a filter.
struct Chip {
    name: &'static str,
    /// The class that gives it its colour and shape.
    class: &'static str,
    runs: Option<String>,
    href: String,
    chosen: bool,
}

/// The filters as they were asked for.
#[derive(Default)]
struct FilterForm {
    q: String,
    kind: String,
    kinds: Vec<String>,
    initiator: String,
    labels: Vec<String>,
    since: String,
    until: String,
    /// What the form does not show, but keeps.
    kept: Vec<(String, String)>,
    /// Whether it is shown open.
    open: bool,
}

/// `GET /t/{tenant}`.
pub(super) async fn of_tenant(Path(tenant): Path<String>) -> Response {
    see_other(&format!("/t/{tenant}/runs"))
}

/// `GET /t/{tenant}/runs`.
pub(super) async fn page(
    State(state): State<ApiState>,
    visit: Visit<ListQuery>,
) -> Result<Response, Refusal> {
    let now = Utc::now();
    let mut read = visit.begin(&state).await?;
    let tenant = visit.visitor.caller.tenant.clone();
    let about = (Here::Runs, "Runs".to_owned());
    let frame = Frame::new(&state, &visit.visitor, &mut read, now, about).await?;
    let (all, kinds) = counts(read.conn(), &tenant).await?;
    let strip = hours(read.conn(), &tenant, now, HOURS).await?;
    let pairs = &visit.pairs;
    let (rows, next_cursor, fault) = match &visit.query {
        Ok(query) => {
            let (rows, next) = rows(&mut read, &tenant, query, now).await?;
            (rows, next, None)
        }
        Err(problem) => (Vec::new(), None, Some(problem.detail.to_string())),
    };
    let base = format!("/t/{tenant}/runs");
    let kind = value(pairs, "kind").unwrap_or_default().to_owned();
    let shown = kinds.iter().find(|counts| counts.kind == kind).map_or(all, |counts| counts.runs);
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = RunsPage {
        frame,
        chips: chips(&base, pairs, shown),
        chart: Chart::new(&base, &strip),
        form: FilterForm::new(pairs, kinds.into_iter().map(|counts| counts.kind).collect()),
        rows,
        fault,
        filtered: pairs.iter().any(|(name, _)| !["cursor", "limit", "sort"].contains(&name.as_str())),
        first_page: value(pairs, "cursor").map(|_| format!("{base}{}", with(pairs, &["cursor"], None))),
        next_page: next_cursor
            .map(|cursor| format!("{base}{}", with(pairs, &["cursor"], Some(("cursor", &cursor))))),
    };
    Ok((status, html(&page)?).into_response())
}

async fn rows(
    read: &mut TenantRead,
    tenant: &domain::TenantId,
    query: &ListQuery,
    now: DateTime<Utc>,
) -> Result<(Vec<Summary>, Option<String>), Problem> {
    let page = page_of_runs(read, tenant, query, now).await?;
    // A run that failed says why itself; of the others it is their items that failed.
    let wanted = page.runs.iter().filter(|run| run.items.failed > 0 && run.reason_code.is_none());
    let wanted: Vec<_> = wanted.map(|run| run.run_id.uuid()).collect();
    let mut failed = failures::last_of(read.conn(), tenant, &wanted).await?;
    let rows = page.runs.into_iter().map(|run| {
        let failure = failed.remove(&run.run_id.uuid()).map(Failure::from);
        Summary::new(&run, failure, now)
    });
    Ok((rows.collect(), page.next_cursor))
}

fn chips(base: &str, pairs: &[(String, String)], counts: StatusCounts) -> Vec<Chip> {
    let chosen: Vec<&str> =
        pairs.iter().filter(|(name, _)| name == "status").map(|(_, value)| value.as_str()).collect();
    let stalled = value(pairs, "liveness") == Some("stalled");
    let without = ["cursor", "status", "liveness"];
    let all = counts.queued + counts.running + counts.succeeded + counts.partially_succeeded + counts.failed;
    let mut chips = vec![Chip {
        name: "All",
        class: "all",
        runs: Some(words::number(all)),
        href: format!("{base}{}", with(pairs, &without, None)),
        chosen: chosen.is_empty() && !stalled,
    }];
    for (status, runs) in [
        (Status::Queued, counts.queued),
        (Status::Running, counts.running),
        (Status::Succeeded, counts.succeeded),
        (Status::PartiallySucceeded, counts.partially_succeeded),
        (Status::Failed, counts.failed),
    ] {
        let name = status.as_str();
        chips.push(Chip {
            name: words::status(status),
            class: name,
            runs: Some(words::number(runs)),
            href: format!("{base}{}", with(pairs, &without, Some(("status", name)))),
            chosen: chosen.contains(&name),
        });
    }
    chips.push(Chip {
        name: "Stalled",
        class: "stalled",
        runs: None,
        href: format!("{base}{}", with(pairs, &without, Some(("liveness", "stalled")))),
        chosen: stalled,
    });
    chips
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The query without these parameters, and with another one.
fn with(pairs: &[(String, String)], without: &[&str], more: Option<(&str, &str)>) -> String {
    let kept = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    words::query(kept.filter(|(name, _)| !without.contains(name)).chain(more))
}

impl FilterForm {
    fn new(pairs: &[(String, String)], kinds: Vec<String>) -> Self {
        let mut form = Self { kinds, ..Self::default() };
        for (name, value) in pairs {
            let value = value.clone();
            match name.as_str() {
                "q" => form.q = value,
                "kind" => form.kind = value,
                "initiator" => form.initiator = value,
                "label" => form.labels.push(value),
                // As `datetime-local` has it.
                "since" => form.since = value.trim_end_matches(['Z', 'z']).to_owned(),
                "until" => form.until = value.trim_end_matches(['Z', 'z']).to_owned(),
                "cursor" => {}
                _ => form.kept.push((name.clone(), value)),
            }
        }
        let more = [&form.kind, &form.initiator, &form.since, &form.until];
        form.open = !form.labels.is_empty() || more.iter().any(|value| !value.is_empty());
        // Always one more to fill in.
        form.labels.push(String::new());
        form
    }
}
