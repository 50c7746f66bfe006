//! Event logs that stand in front of another one: one that fails as told, one that counts.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use eventlog::contract::Layer;
use eventlog::{AppendError, Appended, EventLog, LogError, RecordedEvent, StreamAppend};

/// What becomes of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is appended and answered.
    None,
    /// It is not appended, and the caller hears that nobody knows.
    Lost,
    /// It is appended, and the caller hears that nobody knows.
    Unanswered,
}

/// Fails appends by a plan: the first append meets the first fault, and so on; later ones meet none.
pub struct FaultyLog {
    inner: Arc<dyn EventLog>,
    plan: Mutex<VecDeque<Fault>>,
}

impl FaultyLog {
    /// Stands in front of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn EventLog>, plan: impl IntoIterator<Item = Fault>) -> Arc<Self> {
        Arc::new(Self { inner, plan: Mutex::new(plan.into_iter().collect()) })
    }
}

#[async_trait]
impl Layer for FaultyLog {
    fn behind(&self) -> &dyn EventLog {
        &*self.inner
    }

    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        let fault =
            self.plan.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Fault::None);
        let unknown = || AppendError::Log(LogError::Unavailable("the test cut the line".into()));
        match fault {
            Fault::None => self.inner.append(append).await,
            Fault::Lost => Err(unknown()),
            Fault::Unanswered => self.inner.append(append).await.and(Err(unknown())),
        }
    }
}

/// What a [`CountingLog`] has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Calls of `append`.
    pub appends: u64,
    /// Events in them.
    pub events_appended: u64,
    /// Calls of `read_stream` and `last_event`.
    pub reads: u64,
    /// Events that they gave.
    pub events_read: u64,
}

/// Counts what is asked of a log.
pub struct CountingLog {
    inner: Arc<dyn EventLog>,
    appends: AtomicU64,
    events_appended: AtomicU64,
    reads: AtomicU64,
    events_read: AtomicU64,
}

impl CountingLog {
    /// Stands in front of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn EventLog>) -> Arc<Self> {
        let zero = AtomicU64::default;
        Arc::new(Self { inner, appends: zero(), events_appended: zero(), reads: zero(), events_read: zero() })
    }

    /// The counts since the last call.
    pub fn take(&self) -> Counted {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::SeqCst);
        Counted {
            appends: take(&self.appends),
            events_appended: take(&self.events_appended),
            reads: take(&self.reads),
            events_read: take(&self.events_read),
        }
    }

    fn count_read(&self, events: usize) {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.events_read.fetch_add(events as u64, Ordering::SeqCst);
    }
}

#[async_trait]
impl Layer for CountingLog {
    fn behind(&self) -> &dyn EventLog {
        &*self.inner
    }

    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        self.events_appended.fetch_add(append.events.len() as u64, Ordering::SeqCst);
        self.inner.append(append).await
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let events = self.inner.read_stream(stream, from, limit).await?;
        self.count_read(events.len());
        Ok(events)
    }

    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        let event = self.inner.last_event(stream).await?;
        self.count_read(usize::from(event.is_some()));
        Ok(event)
    }
}
