//! Starting a run, at most one active for the same work.
//!
//! Every idempotency key has a reservation stream. Its last event names the run that holds the key.
//! Whoever wants to start appends a reservation with an expected revision, so one of them wins, and
//! then `Queued` to the run's own stream. These are two appends and a process may die in between;
//! whoever finds a reservation without `Queued` finishes it. This needs nothing of the log but
//! expected revisions.

use chrono::{DateTime, Utc};
use domain::key::idempotency_key;
use domain::{
    Command, EventBody, Initiator, ItemCount, Kind, Labels, PrincipalId, ProposedEvent, Queued, RunId,
    Status, TenantId, decide,
};
use eventlog::streams::{RESERVED, Reserved, reservation_stream, run_stream};
use eventlog::{AppendError, ExpectedRevision, LogError, NewEvent, Position, StreamAppend};
use redaction::{CleanText, redact_json};
use serde_json::Value;
use uuid::{NoContext, Timestamp, Uuid};

use super::Commands;
use super::append::Step;
use super::error::CommandError;

/// A wish to start a run.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// Whose run.
    pub tenant: TenantId,
    /// Who asks.
    pub actor: PrincipalId,
    /// The kind of operation.
    pub kind: Kind,
    /// Who is told about it.
    pub initiator: Option<Initiator>,
    /// What it works on, as it was sent.
    pub context: Value,
    /// Which arrays of the context have no order, see [`idempotency_key`].
    pub unordered: Vec<String>,
    /// How many items it expects to touch.
    pub items_total: Option<ItemCount>,
    /// To find it by.
    pub labels: Labels,
    /// For people.
    pub title: Option<CleanText>,
}

/// The run that does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Which run.
    pub run: RunId,
    /// Its status.
    pub status: Status,
    /// Whether it was there before.
    pub reused: bool,
    /// Its last revision.
    pub revision: u64,
    /// The position of its last event.
    pub position: Position,
}

impl Commands {
    /// Starts a run, or names the active one that does the same work. Of any number of callers at the
    /// same time exactly one is told that the run is new.
    ///
    /// # Errors
    /// [`CommandError`]. After [`LogError::Unavailable`] the run may have been started; asking again
    /// then names it.
    pub async fn start(&self, request: StartRequest) -> Result<Started, CommandError> {
        let StartRequest {
            tenant,
            actor,
            kind,
            initiator,
            mut context,
            unordered,
            items_total,
            labels,
            title,
        } = request;
        let key = idempotency_key(tenant.as_str(), kind.as_str(), &context, &unordered)?;
        redact_json(&mut context);
        let queued = Queued { kind, initiator, context, idempotency_key: key, items_total, labels, title };
        let queue = Queue { tenant, actor, queued: Box::new(queued) };
        let reservations = reservation_stream(&key);

        for _ in 0..self.tries {
            let last = self.log.last_event(&reservations).await?;
            let expected = match last {
                None => ExpectedRevision::NoStream,
                Some(record) => {
                    let reserved: Reserved = serde_json::from_slice(&record.data).map_err(|error| {
                        LogError::Corrupt(format!("revision {} of {reservations}: {error}", record.revision))
                    })?;
                    match self.holder(&queue, reserved.run_id).await? {
                        Holder::Active(started) => return Ok(started),
                        Holder::Ended => ExpectedRevision::Exact(record.revision),
                        Holder::Moving => continue,
                    }
                }
            };
            let run =
                RunId::new(id_at(self.now())).map_err(|error| CommandError::Internal(error.to_string()))?;
            if !self.reserve(&reservations, expected, run).await? {
                continue;
            }
            if let Holder::Active(started) = self.holder(&queue, run).await? {
                return Ok(started);
            }
        }
        Err(CommandError::Contended)
    }

    /// Takes the key for a run. False when somebody else took it first.
    async fn reserve(
        &self,
        reservations: &str,
        expected: ExpectedRevision,
        run: RunId,
    ) -> Result<bool, CommandError> {
        let internal = |error: serde_json::Error| CommandError::Internal(error.to_string());
        let event = NewEvent {
            id: Uuid::new_v4(),
            event_type: RESERVED.to_owned(),
            data: serde_json::to_vec(&Reserved { run_id: run }).map_err(internal)?,
            metadata: b"{}".to_vec(),
        };
        let append = StreamAppend { stream: reservations.to_owned(), expected, events: vec![event] };
        match self.log.append(vec![append]).await {
            Ok(_) => Ok(true),
            Err(AppendError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at the run that holds the key, as the log has it now, and queues it if nobody has.
    async fn holder(&self, queue: &Queue, run: RunId) -> Result<Holder, CommandError> {
        let stream = run_stream(&queue.tenant, run);
        let slot = self.runs.slot(&stream).await;
        let mut folded = slot.lock().await;
        let looked = async {
            self.runs.catch_up(&stream, &mut folded).await?;
            let mut reused = true;
            if folded.run.revision.is_none() {
                let events = decide(&folded.run, queue.command(run), self.now())
                    .map_err(|rejection| CommandError::Internal(rejection.to_string()))?;
                if let Step::ReadOn = self.append_decided(&stream, &mut folded, &events).await? {
                    return Ok(Holder::Moving);
                }
                reused = false;
            }
            Ok(match (folded.run.status, folded.run.revision) {
                (Some(status), Some(revision)) if status.is_active() => {
                    Holder::Active(Started { run, status, reused, revision, position: folded.position })
                }
                _ => Holder::Ended,
            })
        }
        .await;
        self.runs.settle(&stream, &slot, folded).await;
        looked
    }
}

/// The `Queued` event to be.
struct Queue {
    tenant: TenantId,
    actor: PrincipalId,
    queued: Box<Queued>,
}

impl Queue {
    fn command(&self, run: RunId) -> Command {
        let proposed = ProposedEvent {
            id: Uuid::new_v4(),
            occurred_at: None,
            correlation_id: None,
            causation_id: None,
            body: EventBody::Queued(self.queued.clone()),
        };
        Command {
            tenant: self.tenant.clone(),
            run,
            actor: self.actor.clone(),
            expected_revision: None,
            events: vec![proposed],
        }
    }
}

/// The run that a reservation names.
enum Holder {
    /// It does the work, since now or since before.
    Active(Started),
    /// It has ended; the key is free.
    Ended,
    /// Somebody queued it at this moment; look again.
    Moving,
}

/// A new UUIDv7 of that time: a run's id tells when it was queued, by the ledger's clock.
fn id_at(time: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, time.timestamp_subsec_nanos()))
}
