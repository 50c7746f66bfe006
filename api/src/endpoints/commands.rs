//! The HTTP face of the commands.

use access::Caller;
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{ETAG, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use commands::{AppendRequest, Changed, CommandError, EventResult, Opening};
use domain::Origin;
use eventlog::Position;
use reads::forms;
use reads::notifications::told_at;
use reads::runs::{RunLinks, RunReference, RunStatus};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::parse::{EventsBody, StartBody};
use super::sealed::{SealAnswer, UntilSealed, Waiting};
use crate::aside::aside;
use crate::body::JsonBody;
use crate::etag::if_match;
use crate::extract::{Producer, Viewer, path_param};
use crate::idempotency_key;
use crate::observe::ThisRequest;
use crate::outside::Outside;
use crate::preconditions;
use crate::problem::Problem;
use crate::request::{PreconditionsMet, RunInPath};
use crate::state::ApiState;
use chrono::{DateTime, Utc};

/// The routes of the commands.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(start_run))
        .routes(routes!(append_events))
        .routes(routes!(read_notification))
}

/// The run that does the work.
#[derive(Debug, Serialize, ToSchema)]
struct StartAnswer {
    /// Which run.
    run_id: Uuid,
    /// Its status.
    #[schema(value_type = RunStatus)]
    status: &'static str,
    /// Whether another start has made it: this one was not taken in, and neither were its events.
    reused: bool,
    /// Whether this very start has made it before: it is a repeat, known by its reference or its event id. Then
    /// `reused` is false, as it was the first time.
    repeated: bool,
    /// Who has started it, when, and under which title.
    queued: QueuedAnswer,
    /// One entry for each event that was sent with the start, in the same order; none where the run is reused.
    events: Vec<EventAnswer>,
    /// Its last revision.
    #[schema(value_type = forms::Revision)]
    revision: u64,
    /// The position of its last event: read with `?after=` it to see it.
    #[schema(value_type = forms::Position)]
    position: u64,
    /// The epoch of the ledger that the position is of.
    #[schema(value_type = forms::Epoch)]
    epoch: u64,
    /// Which texts of the request are kept otherwise than they were sent, the first 100: nothing where the run
    /// was there before, of which nothing was changed.
    changed: Vec<Changed>,
    /// How many further texts that is true of.
    #[serde(skip_serializing_if = "is_zero")]
    changed_not_named: u64,
    links: Links,
    /// With `wait=sealed`: what proves that it was queued, and the events of the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<SealAnswer>,
}

/// How a run was started.
#[derive(Debug, Serialize, ToSchema)]
struct QueuedAnswer {
    /// The principal whose request has started it.
    #[schema(value_type = forms::PrincipalId)]
    by: String,
    /// When the ledger took it in.
    at: DateTime<Utc>,
    /// Under which title.
    #[schema(value_type = Option<forms::ShownText>)]
    title: Option<String>,
    /// Under which reference.
    #[serde(rename = "ref")]
    reference: Option<RunReference>,
}

impl From<&Opening> for QueuedAnswer {
    fn from(opening: &Opening) -> Self {
        Self {
            by: opening.by.as_str().to_owned(),
            at: opening.at,
            title: opening.title.as_ref().map(|title| title.as_str().to_owned()),
            reference: opening.reference.as_ref().map(RunReference::from),
        }
    }
}

/// Where a run is found.
#[derive(Debug, Serialize, ToSchema)]
struct Links {
    /// For programs.
    #[serde(rename = "self")]
    this: String,
    /// For people.
    view: String,
}

