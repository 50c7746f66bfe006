//! `GET /t/{tenant}/runs/{run}/difference`: what became of a run between two moments.

mod points;
mod standing;

use api::ApiState;
use api::problem::Problem;
use api::request::RunInPath;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use domain::Outcome;
use reads::difference::{Difference, DifferenceQuery, ItemChange, difference};
use reads::items::OutcomeView;
use reads::runs::{RunView, one_run};
use reads::{Params, ReadError, ReadQuery};

use super::frame::{Frame, Here};
use super::links::{Links, Toggle};
use super::refusal::{Refusal, html};
use super::texts;
use super::visitor::Visit;
use super::words;
pub(super) use points::shown;
use points::{Form, Landmark, Point, Way, landmarks, ways};
use standing::{Fact, Value};

/// Two moments of a run; without the first from the beginning on.
#[derive(Debug)]
pub(super) struct CompareQuery(DifferenceQuery);

impl ReadQuery for CompareQuery {
    const ALLOWED: &'static [&'static str] = DifferenceQuery::ALLOWED;

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        if !params.has("from") {
            params.add("from", "0");
        }
        DifferenceQuery::from_params(params).map(Self)
    }
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    frame: Frame,
    /// The filters of the list that the visitor comes from.
    list: String,
    title: String,
    kind: String,
    /// The run's own page.
    run: String,
    /// The run that is followed: where its second moment is now.
    follow: Option<String>,
    form: Form,
    landmarks: Vec<Landmark>,
    ways: Vec<Way>,
    shown: Option<Shown>,
}

/// What became of the run.
struct Shown {
    from: Point,
    to: Point,
    /// How many events lie between the two, in how much time.
    span: String,
    facts: Vec<Fact>,
    /// How many items have come to what, and the list of these alone.
    chips: Vec<Chip>,
    /// All that have come to something else.
    all: Option<Toggle>,
    items: Vec<Change>,
    /// What the list is of, in words.
    listed: &'static str,
    next: Option<String>,
    first: Option<String>,
}

/// Items that have come to the same.
struct Chip {
    class: &'static str,
    text: String,
    toggle: Toggle,
}

/// An item that has come to something else.
struct Change {
    name: String,
    label: Option<String>,
    unknown: Option<String>,
    from: Option<Stood>,
    to: Stood,
}

/// What an item had come to.
struct Stood {
    class: &'static str,
    name: &'static str,
    reason_code: Option<String>,
    /// The event that said so.
    revision: u64,
    href: String,
}

/// `GET /t/{tenant}/runs/{run}/difference`.
pub(super) async fn page(
    State(state): State<ApiState>,
    visit: Visit<CompareQuery>,
    run: Result<RunInPath, Problem>,
) -> Result<Response, Refusal> {
    let RunInPath(run) = run?;
    let now = Utc::now();
    let mut read = visit.begin(&state).await?;
    let visitor = &visit.visitor;
    let (tenant, base) = (&visitor.caller.tenant, &visitor.outside.base);
    let today = one_run(&mut read, tenant, run, None).await?.under(base);
    let href = today.links.view.clone();
    let here = format!("{href}/difference");
    let links = Links::new(&here, &visit.pairs);
    let (found, problem) = match &visit.query {
        Ok(CompareQuery(query)) => match difference(&mut read, tenant, run, query).await {
            Ok(found) => (Some(found), None),
            // The run is there, and one of the moments is not: that is said at the form.
            Err(error @ (ReadError::NotFound(_) | ReadError::Invalid { .. })) => {
                (None, Some(Problem::from(error)))
            }
            Err(error) => return Err(error.into()),
        },
        Err(problem) => (None, Some(problem.clone())),
    };
    let landmarks = landmarks(&mut read, visitor, &today).await?;
    let title = today.title.clone().unwrap_or_else(|| today.kind.clone());
    let frame =
        Frame::new(&state, visitor, &mut read, now, (Here::Run, format!("What changed: {title}"))).await?;
    let revisions = found.as_ref().map(|found| (found.from.revision, found.to.revision));
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = ComparePage {
        frame,
        list: visit.list_before(),
        title,
        kind: today.kind.clone(),
        follow: links.value("to").is_none().then(|| today.run_id.to_string()),
        form: Form::new(links, problem.as_ref()),
        landmarks,
        ways: ways(&here, revisions, today.revision),
        shown: found.map(|found| Shown::new(found, &today, links, &href)),
        run: href,
    };
    Ok((status, html(&page)?).into_response())
}

impl Shown {
    fn new(found: Difference, today: &RunView, links: Links<'_>, href: &str) -> Self {
        let Difference { from, to, changed, items, next_cursor, .. } = found;
        let took = words::span(to.last_event_at - from.last_event_at);
        let span = match to.revision - from.revision {
            0 => "Both are the same event: nothing lies between them.".to_owned(),
            n => format!("{}, in {took}", words::counted(n, "event")),
        };
        let chosen = links.value("status");
        let counts = [
            (Outcome::Failed, changed.failed),
            (Outcome::Skipped, changed.skipped),
            (Outcome::Succeeded, changed.succeeded),
        ];
        let chip = |(outcome, n): (Outcome, u64)| {
            let (class, name) = (outcome.as_str(), outcome_name(outcome).to_lowercase());
            let text = format!("{} {name}", words::counted(n, "item"));
            (n > 0 || chosen == Some(class)).then(|| Chip {
                class,
                text,
                toggle: links.toggled("status", class),
            })
        };
        Self {
            span,
            facts: standing::facts(&from, &to),
            chips: counts.into_iter().filter_map(chip).collect(),
            all: chosen.map(|_| Toggle { href: links.with(&["status"], &[]), chosen: false }),
            items: items.into_iter().map(|item| Change::new(item, href)).collect(),
            listed: match chosen {
                Some("failed") => "Items that failed",
                Some("skipped") => "Items that were skipped",
                Some("succeeded") => "Items that succeeded",
                _ => "Items whose outcome changed",
            },
            next: next_cursor.map(|cursor| format!("{}#items", links.with(&[], &[("cursor", &cursor)]))),
            first: links.is_later_page().then(|| format!("{}#items", links.with(&[], &[]))),
            from: Point::new(&from, today, href),
            to: Point::new(&to, today, href),
        }
    }
}

impl Change {
    fn new(item: ItemChange, href: &str) -> Self {
        let (label, unknown) = words::known_as(item.label, item.namespace, item.name);
        Self {
            name: item.item,
            label,
            unknown,
            from: item.from.map(|from| Stood::new(from, href)),
            to: Stood::new(item.to, href),
        }
    }
}

impl Stood {
    fn new(outcome: OutcomeView, href: &str) -> Self {
        Self {
            class: outcome.status.as_str(),
            name: outcome_name(outcome.status),
            reason_code: outcome.reason_code,
            href: format!("{href}?revision={}&events_from={0}#timeline", outcome.revision),
            revision: outcome.revision,
        }
    }
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed => "Failed",
        Outcome::Skipped => "Skipped",
        Outcome::Succeeded => "Succeeded",
    }
}
