//! Starting a run, at most one active for the same work.
//!
//! Every idempotency key has a reservation stream. Its last event names the run that holds the key.
//! A start appends a reservation with an expected revision, so one of several wins, and then `Queued`
//! to the run's own stream. These are two appends and a process may die in between; a start that
//! finds a reservation without `Queued` finishes that one. This needs nothing of the log but
//! expected revisions.

use chrono::{DateTime, Utc};
use domain::key::{IdempotencyKey, IdempotencySecret, KeyError, idempotency_key, unkeyed};
use domain::{
    Command, EventBody, Initiator, ItemCount, Kind, Labels, Origin, PrincipalId, ProposedEvent, Queued,
    RunId, Status, TenantId, decide,
};
use eventlog::fact::Fact;
use eventlog::streams::{Reserved, reservation_stream, reserved, run_stream};
use eventlog::{AppendError, ExpectedRevision, Position, RecordedEvent};
use redaction::{CleanText, redact_json};
use serde_json::Value;
use uuid::{NoContext, Timestamp, Uuid};

use super::Commands;
use super::append::Step;
use super::changed::Changes;
use super::error::CommandError;

/// A wish to start a run.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// Whose run.
    pub tenant: TenantId,
    /// The caller's principal.
    pub actor: PrincipalId,
    /// What brings the wish.
    pub origin: Option<Origin>,
    /// The kind of operation.
    pub kind: Kind,
    /// The principal that is told about it.
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

impl StartRequest {
    /// The key of the work.
    ///
    /// # Errors
    /// When none can be made of the context.
    pub fn key(&self, secret: &IdempotencySecret) -> Result<IdempotencyKey, KeyError> {
        idempotency_key(secret, self.tenant.as_str(), self.kind.as_str(), &self.context, &self.unordered)
    }

    /// The key that the work had before ledgers had a secret.
    fn unkeyed(&self) -> Result<IdempotencyKey, KeyError> {
        unkeyed(self.tenant.as_str(), self.kind.as_str(), &self.context, &self.unordered)
    }

    /// What `Queued` says of it, and what of the context is kept otherwise than it was sent.
    #[must_use]
    pub fn queued(self, key: IdempotencyKey) -> (Queued, Changes) {
        let Self { kind, initiator, context: sent, items_total, labels, title, .. } = self;
        let mut context = sent.clone();
        redact_json(&mut context);
        let mut changes = Changes::default();
        changes.compare("/context", &sent, &context);
        (Queued { kind, initiator, context, idempotency_key: Some(key), items_total, labels, title }, changes)
    }
}

/// The run that does the work.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// What of the context is kept otherwise than it was sent; nothing where the run was there before.
    pub changes: Changes,
}

impl Started {
    /// The same, with what became of the context of a run that is new.
    fn telling(self, changes: Changes) -> Self {
        if self.reused { self } else { Self { changes, ..self } }
    }
}

/// A start that waits only for the log: see [`Commands::prepare`].
#[derive(Debug)]
pub struct PreparedStart {
    queue: Queue,
    /// The stream of the work's key.
    reservations: String,
    /// The stream of the key that it had before ledgers had a secret, where there may be one.
    unkeyed: Option<String>,
    changes: Changes,
}

impl Commands {
    /// Starts a run, or names the active one that does the same work. Of any number of callers at the
    /// same time exactly one is told that the run is new.
    ///
    /// # Errors
    /// [`CommandError`]. After [`LogError::Unavailable`](eventlog::LogError::Unavailable) the run may have been
    /// started; asking again then names it.
    pub async fn start(&self, request: StartRequest) -> Result<Started, CommandError> {
        self.start_prepared(self.prepare(request)?).await
    }

    /// Makes the key of the work, and what its run will say of it: what takes long where the context is large, and
    /// waits for nothing.
    ///
    /// # Errors
    /// [`CommandError::Key`].
    pub fn prepare(&self, request: StartRequest) -> Result<PreparedStart, CommandError> {
        let key = request.key(&self.keys.secret)?;
        let unkeyed =
            if self.keys.unkeyed_before { Some(reservation_stream(&request.unkeyed()?)) } else { None };
        let (tenant, actor, origin) = (request.tenant.clone(), request.actor.clone(), request.origin.clone());
        let (queued, changes) = request.queued(key);
        let queue = Queue { tenant, actor, origin, queued: Box::new(queued) };
        Ok(PreparedStart { queue, reservations: reservation_stream(&key), unkeyed, changes })
    }

