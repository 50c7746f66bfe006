//! `GET /t/{tenant}/runs`: the tenant's runs.

use api::ApiState;
use api::outside::Outside;
use api::problem::Problem;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::Status;
use reads::Params;
use reads::runs::{By, ListQuery, flagged, page_of_runs};
use reads::stats::{StatusCounts, counts, hours};
use reads::{ReadError, ReadQuery};
use reads::{TenantRead, failures};

use super::assets;
use super::chart::Chart;
use super::chips::{Chip, chips};
use super::filters::FilterForm;
use super::frame::{Frame, Here};
use super::in_use::{InUse, in_use};
use super::links::{Links, Toggle};
use super::refusal::{Refusal, html, see_other};
use super::summary::{Failure, Label, Summary};
use super::texts;
use super::visitor::Visit;
use super::words;

/// How many hours the strip shows.
const HOURS: u64 = 48;

/// So many labels of a run have room in its row. Its page has all.
const LABELS: usize = 2;

/// A page of runs, and the way back from it.
#[derive(Debug)]
pub(super) struct RunsQuery(ListQuery);

impl ReadQuery for RunsQuery {
    const ALLOWED: &'static [&'static str] = &[
        "status",
        "kind",
        "initiator",
        "ref",
        "ref_source",
        "idempotency_key",
        "parent",
        "label",
        "since",
        "until",
        "ended_since",
        "ended_until",
        "q",
        "liveness",
        "held",
        "late",
        "sort",
        "cursor",
        "newer",
        "limit",
    ];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let newer = params.one("newer")?;
        let mut list = ListQuery::from_params(params)?;
        if let Some(cursor) = newer {
            list.end_before(&cursor)?;
        }
        Ok(Self(list))
    }
}

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    frame: Frame,
    form: FilterForm,
    chips: Vec<Chip>,
    /// Which runs the counts and the strip are about, where the list shows fewer.
    about: Option<String>,
    chart: Chart,
    /// The filters in use.
    in_use: Vec<InUse>,
    rows: Vec<Row>,
    /// They come by when they ended.
    by_end: bool,
    /// How many of how many are shown.
    extent: String,
    filtered: bool,
    /// The first page, where another is shown.
    first_page: Option<String>,
    newer_page: Option<String>,
    older_page: Option<String>,
    strip_script: String,
}

/// A run, and the filters that it gives.
struct Row {
    run: Summary,
    kind: Toggle,
    initiator: Option<Toggle>,
    labels: Vec<(Label, Toggle)>,
    /// How many more labels it has than there is room for.
    more_labels: usize,
}

/// What is in the list.
#[derive(Default)]
struct List {
    rows: Vec<Row>,
    by_end: bool,
    newer: Option<String>,
    older: Option<String>,
}

/// `GET /t/{tenant}`.
pub(super) async fn of_tenant(outside: Outside, Path(tenant): Path<String>) -> Response {
    see_other(&outside.base.to(&format!("/t/{tenant}/runs")))
}

/// `GET /t/{tenant}/runs`.
pub(super) async fn page(
    State(state): State<ApiState>,
    visit: Visit<RunsQuery>,
) -> Result<Response, Refusal> {
    let now = Utc::now();
    let mut read = visit.begin(&state).await?;
    let tenant = visit.visitor.caller.tenant.clone();
    let about = (Here::Runs, "Runs".to_owned());
    let frame = Frame::new(&state, &visit.visitor, &mut read, now, about).await?;
    let outside = &visit.visitor.outside;
    let base = outside.base.to(&format!("/t/{tenant}/runs"));
    let links = Links::new(&base, &visit.pairs);
    let kind = links.value("kind");
    let (all, kinds) = counts(read.conn(), &tenant).await?;
    let shown = match kind {
        None => all,
        // Of a kind that nobody has used there are none.
        Some(kind) => kinds
            .iter()
            .find(|counts| counts.kind == kind)
            .map_or_else(StatusCounts::default, |counts| counts.runs),
    };
    let flagged = flagged(read.conn(), &tenant, kind, now).await?;
    let strip = hours(read.conn(), &tenant, kind, now, HOURS).await?;
    let (list, problem) = match &visit.query {
        Ok(RunsQuery(query)) => (rows(&mut read, (&tenant, outside), query, links, now).await?, None),
        Err(problem) => (List::default(), Some(problem)),
    };
    let more = list.older.is_some() || links.is_later_page();
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = RunsPage {
        frame,
        chips: chips(links, shown, flagged),
        about: links.filters_but(&["kind", "status", "liveness", "held", "late"]).then(|| match kind {
            Some(kind) => format!("all runs of the kind {kind}"),
            None => "all runs".to_owned(),
        }),
        chart: Chart::new(links, &strip),
        form: FilterForm::new(links, kinds.into_iter().map(|counts| counts.kind).collect(), problem),
        in_use: in_use(links),
        extent: words::extent(list.rows.len(), in_all(links, shown), more, "run"),
        by_end: list.by_end,
        rows: list.rows,
        filtered: links.filters_but(&[]),
        first_page: links.is_later_page().then(|| links.with(&[], &[])),
        newer_page: list.newer.map(|cursor| links.with(&[], &[("newer", &cursor)])),
        older_page: list.older.map(|cursor| links.with(&[], &[("cursor", &cursor)])),
        strip_script: outside.base.to(assets::strip()),
    };
    Ok((status, html(&page)?).into_response())
}

/// How many runs there are on all pages of the list, where the counts say so.
fn in_all(links: Links<'_>, counts: StatusCounts) -> Option<u64> {
    if links.filters_but(&["kind", "status"]) {
        return None;
    }
    let mut statuses: Vec<_> = links.values("status").filter_map(Status::parse).collect();
    statuses.sort_unstable();
    statuses.dedup();
    Some(if statuses.is_empty() {
        counts.all()
    } else {
        statuses.into_iter().map(|status| counts.of(status)).sum()
    })
}

async fn rows(
    read: &mut TenantRead,
    (tenant, outside): (&domain::TenantId, &Outside),
    query: &ListQuery,
    links: Links<'_>,
    now: DateTime<Utc>,
) -> Result<List, Problem> {
    let page = page_of_runs(read, tenant, query, now).await?.under(&outside.base);
    // A run that failed says why itself; of the others it is their items that failed.
    let wanted = page.runs.iter().filter(|run| run.items.failed > 0 && run.reason_code.is_none());
    let wanted: Vec<_> = wanted.map(|run| run.run_id.uuid()).collect();
    let mut failed = failures::last_of(read.conn(), tenant, &wanted).await?;
    let rows = page.runs.into_iter().map(|run| {
        let failure = failed.remove(&run.run_id.uuid()).map(Failure::from);
        Row::new(Summary::new(&run, failure, now), links)
    });
    Ok(List {
        rows: rows.collect(),
        by_end: query.by == By::Ended,
        newer: page.previous_cursor,
        older: page.next_cursor,
    })
}

impl Row {
    fn new(run: Summary, links: Links<'_>) -> Self {
        let initiator = run.initiator.as_ref();
        let labels = run.labels.iter().map(|label| (label.clone(), links.label_toggled(&label.filter)));
        // Those that are chosen are seen.
        let mut labels: Vec<_> = labels.collect();
        labels.sort_by_key(|(_, toggle)| !toggle.chosen);
        let more_labels = labels.len().saturating_sub(LABELS);
        Self {
            kind: links.toggled("kind", &run.kind),
            initiator: initiator.map(|initiator| links.toggled("initiator", &initiator.id)),
            labels: labels.into_iter().take(LABELS).collect(),
            more_labels,
            run,
        }
    }
}
