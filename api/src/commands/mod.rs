//! Commands in: start a run, append its events, read a notification, presume a silent run failed.
//!
//! The HTTP handlers are in [`http`]; they know axum and no log. The rest knows the log and no axum.

mod append;
mod cache;
mod error;
mod http;
mod notification;
mod parse;
mod repeats;
mod stale;
mod start;
mod sweeper;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use eventlog::EventLog;

pub use append::{AppendRequest, AppendedEvents, EventResult};
pub use error::CommandError;
pub(crate) use http::mark_read;
pub use http::routes;
pub use stale::Patience;
pub use start::{StartRequest, Started};
pub use sweeper::{SweepError, Sweeper, SweeperConfig};

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
    runs: RunCache,
    clock: Clock,
    tries: u32,
}

impl Commands {
    /// Commands over that log, with the usual settings.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self::with_config(log, CommandsConfig::default())
    }

    /// Commands over that log.
    #[must_use]
    pub fn with_config(log: Arc<dyn EventLog>, config: CommandsConfig) -> Self {
        let runs = RunCache::new(log.clone(), config.cached_entries);
        Self { log, runs, clock: config.clock, tries: config.tries.max(1) }
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
    let JsonBody(mut body) = JsonBody::<parse::StartBody>::read(body)?;
    body.initiator()?;
    body.unordered()?;
    body.context()?;
    body.labels()?;
    Ok(())
}

/// Reads the body of `POST .../events` as the handler does; gives the number of events.
pub(crate) fn read_events(body: &[u8]) -> Result<usize, Problem> {
    let JsonBody(body) = JsonBody::<parse::EventsBody>::read(body)?;
    Ok(body.events()?.len())
}
