//! Commands in: start a run, append its events, read a notification, presume a silent run failed.
//!
//! The HTTP handlers are in [`http`]; they know axum and no log. The rest knows the log and no axum.

mod append;
mod cache;
mod changed;
mod error;
mod http;
mod keys;
mod notification;
mod parse;
mod repeats;
mod stale;
mod start;
mod sweeper;
mod unreadable;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::key::IdempotencySecret;
use domain::{Event, EventBody, PrincipalId, ProposedEvent, RunId, TenantId, wire};
use eventlog::fact::{Fact, Unfaithful};
use eventlog::{AppendError, Appended, EventLog, ExpectedRevision, StreamAppend};

pub use append::{AppendRequest, AppendedEvents, EventResult};
pub use changed::Changes;
pub use error::CommandError;
pub(crate) use error::unreadable_problem;
pub(crate) use http::mark_read;
pub use http::routes;
pub use keys::{Keys, KeysError};
pub use stale::StaleLimits;
pub use start::{PreparedStart, StartRequest, Started};
pub use sweeper::{SweepError, Sweeper, SweeperConfig};
pub use unreadable::Unreadable;

use uuid::Uuid;

use cache::RunCache;

use crate::body::JsonBody;
use crate::problem::Problem;

/// Tells the ledger's time.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The settings of [`Commands`].
#[derive(Clone)]
pub struct CommandsConfig {
    /// The ledger's time.
    pub clock: Clock,
    /// How many items and event ids of folded runs are kept in memory, all runs together.
    pub cached_entries: u64,
    /// How often an append is tried while other processes append to the same stream. Each try loses to a
    /// busy other about every second time.
    pub tries: u32,
}

impl Default for CommandsConfig {
    fn default() -> Self {
        Self { clock: Arc::new(Utc::now), cached_entries: 500_000, tries: 32 }
    }
}

/// Decides commands and appends what they decide. Cheap to clone; clones share one cache of folded runs.
#[derive(Clone)]
pub struct Commands {
    log: Arc<dyn EventLog>,
    keys: Keys,
    runs: RunCache,
    clock: Clock,
    tries: u32,
}

impl Commands {
    /// What the ledger makes codes with that readers see.
    pub(super) fn secret(&self) -> &IdempotencySecret {
        &self.keys.secret
    }

    /// Commands over the log of the ledger that has those keys, with the usual settings.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, keys: Keys) -> Self {
        Self::with_config(log, keys, CommandsConfig::default())
    }

    /// Commands over the log of the ledger that has those keys.
    #[must_use]
    pub fn with_config(log: Arc<dyn EventLog>, keys: Keys, config: CommandsConfig) -> Self {
        let runs = RunCache::new(log.clone(), config.cached_entries);
        Self { log, keys, runs, clock: config.clock, tries: config.tries.max(1) }
    }

    /// The streams that can't be read, as far as is known.
    #[must_use]
    pub fn unreadable(&self) -> &Unreadable {
        self.runs.unreadable()
    }

    /// Appends to one stream, and gives what the log says to that. Every append of ours comes by here: nothing is
    /// appended that would not be read back as it was decided.
    ///
    /// # Errors
    /// [`CommandError::Unfaithful`], and the log was not asked.
    async fn write<'a>(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        facts: impl Iterator<Item = Fact<'a>>,
    ) -> Result<Result<Appended, AppendError>, CommandError> {
        let events = facts.map(Fact::record).collect::<Result<Vec<_>, _>>().inspect_err(|error| {
            metrics::counter!("runledger_unfaithful_appends_total").increment(1);
            tracing::error!(%error, stream, "an append is refused");
        })?;
        let append = StreamAppend { stream: stream.to_owned(), expected, events };
        Ok(self.log.append(vec![append]).await)
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").field("runs", &self.runs).finish_non_exhaustive()
    }
}

/// Reads the body of `POST .../runs` as the handler does.
pub(crate) fn read_start(body: &[u8]) -> Result<(), Problem> {
    let JsonBody { body, .. } = JsonBody::<parse::StartBody>::read(body)?;
    body.read().map(drop)
}

/// Reads the body of `POST .../events` as the handler does; gives the number of events.
pub(crate) fn read_events(body: &[u8]) -> Result<usize, Problem> {
    let JsonBody { body, .. } = JsonBody::<parse::EventsBody>::read(body)?;
    Ok(body.read(&[7; 32].into())?.0.len())
}

/// Makes of the bodies of both commands, as far as the handlers take them, the records that the log would be
/// given; gives how many there are.
///
/// # Errors
/// The first that would not be read back as it was decided.
pub(crate) fn read_back(body: &[u8]) -> Result<usize, Unfaithful> {
    let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
    let run = RunId::new(Uuid::from_u128(0x0190_f000_0000_7000_8000_0000_0000_0000));
    let (Ok(tenant), Ok(actor), Ok(run)) = ("acme".parse::<TenantId>(), "ann".parse::<PrincipalId>(), run)
    else {
        return Ok(0);
    };
    let mut bodies = Vec::new();
    let start = JsonBody::<parse::StartBody>::read(body).and_then(|JsonBody { body, .. }| body.read());
    let secret = IdempotencySecret::from([7; 32]);
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
    let sent = JsonBody::<parse::EventsBody>::read(body).and_then(|JsonBody { body, .. }| body.read(&secret));
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
