//! The wish to start a run, and what is made of it before the log is asked.

use chrono::{DateTime, TimeDelta, Utc};
use domain::key::{IdempotencyKey, IdempotencySecret, KeyError, idempotency_key, unkeyed};
use domain::{
    Command, CorrelationId, EventBody, Initiator, ItemCount, Kind, Labels, LinkedRun, Origin, PrincipalId,
    ProposedEvent, Queued, Reference, RunId, TenantId,
};
use eventlog::streams::{reference_stream, reservation_stream};
use redaction::{CleanText, redact_json};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::changed::Changes;
use crate::keys::Keys;

/// A wish to start a run.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// Whose run.
    pub tenant: TenantId,
    /// The caller's principal.
    pub actor: PrincipalId,
    /// What brings the wish.
    pub origin: Option<Origin>,
    /// The caller's own name for it: under the same one it is the same start, for ever.
    pub reference: Option<Reference>,
    /// The id of `Queued`. While the run is the last one that did this work, the same id is the same start.
    pub event_id: Option<Uuid>,
    /// When it was asked for; now, where the caller does not say.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Ties `Queued` to what else belongs together.
    pub correlation_id: Option<CorrelationId>,
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
    /// The run that it is a part of.
    pub parent: Option<RunId>,
    /// The run whose work it tries once more.
    pub retry_of: Option<RunId>,
    /// The run with whose items it goes on.
    pub resumes: Option<RunId>,
    /// What has happened to the run already. It comes with `Queued`, or not at all.
    pub events: Vec<ProposedEvent>,
}

impl StartRequest {
    /// The wish for a run of that kind and context, which says nothing more.
    #[must_use]
    pub fn new(tenant: TenantId, actor: PrincipalId, kind: Kind, context: Value) -> Self {
        Self {
            tenant,
            actor,
            origin: None,
            reference: None,
            event_id: None,
            occurred_at: None,
            correlation_id: None,
            kind,
            initiator: None,
            context,
            unordered: Vec::new(),
            items_total: None,
            labels: Labels::default(),
            title: None,
            parent: None,
            retry_of: None,
            resumes: None,
            events: Vec::new(),
        }
    }

    /// The key of the work.
    ///
    /// # Errors
    /// When none can be made of the context.
    pub fn key(&self, secret: &IdempotencySecret) -> Result<IdempotencyKey, KeyError> {
        idempotency_key(secret, self.tenant.as_str(), self.kind.as_str(), &self.context, &self.unordered)
    }

    /// The key that the work had before ledgers had a secret.
    pub(crate) fn unkeyed(&self) -> Result<IdempotencyKey, KeyError> {
        unkeyed(self.tenant.as_str(), self.kind.as_str(), &self.context, &self.unordered)
    }

    /// What `Queued` says of it, and what of the context is kept otherwise than it was sent.
    #[must_use]
    pub fn queued(self, key: IdempotencyKey) -> (Queued, Changes) {
        let mut context = self.context.clone();
        redact_json(&mut context);
        let mut changes = Changes::default();
        changes.compare("/context", &self.context, &context);
        let linked = |run: Option<RunId>| run.map(|run_id| LinkedRun { run_id });
        let queued = Queued {
            kind: self.kind,
            initiator: self.initiator,
            context,
            idempotency_key: Some(key),
            items_total: self.items_total,
            labels: self.labels,
            title: self.title,
            reference: self.reference,
            parent: linked(self.parent),
            retry_of: linked(self.retry_of),
            resumes: linked(self.resumes),
        };
        (queued, changes)
    }

    /// What is appended for it, and where its key and its reference are.
    ///
    /// # Errors
    /// When no key can be made of the context.
    pub(crate) fn prepare(mut self, keys: &Keys) -> Result<PreparedStart, KeyError> {
        let key = self.key(&keys.secret)?;
        let unkeyed = if keys.unkeyed_before { Some(reservation_stream(&self.unkeyed()?)) } else { None };
        let references = self.reference.as_ref().map(|it| reference_stream(&self.tenant, it));
        let (tenant, actor, origin) = (self.tenant.clone(), self.actor.clone(), self.origin.clone());
        let (occurred_at, correlation_id) = (self.occurred_at, self.correlation_id.take());
        let (id, id_given) = (self.event_id.unwrap_or_else(Uuid::new_v4), self.event_id.is_some());
        let events = std::mem::take(&mut self.events);
        let (queued, changes) = self.queued(key);
        Ok(PreparedStart {
            tenant,
            actor,
            origin,
            id,
            id_given,
            occurred_at,
            correlation_id,
            queued: Box::new(queued),
            events,
            key,
            reservations: reservation_stream(&key),
            unkeyed,
            references,
            changes,
        })
    }
}

/// A start that waits only for the log: see [`Commands::prepare`](crate::Commands::prepare).
#[derive(Debug)]
pub struct PreparedStart {
    pub(super) tenant: TenantId,
    actor: PrincipalId,
    pub(super) origin: Option<Origin>,
    /// Of `Queued`; the same in each try, so that its own append is known again.
    pub(super) id: Uuid,
    /// The caller chose it.
    pub(super) id_given: bool,
    pub(super) occurred_at: Option<DateTime<Utc>>,
    pub(super) correlation_id: Option<CorrelationId>,
    pub(super) queued: Box<Queued>,
    /// What follows `Queued` at once.
    pub(super) events: Vec<ProposedEvent>,
    pub(super) key: IdempotencyKey,
    /// The stream of the work's key.
    pub(super) reservations: String,
    /// The stream of the key that it had before ledgers had a secret, where there may be one.
    pub(super) unkeyed: Option<String>,
    /// The stream of its reference, where it has one.
    pub(super) references: Option<String>,
    pub(super) changes: Changes,
}

impl PreparedStart {
    /// Its events, for that run.
    pub(super) fn command(&self, run: RunId, max_age: Option<TimeDelta>) -> Command {
        let queued = ProposedEvent {
            id: self.id,
            occurred_at: self.occurred_at,
            correlation_id: self.correlation_id.clone(),
            causation_id: None,
            body: EventBody::Queued(self.queued.clone()),
        };
        Command {
            tenant: self.tenant.clone(),
            run,
            actor: self.actor.clone(),
            origin: self.origin.clone(),
            expected_revision: None,
            max_age,
            events: std::iter::once(queued).chain(self.events.iter().cloned()).collect(),
        }
    }

    /// The runs that it names, by the member that names each.
    pub(super) fn links(&self) -> impl Iterator<Item = (&'static str, RunId)> {
        let Queued { parent, retry_of, resumes, .. } = &*self.queued;
        let links = [("parent", *parent), ("retry_of", *retry_of), ("resumes", *resumes)];
        links.into_iter().filter_map(|(name, link)| Some((name, link?.run_id)))
    }

    /// What it says beside `Queued`'s own members, as far as it says it: for a comparison.
    pub(super) fn said_of_event(&self) -> Value {
        json!({
            "event_id": self.id_given.then_some(self.id),
            "occurred_at": self.occurred_at,
            "correlation_id": self.correlation_id,
        })
    }
}
