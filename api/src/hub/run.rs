//! `GET /t/{tenant}/runs/{run}`: one run, as it is or as it was.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::{Outcome, RunId, TenantId};

use super::frame::{Frame, Here};
use super::refusal::{Refusal, html};
use super::summary::{self, Summary};
use super::timeline::Entry;
use super::visitor::{Visit, Visitor};
use super::words::{self, Moment};
use crate::problem::Problem;
use crate::reads::asked::{AskedQuery, RunInPath};
use crate::reads::events::{EventsQuery, page_of_events};
use crate::reads::items::{ItemView, ItemsQuery, page_of_items};
use crate::reads::params::Params;
use crate::reads::runs::{LivenessState, Moment as AsOf, RunView, one_run};
use crate::reads::{TenantRead, failures};
use crate::state::ApiState;

/// How many events the timeline shows at once.
const EVENTS: u64 = 50;

/// What of a run is asked for.
#[derive(Debug)]
pub(super) struct RunQuery {
    /// The run as it was after this event.
    revision: Option<u64>,
    /// The timeline from this revision on backwards.
    events_from: Option<u64>,
    items: ItemsQuery,
}

impl AskedQuery for RunQuery {
    const ALLOWED: &'static [&'static str] =
        &["revision", "events_from", "status", "reason_code", "item", "cursor", "limit"];

    fn take(params: &mut Params) -> Result<Self, Problem> {
        let revision = params.number("revision", 0, i64::MAX as u64)?;
        let events_from = params.number("events_from", 0, i64::MAX as u64)?;
        Ok(Self { revision, events_from, items: ItemsQuery::take(params)? })
    }
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    frame: Frame,
    run: Summary,
    facts: Facts,
    /// The revision of the last event that the run has today.
    last_revision: u64,
    /// The revision that is shown, where it is a past one.
    past: Option<u64>,
    /// The revision that is shown.
    shown: u64,
    fault: Option<String>,
    groups: Vec<Group>,
    items: Vec<Item>,
    items_form: ItemsForm,
    items_next: Option<String>,
    items_first: Option<String>,
    events: Vec<Entry>,
    events_older: Option<String>,
    events_newest: Option<String>,
    events_json: String,
}

/// What else is known of a run.
struct Facts {
    initiator: Option<String>,
    worker: Option<String>,
    progress_message: Option<String>,
    liveness: Option<Liveness>,
    reason_code: Option<String>,
    message: Option<String>,
    held: Option<String>,
    context: Option<String>,
    idempotency_key: String,
    last_event: Moment,
}

/// Signs of life, apart from the status.
struct Liveness {
    text: String,
    stalled: bool,
}

/// Failed items with one reason.
struct Group {
    reason_code: String,
    items: String,
    href: String,
    chosen: bool,
}

/// An item.
struct Item {
    name: String,
    label: Option<String>,
    class: &'static str,
    outcome: &'static str,
    reason_code: Option<String>,
    message: Option<String>,
    occurred: Moment,
    revision: u64,
}

/// The filters of the items, as they were asked for.
#[derive(Default)]
struct ItemsForm {
    status: String,
    reason_code: String,
    item: String,
    filtered: bool,
}

/// `GET /t/{tenant}/runs/{run}`.
pub(super) async fn page(
    State(state): State<ApiState>,
    visit: Visit<RunQuery>,
    run: Result<RunInPath, Problem>,
) -> Result<Response, Refusal> {
    let RunInPath(run) = run?;
    let now = Utc::now();
    let mut read = visit.begin(&state).await?;
    let visitor = &visit.visitor;
    let tenant = &visitor.caller.tenant;
    let today = one_run(&mut read, tenant, run, None).await?;
    let (query, fault) = match &visit.query {
        Ok(query) => (Some(query), None),
        Err(problem) => (None, Some(problem.detail.to_string())),
    };
    let past = query.and_then(|query| query.revision).filter(|revision| *revision < today.revision);
    let shown = match past {
        Some(revision) => one_run(&mut read, tenant, run, Some(AsOf::Revision(revision))).await?,
        None => today.clone(),
    };
    let about = (Here::Run, shown.title.clone().unwrap_or_else(|| shown.kind.clone()));
    let frame = Frame::new(&state, visitor, &mut read, now, about).await?;
    let href = today.links.view.clone();
    // Items are kept as they last were: for a past moment there is the timeline.
    let listed = match (past, query) {
        (None, Some(query)) => items(&mut read, tenant, run, query, &visit.pairs, &href, now).await?,
        _ => Items::default(),
    };
    let from = query.and_then(|query| query.events_from);
    let newest = past.into_iter().chain(from).min();
    let (events, events_older) = timeline(&mut read, visitor, run, newest, &href, now).await?;
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    // What was then, not what became of it: a past run has not been running until now.
    let moment = past.map_or(now, |_| shown.last_event_at);
    let page = RunPage {
        frame,
        run: Summary { duration: summary::duration(&shown, moment), ..Summary::new(&shown, None, now) },
        facts: Facts::new(&shown, now),
        last_revision: today.revision,
        past,
        shown: shown.revision,
        fault,
        groups: listed.groups,
        items: listed.items,
        items_form: ItemsForm::new(&visit.pairs),
        items_next: listed.next,
        items_first: listed.first,
        events,
        events_older: events_older.map(|from| match past {
            Some(past) => format!("{href}?revision={past}&events_from={from}#timeline"),
            None => format!("{href}?events_from={from}#timeline"),
        }),
        events_newest: from.map(|_| match past {
            Some(past) => format!("{href}?revision={past}#timeline"),
            None => format!("{href}#timeline"),
        }),
        events_json: shown.links.events.clone(),
    };
    Ok((status, html(&page)?).into_response())
}

