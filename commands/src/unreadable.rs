//! Streams that hold an event which can't be read. They take no appends, and are shown.
//!
//! Nothing of ours makes one (see [`eventlog::fact`]), but disks, restores and people with the database's
//! password can. Two find them: commands, which read a stream before they decide on it, and the projector,
//! which reads everything and puts what it can't fold into the dead letters. The commands of another process
//! may go on from what they have folded before; so a [`Watch`] looks at the dead letters and tells them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::{RunId, TenantId};
use eventlog::streams::{self, run_stream};
use eventlog::{EventLog, LogError};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// How many of them are told apart. An operator with so many has no need of the rest.
const MOST: usize = 10_000;

/// How often the dead letters are looked at.
const PAUSE: Duration = Duration::from_millis(250);

/// In how many looks what is known to be unreadable is read once more: an operator may have mended it.
const LOOKS: u32 = 40;

/// The streams that are known to be unreadable. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Unreadable {
    streams: Arc<RwLock<HashMap<String, Broken>>>,
}

/// The first event of a stream that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its place in the stream.
    pub revision: u64,
    /// Why. It may quote the event.
    pub why: String,
}

impl Unreadable {
    /// How many streams there are, up to 10,000.
    #[must_use]
    pub fn count(&self) -> usize {
        self.streams.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What is wrong with a run of which not even its first event can be read, so that no table shows it.
    pub fn without_beginning(&self, tenant: &TenantId, run: RunId) -> Option<Broken> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        // Nearly always there is none at all.
        let found = if streams.is_empty() { None } else { streams.get(&run_stream(tenant, run)) };
        found.filter(|broken| broken.revision == 0).cloned()
    }

    pub(super) fn holds(&self, stream: &str) -> bool {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        !streams.is_empty() && streams.contains_key(stream)
    }

    pub(super) fn note(&self, stream: &str, broken: Broken) {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        if streams.get(stream) == Some(&broken) {
            return;
        }
        tracing::error!(stream, revision = broken.revision, why = broken.why, "a stream can't be read");
        if streams.len() < MOST || streams.contains_key(stream) {
            streams.insert(stream.to_owned(), broken);
        }
        gauge(streams.len());
    }

    /// The stream was read to its end.
    pub(super) fn forget(&self, stream: &str) {
        self.forget_if(stream, |_| true);
    }

    /// The event was read.
    fn forget_event(&self, stream: &str, revision: u64) {
        self.forget_if(stream, |broken| broken.revision == revision);
    }

    fn forget_if(&self, stream: &str, mended: impl Fn(&Broken) -> bool) {
        if !self.holds(stream) {
            return;
        }
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        if streams.get(stream).is_some_and(mended) {
            streams.remove(stream);
            tracing::info!(stream, "a stream can be read again");
            gauge(streams.len());
        }
    }

    fn known(&self) -> Vec<(String, u64)> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.iter().map(|(stream, broken)| (stream.clone(), broken.revision)).collect()
    }

    /// Looks at the dead letters again and again until `shutdown`. Must be called within a Tokio runtime.
    pub fn watch(&self, pool: PgPool, log: Arc<dyn EventLog>, shutdown: CancellationToken) {
        let watch = Watch { unreadable: self.clone(), pool, log, looked_at: HashMap::new() };
        tokio::spawn(async move { shutdown.run_until_cancelled(watch.run()).await });
    }
}

fn gauge(streams: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    metrics::gauge!("runledger_unreadable_streams").set(streams as f64);
}

/// Finds out which of the quarantined streams can't be read, and which are quarantined for another reason.
struct Watch {
    unreadable: Unreadable,
    pool: PgPool,
    log: Arc<dyn EventLog>,
    /// The quarantined streams that were looked at, with their first quarantined revision.
    looked_at: HashMap<String, u64>,
}

#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Watch {
    async fn run(mut self) {
        let mut failing = false;
        let mut looks = 0;
        loop {
            let looked = self.look(looks % LOOKS == 0).await;
            looks = looks.wrapping_add(1);
            if let Err(error) = &looked
                && !failing
            {
                tracing::warn!(%error, "can't look for streams that can't be read; trying again");
            }
            failing = looked.is_err();
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&mut self, again: bool) -> Result<(), LookError> {
        let quarantined = self.quarantined().await?;
        self.looked_at.retain(|stream, revision| quarantined.get(stream) == Some(revision));
        for (stream, revision) in quarantined {
            if self.looked_at.get(&stream) != Some(&revision) {
                self.read(&stream, revision).await?;
                self.looked_at.insert(stream, revision);
            }
        }
        if again {
            for (stream, revision) in self.unreadable.known() {
                self.read(&stream, revision).await?;
            }
        }
        Ok(())
    }

    /// The first quarantined event of each stream.
    async fn quarantined(&self) -> Result<HashMap<String, u64>, LookError> {
        let rows = sqlx::query!(
            r#"SELECT stream, min(revision) AS "revision!" FROM projection.dead_letters
               GROUP BY stream ORDER BY stream LIMIT $1"#,
            i64::try_from(MOST).unwrap_or(i64::MAX)
        );
        let rows = rows.fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| (row.stream, row.revision.unsigned_abs())).collect())
    }

    async fn read(&self, stream: &str, revision: u64) -> Result<(), LookError> {
        let page = self.log.read_stream(stream, revision, 1).await?;
        match page.first().map(streams::check) {
            Some(Err(error)) => {
                self.unreadable.note(stream, Broken { revision, why: error.to_string() });
            }
            Some(Ok(())) | None => self.unreadable.forget_event(stream, revision),
        }
        Ok(())
    }
}
