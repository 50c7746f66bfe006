//! Commands in: start a run, append its events, read a notification, presume a silent run failed, name ids; and take
//! to the log what was administered.
//!
//! Nothing here knows HTTP.

mod administration;
mod append;
mod cache;
mod changed;
mod directory;
mod error;
mod import;
mod keys;
mod look;
mod names;
mod notification;
pub mod policies;
mod relay;
mod repeats;
mod slots;
mod stale;
mod start;
mod sweeper;
mod unreadable;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::key::IdempotencySecret;
use eventlog::fact::Fact;
use eventlog::{AppendError, Appended, EventLog, ExpectedRevision, StreamAppend};

pub use append::{AppendRequest, AppendedEvents, EventResult};
pub use cache::Opening;
pub use changed::{Change, Changed, Changes};
pub use directory::{NameRequest, NewName};
pub use error::{CommandError, StartName};
pub use import::{ImportAnswer, ImportRequest, Imported, Rehearsed};
pub use keys::{Keys, KeysError};
pub use look::Looked;
pub use relay::{Relay, RelayError};
pub use stale::StaleLimits;
pub use start::{PreparedStart, StartDifference, StartRequest, Started};
pub use sweeper::{SweepError, Sweeper, SweeperConfig};
pub use unreadable::{Broken, Unreadable};

use cache::RunCache;
use names::Names;

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
    /// How long ago an event may have happened at most; none for no limit.
    pub max_age: Option<TimeDelta>,
}

impl Default for CommandsConfig {
    fn default() -> Self {
        Self { clock: Arc::new(Utc::now), cached_entries: 500_000, tries: 32, max_age: None }
    }
}

/// Decides commands and appends what they decide. Cheap to clone; clones share one cache of folded runs.
#[derive(Clone)]
pub struct Commands {
    log: Arc<dyn EventLog>,
    keys: Keys,
    runs: RunCache,
    names: Names,
    clock: Clock,
    tries: u32,
    max_age: Option<TimeDelta>,
}

impl Commands {
    /// What the ledger makes codes with that readers see.
    #[must_use]
    pub fn secret(&self) -> &IdempotencySecret {
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
        let CommandsConfig { clock, tries, max_age, .. } = config;
        Self { log, keys, runs, names: Names::default(), clock, tries: tries.max(1), max_age }
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
        Ok(self.log.append(append).await)
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
