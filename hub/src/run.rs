//! `GET /t/{tenant}/runs/{run}`: one run, as it is or as it was.

use api::ApiState;
use api::problem::Problem;
use api::request::RunInPath;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::TenantId;
use domain::json::Strict;
use reads::Params;
use reads::TenantRead;
use reads::events::{EventsQuery, page_of_events};
use reads::items::ItemsQuery;
use reads::runs::{AsOf, LivenessState, RunReference, RunView, one_run, past_run, revision_as_of};
use reads::{LAST, ReadError, ReadQuery};

use super::frame::{Frame, Here};
use super::items::{self, Items};
use super::linked::{self, LinkedRun};
use super::links::Links;
use super::refusal::{Refusal, html};
use super::summary::{self, Summary};
use super::texts;
use super::timeline::{self, Entry};
use super::visitor::{Visit, Visitor};
use super::words::{self, DisplayTime};

/// How many events the timeline shows at once.
const EVENTS: u64 = 50;

/// What of a run is asked for.
#[derive(Debug)]
pub(super) struct RunQuery {
    /// The run as it was then, or what is wrong with how that was said.
    moment: Result<Option<AsOf>, &'static str>,
    /// The timeline from this revision on backwards.
    events_from: Option<u64>,
    items: ItemsQuery,
}

impl ReadQuery for RunQuery {
    const ALLOWED: &'static [&'static str] =
        &["revision", "at", "events_from", "status", "reason_code", "item", "cursor", "limit"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        // Whatever is said of the moment, all else can be shown.
        let moments =
            [params.number("revision", 0, LAST).map(|n| n.map(AsOf::Revision)), AsOf::take(params, "at")];
        let moment = match moments {
            [Err(_), _] | [_, Err(_)] => Err(texts::WRITE_A_MOMENT),
            [Ok(Some(_)), Ok(Some(_))] => Err(texts::ONE_MOMENT),
            [Ok(revision), Ok(at)] => Ok(revision.or(at)),
        };
        let events_from = params.number("events_from", 0, LAST)?;
        Ok(Self { moment, events_from, items: items::from_params(params)? })
    }
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    frame: Frame,
    /// The filters of the list that the visitor comes from.
    list: String,
    run: Summary,
    facts: Facts,
    /// The revision of the last event that the run has today.
    last_revision: u64,
    /// How it has ended by today.
    ended: Option<&'static str>,
    /// Whether a past revision is shown.
    is_past: bool,
    /// The revision that is shown.
    shown: u64,
    /// Both as people write them.
    shown_text: String,
    last_text: String,
    /// When the ledger took in its event.
    shown_at: DisplayTime,
    /// The time that was asked for.
    as_of: Option<DisplayTime>,
    /// What was typed to ask for a moment, and what is wrong with it.
    moment: String,
    wrong_moment: Option<String>,
    fault: Option<String>,
    items: Items,
    events: Vec<Entry>,
    /// How many of how many are shown.
    events_extent: String,
    events_count: String,
    items_count: Option<String>,
    events_older: Option<String>,
    events_newest: Option<String>,
    events_json: String,
}

/// What else is known of a run.
struct Facts {
    /// Whose event started it, and whose ended it.
    started_by: Option<String>,
    ended_by: Option<String>,
    worker: Option<String>,
    progress_message: Option<String>,
    liveness: Option<Liveness>,
    reason_code: Option<String>,
    message: Option<String>,
    quarantined: Option<String>,
    context: Option<String>,
    idempotency_key: Option<String>,
    /// The runs that it names.
    linked: Vec<LinkedRun>,
    /// The source and the id of the name that its producer gave it.
    reference: Option<RunReference>,
    /// Its counts are the producer's own, and its items may have no names.
    tallied: bool,
    /// How long runs of its kind usually take.
    usual: Option<String>,
    last_event: DisplayTime,
}