/// Starts a run, or names the run of its reference, or the active run that does the same work.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/runs",
    tag = "runs",
    params(
        ("Idempotency-Key" = Option<forms::IdempotencyHeader>, Header,
         description = "Short for ref: its source is the caller's principal, its id the key. In quotes, or bare"),
        ("wait" = Option<forms::WaitFor>, Query, description = "Answer when the run's first event and those of the start are sealed, with their receipts"),
        ("timeout" = Option<forms::WaitSeconds>, Query, description = "With wait: for so many seconds at most, usually 20. Then the answer comes without receipt"),
    ),
    request_body = StartBody,
    responses(
        (status = 201, description = "The run is new, or this very start has made it before", body = StartAnswer),
        (status = 200, description = "Another start has made the run that does this work, or that the reference names", body = StartAnswer),
        (status = 409, description = "The reference, or the event id, is of a start that says something else. With wait: the ledger seals nothing. Nothing was done", body = Problem),
        (status = 412, description = "The ledger was restored since", body = Problem),
    )
)]
async fn start_run(
    State(state): State<ApiState>,
    outside: Outside,
    Producer(caller): Producer,
    wait: UntilSealed,
    ThisRequest(request_id): ThisRequest,
    headers: HeaderMap,
    JsonBody { body, bytes }: JsonBody<StartBody>,
) -> Result<Response, Problem> {
    let reference = idempotency_key::of(&headers, &caller.principal)?;
    let origin = Origin::Request { token_id: caller.token_id, request_id };
    let waiting = wait.begin(&state, caller.token_id).await?;
    let Caller { tenant, principal, .. } = caller;
    let (commands, of_tenant) = (state.commands.clone(), tenant.clone());
    let prepared = aside(bytes, move || {
        let (request, changes) =
            body.read(reference, commands.secret())?.request(of_tenant, principal, Some(origin));
        Ok::<_, Problem>((commands.prepare(request)?, changes))
    });
    let (prepared, mut changes) = prepared.await??;
    let started = state.commands.start_prepared(prepared).await?;
    state.freshness.note_appended(started.position);
    let RunLinks { this, view, .. } = RunLinks::new(tenant.as_str(), started.run).under(&outside.base);
    let location = header(&this)?;
    let revisions: Vec<u64> =
        std::iter::once(0).chain(started.events.iter().map(|event| event.revision)).collect();
    let seal = Waiting::receipts(waiting, &state, (&tenant, started.run), &revisions).await;
    changes.extend(started.changes);
    let (changed, changed_not_named) = match started.reused {
        true => Default::default(),
        false => changes.into_parts(),
    };
    let answer = StartAnswer {
        run_id: started.run.uuid(),
        status: started.status.as_str(),
        reused: started.reused,
        repeated: started.repeated,
        queued: QueuedAnswer::from(&*started.opening),
        events: started.events.iter().map(EventAnswer::of).collect(),
        revision: started.revision,
        position: started.position.0,
        epoch: state.freshness.ledger().epoch,
        changed,
        changed_not_named,
        links: Links { view, this },
        seal,
    };
    let status = if started.reused { StatusCode::OK } else { StatusCode::CREATED };
    Ok(marked(&state, started.position, (status, [(LOCATION, location)], Json(answer))))
}

/// Where the run is after an append.
#[derive(Debug, Serialize, ToSchema)]
struct AppendAnswer {
    /// Which run.
    run_id: Uuid,
    /// Its last revision.
    #[schema(value_type = forms::Revision)]
    revision: u64,
    /// A position at which all of the events can be seen: read with `?after=` it.
    #[schema(value_type = forms::Position)]
    position: u64,
    /// The epoch of the ledger that the position is of.
    #[schema(value_type = forms::Epoch)]
    epoch: u64,
    /// Its status.
    #[schema(value_type = RunStatus)]
    status: &'static str,
    /// One entry for each event that was sent, in the same order.
    events: Vec<EventAnswer>,
    /// Which texts of the request are kept otherwise than they were sent, the first 100.
    changed: Vec<Changed>,
    /// How many further texts that is true of.
    #[serde(skip_serializing_if = "is_zero")]
    changed_not_named: u64,
    /// With `wait=sealed`: what proves each event.
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<SealAnswer>,
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
struct EventAnswer {
    /// Its id.
    id: Uuid,
    /// Where it is in the run.
    #[schema(value_type = forms::Revision)]
    revision: u64,
    /// `created`, or `duplicate` when it was there already.
    #[schema(value_type = forms::EventResult)]
    result: &'static str,
}

impl EventAnswer {
    fn of(event: &EventResult) -> Self {
        let result = if event.created { "created" } else { "duplicate" };
        Self { id: event.id, revision: event.revision, result }
    }
}

/// Appends events to a run, all or none.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/runs/{run}/events",
    tag = "runs",
    params(
        ("If-Match" = Option<forms::IfMatch>, Header,
         description = "The revisions of which the run must be at one, each in quotes, or *"),
        ("wait" = Option<forms::WaitFor>, Query, description = "Answer when the events are sealed, with a receipt for each"),
        ("timeout" = Option<forms::WaitSeconds>, Query, description = "With wait: for so many seconds at most, usually 20. Then the answer comes without receipts"),
    ),
    request_body = EventsBody,
    responses(
        (status = 200, description = "All of it is in the run", body = AppendAnswer),
        (status = 409, description = "Not possible in the run's status; with wait also where the ledger seals nothing", body = Problem),
        (status = 412, description = "The run is at another revision, or the ledger was restored since", body = Problem),
    )
)]
async fn append_events(
    State(state): State<ApiState>,
    Producer(caller): Producer,
    wait: UntilSealed,
    RunInPath(run): RunInPath,
    ThisRequest(request_id): ThisRequest,
    headers: HeaderMap,
    JsonBody { body, bytes }: JsonBody<EventsBody>,
) -> Result<Response, Problem> {
    let expected_revision = if_match(&headers)?;
    let waiting = wait.begin(&state, caller.token_id).await?;
    let secret = state.commands.secret().clone();
    let (events, changes) = aside(bytes, move || body.read(&secret)).await??;
    let tenant = caller.tenant.clone();
    let request = AppendRequest {
        tenant: caller.tenant,
        run,
        actor: caller.principal,
        origin: Some(Origin::Request { token_id: caller.token_id, request_id }),
        expected_revision,
        events,
    };
    let appended = state.commands.append(request).await?;
    state.freshness.note_appended(appended.position);
    let etag = header(&format!("\"{}\"", appended.revision))?;
    let revisions: Vec<u64> = appended.events.iter().map(|event| event.revision).collect();
    let seal = Waiting::receipts(waiting, &state, (&tenant, run), &revisions).await;
    let events = appended.events.iter().map(EventAnswer::of);
    let (changed, changed_not_named) = changes.into_parts();
    let answer = AppendAnswer {
        run_id: run.uuid(),
        revision: appended.revision,
        position: appended.position.0,
        epoch: state.freshness.ledger().epoch,
        status: appended.status.as_str(),
        events: events.collect(),
        changed,
        changed_not_named,
        seal,
    };
    Ok(marked(&state, appended.position, ([(ETAG, etag)], Json(answer))))
}