/// What is shown of the items.
#[derive(Default)]
struct Items {
    groups: Vec<Group>,
    items: Vec<Item>,
    next: Option<String>,
    first: Option<String>,
}

async fn items(
    read: &mut TenantRead,
    tenant: &TenantId,
    run: RunId,
    query: &RunQuery,
    pairs: &[(String, String)],
    href: &str,
    now: DateTime<Utc>,
) -> Result<Items, Problem> {
    let page = page_of_items(read, tenant, run, &query.items).await?;
    let chosen = pairs.iter().find(|(name, _)| name == "reason_code").map(|(_, value)| value.as_str());
    let groups = failures::groups(read.conn(), tenant, run).await?.into_iter().map(|group| {
        let code = group.reason_code.unwrap_or_default();
        Group {
            items: words::number(group.items),
            href: format!("{href}{}#items", words::query([("reason_code", code.as_str())])),
            chosen: chosen == Some(code.as_str()),
            reason_code: code,
        }
    });
    let kept = |more: Option<&str>| {
        let kept = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = kept.filter(|(name, _)| *name != "cursor" && *name != "events_from");
        format!("{href}{}#items", words::query(kept.chain(more.map(|cursor| ("cursor", cursor)))))
    };
    Ok(Items {
        groups: groups.collect(),
        items: page.items.into_iter().map(|item| Item::new(item, now)).collect(),
        next: page.next_cursor.map(|cursor| kept(Some(&cursor))),
        first: pairs.iter().any(|(name, _)| name == "cursor").then(|| kept(None)),
    })
}

/// The events, the newest first, and where the older ones begin.
async fn timeline(
    read: &mut TenantRead,
    visitor: &Visitor,
    run: RunId,
    newest: Option<u64>,
    href: &str,
    now: DateTime<Utc>,
) -> Result<(Vec<Entry>, Option<u64>), Problem> {
    let page = page_of_events(read, &visitor.caller, run, &EventsQuery::newest(newest, EVENTS)).await?;
    let last = page.events.last().map(|event| event.revision);
    let older = last.filter(|_| page.next_cursor.is_some()).and_then(|revision| revision.checked_sub(1));
    Ok((page.events.into_iter().map(|event| Entry::new(event, href, now)).collect(), older))
}

impl Facts {
    fn new(run: &RunView, now: DateTime<Utc>) -> Self {
        let context = run.context.as_ref().and_then(|context| {
            let value: serde_json::Value = serde_json::from_str(context.get()).ok()?;
            Some(words::json(&value))
        });
        Self {
            initiator: run.initiator.as_ref().map(|initiator| match &initiator.name {
                Some(name) => format!("{name} ({})", initiator.id),
                None => initiator.id.clone(),
            }),
            worker: run.worker.clone(),
            progress_message: run.progress_message.clone(),
            liveness: Liveness::of(run, now),
            reason_code: run.reason_code.clone(),
            message: run.message.clone(),
            held: run.held.as_ref().map(|held| {
                format!(
                    "The projection could not take in the event of revision {} ({}). What is shown is the run \
                     before it; the log has all of it.",
                    held.revision, held.message
                )
            }),
            context: context.filter(|context| context != "{}"),
            idempotency_key: run.idempotency_key.clone(),
            last_event: Moment::new(run.last_event_at, now),
        }
    }
}

impl Liveness {
    fn of(run: &RunView, now: DateTime<Utc>) -> Option<Self> {
        let liveness = run.liveness?;
        let text = match (liveness.state, run.heartbeat_seconds) {
            (LivenessState::Stalled, _) => summary::stalled(run, now)?,
            (LivenessState::Alive, Some(seconds)) => format!("alive, promised every {seconds} s"),
            (LivenessState::Alive, None) => "alive".to_owned(),
            (LivenessState::Unwatched, _) => "no sign of life was promised".to_owned(),
            (LivenessState::Waiting, _) => {
                let due = liveness.due_at.map(|due| Moment::new(due, now).ago);
                format!("waiting, to be started {}", due.unwrap_or_default())
            }
        };
        Some(Self { text, stalled: liveness.state == LivenessState::Stalled })
    }
}

impl Item {
    fn new(item: ItemView, now: DateTime<Utc>) -> Self {
        Self {
            name: item.item,
            label: item.label,
            class: item.status.as_str(),
            outcome: match item.status {
                Outcome::Failed => "Failed",
                Outcome::Skipped => "Skipped",
                Outcome::Succeeded => "Succeeded",
            },
            reason_code: item.reason_code,
            message: item.message,
            occurred: Moment::new(item.occurred_at, now),
            revision: item.revision,
        }
    }
}

impl ItemsForm {
    fn new(pairs: &[(String, String)]) -> Self {
        let value = |name: &str| {
            pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let (status, reason_code, item) = (value("status"), value("reason_code"), value("item"));
        let filtered = !(status.is_empty() && reason_code.is_empty() && item.is_empty());
        Self { status, reason_code, item, filtered }
    }
}