/// Signs of life, apart from the status.
struct Liveness {
    text: String,
    stalled: bool,
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
    let base = &visitor.outside.base;
    let today = one_run(&mut read, tenant, run, None).await?.under(base);
    let (query, problem) = match &visit.query {
        Ok(query) => (Some(query), None),
        Err(problem) => (None, Some(problem)),
    };
    let asked = query.map_or(Ok(None), |query| query.moment.map_err(str::to_owned));
    let (past, wrong_moment) = match asked {
        Ok(asked) => then(&mut read, tenant, asked, &today, now).await?,
        Err(wrong) => (None, Some(wrong)),
    };
    let (shown, items_then) = match &past {
        Some(then) => {
            let (shown, items) = past_run(&mut read, tenant, run, then.revision).await?;
            (shown.under(base), Some(items))
        }
        None => (today.clone(), None),
    };
    let about = (Here::Run, shown.title.clone().unwrap_or_else(|| shown.kind.clone()));
    let frame = Frame::new(&state, visitor, &mut read, now, about).await?;
    let href = today.links.view.clone();
    let links = Links::new(&href, &visit.pairs);
    let items_query = query.map(|query| &query.items);
    let mut items =
        Items::new(&mut read, (tenant, &shown), items_query, items_then.as_ref(), links, now).await?;
    let mut fault = None;
    if let Some(problem) = problem {
        if items::is_about(problem) {
            items.fault = Some(items::fault(problem, links));
        } else {
            fault = Some(problem.detail.to_string());
        }
    }
    let from = query.and_then(|query| query.events_from);
    let newest = past.iter().map(|then| then.revision).chain(from).min();
    let (events, events_older) = timeline(&mut read, visitor, &shown, newest, &href).await?;
    let wrong = problem.is_some() || items.fault.is_some() || wrong_moment.is_some();
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    // What was then, not what became of it: a past run has not been running until now.
    let moment = past.as_ref().map_or(now, |then| then.time.unwrap_or(shown.last_event_at));
    // Nor do the filters of the items go away.
    let at_timeline = |more: &[(&str, &str)]| format!("{}#timeline", links.with(&["events_from"], more));
    let page = RunPage {
        frame,
        list: visit.list_before(),
        run: Summary {
            duration: summary::duration(&shown, moment),
            skew: summary::skew(&shown, moment),
            ..Summary::new(&shown, None, now)
        },
        facts: Facts::new(&shown, moment, now),
        last_revision: today.revision,
        ended: (!today.status.is_active()).then(|| words::status(today.status)),
        is_past: past.is_some(),
        as_of: past.and_then(|then| then.time).map(|time| DisplayTime::new(time, now)),
        moment: ["at", "revision"]
            .into_iter()
            .find_map(|name| links.value(name).filter(|_| name == "at" || wrong_moment.is_some()))
            .map(super::compare::shown)
            .unwrap_or_default(),
        wrong_moment,
        shown: shown.revision,
        shown_text: words::number(shown.revision),
        last_text: words::number(today.revision),
        shown_at: DisplayTime::new(shown.last_event_at, now),
        fault,
        items,
        events_extent: words::extent(events.len(), Some(shown.revision + 1), false, "event"),
        events_count: words::number(shown.revision + 1),
        items_count: (!shown.items.tallied)
            .then(|| words::number(shown.items.succeeded + shown.items.failed + shown.items.skipped)),
        events,
        events_older: events_older.map(|from| at_timeline(&[("events_from", &from.to_string())])),
        events_newest: from.map(|_| at_timeline(&[])),
        events_json: shown.links.events.clone(),
    };
    Ok((status, html(&page)?).into_response())
}

/// A past moment of a run.
struct Then {
    revision: u64,
    /// Where a time was asked for.
    time: Option<DateTime<Utc>>,
}