/// A notification that has been read.
#[derive(Debug, Serialize, ToSchema)]
struct ReadAnswer {
    /// Which notification.
    notification_id: Uuid,
    /// Always true.
    read: bool,
    /// Where in the log it is recorded.
    #[schema(value_type = forms::Position)]
    position: u64,
    /// The epoch of the ledger that the position is of.
    #[schema(value_type = forms::Epoch)]
    epoch: u64,
}

/// Records that the caller has read one of its notifications.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/notifications/{id}/read",
    tag = "notifications",
    params(
        ("id" = Uuid, Path, description = "The notification"),
    ),
    responses(
        (status = 200, description = "It is read, now or since before", body = ReadAnswer),
    )
)]
async fn read_notification(
    State(state): State<ApiState>,
    Viewer(caller): Viewer,
    _: PreconditionsMet,
    NotificationInPath(id): NotificationInPath,
    this: ThisRequest,
) -> Result<Response, Problem> {
    let position = mark_read(&state, caller, id, this).await?;
    let epoch = state.freshness.ledger().epoch;
    let answer = Json(ReadAnswer { notification_id: id, read: true, position: position.0, epoch });
    Ok(marked(&state, position, answer))
}

/// Marks one of the caller's own notifications as read. Answers the position at which that is recorded.
///
/// # Errors
/// 404 when the caller has no such notification, 503 when it can't be done at the moment.
pub async fn mark_read(
    state: &ApiState,
    caller: Caller,
    id: Uuid,
    ThisRequest(request_id): ThisRequest,
) -> Result<Position, Problem> {
    let mut read = state.reads.begin(&caller.tenant).await?;
    let told_at = told_at(read.conn(), &caller.tenant, &caller.principal, id).await?;
    let told_at = told_at.ok_or(CommandError::NoNotification)?;
    // Gives the connection back before the log is asked.
    drop(read);
    let origin = Origin::Request { token_id: caller.token_id, request_id };
    let read = state.commands.read_notification(caller.tenant, caller.principal, id, told_at, Some(&origin));
    let position = read.await?;
    state.freshness.note_appended(position);
    Ok(position)
}

/// The notification in the path. What is no UUID names none: 404.
struct NotificationInPath(Uuid);

impl FromRequestParts<ApiState> for NotificationInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let text = path_param(parts, state, "id").await?;
        text.parse().map(Self).map_err(|_| CommandError::NoNotification.into())
    }
}

/// An answer that tells a position, marked with the ledger and the epoch that it is of.
pub(super) fn marked(state: &ApiState, position: Position, answer: impl IntoResponse) -> Response {
    let mut answer = answer.into_response();
    preconditions::mark(state.freshness.ledger(), answer.headers_mut(), position);
    answer
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn header(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|error| Problem::internal(&error))
}
