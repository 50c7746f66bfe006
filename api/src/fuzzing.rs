//! Doors for fuzz targets into what strangers can reach and other crates can't. Each gives the status of the
//! refusal.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::key::IdempotencySecret;
use domain::{Event, EventBody, PrincipalId, ProposedEvent, RunId, TenantId, wire};
use eventlog::fact::{Fact, Unfaithful};
use reads::runs::ListQuery;
use reads::{Params, ReadError, ReadQuery};
use uuid::Uuid;

use crate::body::JsonBody;
use crate::endpoints::{EventsBody, StartBody};
use crate::problem::Problem;

/// The body of `POST .../runs`.
///
/// # Errors
/// The status.
pub fn start_body(body: &[u8]) -> Result<(), u16> {
    read_start(body).map_err(status)
}

/// The body of `POST .../events`; gives how many events it holds.
///
/// # Errors
/// The status.
pub fn events_body(body: &[u8]) -> Result<usize, u16> {
    read_events(body).map_err(status)
}

/// Makes of the bodies of both commands, as far as the handlers take them, the records that the log would be
/// given; gives how many there are.
///
/// # Errors
/// The first that would not be read back as it was decided.
pub fn read_back(body: &[u8]) -> Result<usize, Unfaithful> {
    let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
    let run = RunId::new(Uuid::from_u128(0x0190_f000_0000_7000_8000_0000_0000_0000));
    let (Ok(tenant), Ok(actor), Ok(run)) = ("acme".parse::<TenantId>(), "ann".parse::<PrincipalId>(), run)
    else {
        return Ok(0);
    };
    let mut bodies = Vec::new();
    let secret = IdempotencySecret::from([7; 32]);
    let start = JsonBody::<StartBody>::read(body).and_then(|JsonBody { body, .. }| body.read(None, &secret));
    let queued = start.map(|start| {
        let (request, _) = start.request(tenant.clone(), actor.clone(), None);
        request.key(&secret).map(|key| request.queued(key))
    });
    if let Ok(Ok((queued, _))) = queued {
        bodies.push(vec![ProposedEvent {
            id: Uuid::nil(),
            occurred_at: None,
            correlation_id: None,
            causation_id: None,
            body: EventBody::Queued(Box::new(queued)),
        }]);
    }
    let sent = JsonBody::<EventsBody>::read(body).and_then(|JsonBody { body, .. }| body.read(&secret));
    bodies.extend(sent.map(|(events, _)| events));
    let mut records = 0;
    for proposed in bodies.into_iter().flatten() {
        let event = Event {
            id: proposed.id,
            schema_version: wire::SCHEMA_VERSION,
            tenant: tenant.clone(),
            run,
            revision: 0,
            occurred_at: proposed.occurred_at.unwrap_or(now).trunc_subsecs(6),
            recorded_at: now,
            actor: actor.clone(),
            correlation_id: proposed.correlation_id,
            causation_id: proposed.causation_id,
            origin: None,
            body: proposed.body,
        };
        Fact::Run(&event).record()?;
        records += 1;
    }
    Ok(records)
}

/// The query of `GET .../runs`, without the question mark.
///
/// # Errors
/// The status; 400 as well where it is no query at all.
pub fn run_list(query: &str) -> Result<(), u16> {
    read_run_list(query).map_err(|error| status(error.into()))
}

/// A bearer token by its form.
#[must_use]
pub fn token(text: &str) -> bool {
    access::check(text).is_ok()
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn status(problem: Problem) -> u16 {
    problem.status
}

fn read_start(body: &[u8]) -> Result<(), Problem> {
    let JsonBody { body, .. } = JsonBody::<StartBody>::read(body)?;
    body.read(None, &[7; 32].into()).map(drop)
}

fn read_events(body: &[u8]) -> Result<usize, Problem> {
    let JsonBody { body, .. } = JsonBody::<EventsBody>::read(body)?;
    Ok(body.read(&[7; 32].into())?.0.len())
}

fn read_run_list(query: &str) -> Result<(), ReadError> {
    let mut params = Params::of(Some(query))?;
    ListQuery::from_params(&mut params)?;
    params.end(ListQuery::ALLOWED)
}