/// The past moment that was asked for, where it is one; or what is wrong with it.
async fn then(
    read: &mut TenantRead,
    tenant: &TenantId,
    asked: Option<AsOf>,
    today: &RunView,
    now: DateTime<Utc>,
) -> Result<(Option<Then>, Option<String>), Problem> {
    Ok(match asked {
        Some(AsOf::Revision(revision)) if revision > today.revision => {
            let [wanted, last] = [revision, today.revision].map(words::number);
            (None, Some(texts::no_such_event(&wanted, &last)))
        }
        Some(AsOf::Revision(revision)) if revision < today.revision => {
            (Some(Then { revision, time: None }), None)
        }
        Some(AsOf::Time(time)) if time <= now => {
            let at = (AsOf::Time(time), today.revision);
            match revision_as_of(read.conn(), tenant, today.run_id, at).await {
                Ok(revision) => (Some(Then { revision, time: Some(time) }), None),
                Err(ReadError::NotFound(_)) => (None, Some(texts::BEFORE_THE_RUN.to_owned())),
                Err(error) => return Err(error.into()),
            }
        }
        // The last event, or a time to come: that is now, and goes on.
        Some(AsOf::Revision(_) | AsOf::Time(_)) | None => (None, None),
    })
}

/// The events, the newest first, and where the older ones begin.
async fn timeline(
    read: &mut TenantRead,
    visitor: &Visitor,
    run: &RunView,
    newest: Option<u64>,
    href: &str,
) -> Result<(Vec<Entry>, Option<u64>), Problem> {
    let query = EventsQuery::newest(newest, EVENTS);
    let page = page_of_events(read, &visitor.caller, run.run_id, &query).await?;
    let last = page.events.last().map(|event| event.revision);
    let older = last.filter(|_| page.next_cursor.is_some()).and_then(|revision| revision.checked_sub(1));
    let names = timeline::names(read, &visitor.caller.tenant, &page.events).await.map_err(ReadError::from)?;
    Ok((timeline::entries(page.events, run, href, &names), older))
}

impl Facts {
    /// What is known of a run as it was at `moment`, told `now`.
    fn new(run: &RunView, moment: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let context = run.context.as_ref().and_then(|context| {
            let Strict(value) = serde_json::from_str(context.get()).ok()?;
            Some(words::json(&value))
        });
        Self {
            started_by: run.started_by.clone(),
            ended_by: run.ended_by.clone(),
            worker: run.worker.clone(),
            progress_message: run.progress_message.clone(),
            liveness: Liveness::of(run, moment),
            reason_code: run.reason_code.clone(),
            message: run.message.clone(),
            quarantined: run.held.as_ref().map(|first| {
                format!(
                    "{}: event {} ({}). This page shows the run as it was before that; the log has all of it.",
                    texts::OUT_OF_DATE,
                    words::number(first.revision),
                    first.message
                )
            }),
            context: context.filter(|context| context != "{}"),
            idempotency_key: run.idempotency_key.clone(),
            linked: linked::named(run),
            reference: run.reference.clone(),
            tallied: run.items.tallied,
            last_event: DisplayTime::new(run.last_event_at, now),
            usual: summary::usual(run),
        }
    }
}

impl Liveness {
    /// How it was at `moment`.
    fn of(run: &RunView, moment: DateTime<Utc>) -> Option<Self> {
        let liveness = run.liveness?;
        let text = match (liveness.state, run.heartbeat_seconds) {
            (LivenessState::Stalled, _) => summary::stalled(run, moment)?,
            (LivenessState::Alive, Some(seconds)) => format!("alive, heartbeat expected every {seconds} s"),
            (LivenessState::Alive, None) => "alive".to_owned(),
            (LivenessState::Unwatched, _) => "no heartbeat expected".to_owned(),
            (LivenessState::Waiting, _) => {
                let due = liveness.due_at.map(|due| DisplayTime::new(due, moment));
                let due = due.map(|due| format!("{}, {}", due.full, due.ago)).unwrap_or_default();
                format!("waiting for a worker, at most until {due}")
            }
        };
        Some(Self { text, stalled: liveness.state == LivenessState::Stalled })
    }
}