    /// As [`Commands::start`], with what was prepared for it.
    ///
    /// # Errors
    /// As there.
    pub async fn start_prepared(&self, prepared: PreparedStart) -> Result<Started, CommandError> {
        let PreparedStart { queue, reservations, unkeyed, changes } = prepared;
        for _ in 0..self.tries {
            let last = self.log.last_event(&reservations).await?;
            let (expected, held) = match (last, &unkeyed) {
                (Some(record), _) => {
                    let run = self.reserved_for(&record)?;
                    (ExpectedRevision::Exact(record.revision), self.holder(&queue, run).await?)
                }
                // Since the work has its key of today, what had its old one has ended.
                (None, Some(unkeyed)) => {
                    (ExpectedRevision::NoStream, self.unkeyed_holder(&queue, unkeyed).await?)
                }
                (None, None) => (ExpectedRevision::NoStream, Holder::Ended),
            };
            match held {
                Holder::Active(started) => return Ok(started.telling(changes)),
                Holder::Ended => {}
                Holder::Moving => continue,
            }
            let run =
                RunId::new(id_at(self.now())).map_err(|error| CommandError::Internal(error.to_string()))?;
            if !self.reserve(&reservations, expected, run, queue.origin.as_ref()).await? {
                continue;
            }
            if let Holder::Active(started) = self.holder(&queue, run).await? {
                return Ok(started.telling(changes));
            }
        }
        Err(CommandError::Contended)
    }

    /// Looks at the run that holds the key of the time before there was a secret. Nothing is reserved by that
    /// any more; a start that was begun by it is finished.
    async fn unkeyed_holder(&self, queue: &Queue, reservations: &str) -> Result<Holder, CommandError> {
        match self.log.last_event(reservations).await? {
            Some(record) => self.holder(queue, self.reserved_for(&record)?).await,
            None => Ok(Holder::Ended),
        }
    }

    fn reserved_for(&self, record: &RecordedEvent) -> Result<RunId, CommandError> {
        match reserved(record) {
            Ok(reserved) => Ok(reserved.run_id),
            Err(error) => Err(self.runs.broken(&record.stream, record.revision, error.to_string())),
        }
    }

    /// Takes the key for a run. False when another start took the key first.
    async fn reserve(
        &self,
        reservations: &str,
        expected: ExpectedRevision,
        run: RunId,
        origin: Option<&Origin>,
    ) -> Result<bool, CommandError> {
        let (id, reserved) = (Uuid::new_v4(), Reserved { run_id: run });
        let facts = std::iter::once(Fact::Reserved(id, &reserved, origin));
        match self.write(reservations, expected, facts).await? {
            Ok(_) => Ok(true),
            Err(AppendError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at the run that holds the key, as the log has it now, and queues the run if that is not done yet.
    async fn holder(&self, queue: &Queue, run: RunId) -> Result<Holder, CommandError> {
        let stream = run_stream(&queue.tenant, run);
        let slot = self.runs.slot(&stream).await;
        let mut folded = slot.lock().await;
        self.runs.doubt(&stream, &mut folded);
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
                    let (position, changes) = (folded.position, Changes::default());
                    Holder::Active(Started { run, status, reused, revision, position, changes })
                }
                _ => Holder::Ended,
            })
        }
        .await;
        self.runs.update_weight(&stream, &slot, folded).await;
        looked
    }
}

/// The `Queued` event to be.
#[derive(Debug)]
struct Queue {
    tenant: TenantId,
    actor: PrincipalId,
    origin: Option<Origin>,
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
            origin: self.origin.clone(),
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
    /// Another start has queued it at this moment; look again.
    Moving,
}

/// A new UUIDv7 of that time: a run's id tells when it was queued, by the ledger's clock.
fn id_at(time: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, time.timestamp_subsec_nanos()))
}
