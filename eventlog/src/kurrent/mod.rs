//! The event log on an EventStoreDB or KurrentDB cluster, for users who outgrow one Postgres.
//!
//! Each of our streams is a stream of the cluster, and a position is a commit position: it grows, with gaps.
//! All calls go to the leader, so that a writer sees what it has appended. What the cluster and its client do not
//! do by themselves is done here: see `docs/decisions/0012`.

mod all;
mod append;
mod attempt;
mod config;
mod door;
mod drain;
mod follow;
mod head;
mod in_hand;
mod link;
mod nodelay;
mod options;
mod outage;
mod read;
mod size;
mod sockets;
mod wire;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};

use crate::error::{AppendError, LogError};
use crate::port::{Appended, EventLog, Guarantees, Position, RecordedEvent, StreamAppend, Subscription};

pub use config::{ConfigError, KurrentConfig};

use append::Answered;
use follow::Follower;
use head::Scan;
use in_hand::InHand;
use link::Link;
use size::{MAX_APPEND_BYTES, MOST_BESIDE};

/// An event log on a cluster. Cheap to clone.
#[derive(Clone)]
pub struct KurrentLog {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    /// Begins the name of each of our streams.
    prefix: String,
    /// Appends in hand.
    room: Semaphore,
    /// The highest position that was heard of.
    known: AtomicU64,
    answered: Mutex<Answered>,
    /// Appends in hand, by their first events.
    in_hand: InHand,
    /// Nothing was appended yet, or the last append failed.
    untried: AtomicBool,
    scan: Mutex<Scan>,
    /// Held by the caller that looks for the last event.
    searching: tokio::sync::Mutex<()>,
    /// Something was appended here.
    appended: Notify,
}

impl Inner {
    fn scan(&self) -> MutexGuard<'_, Scan> {
        self.scan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KurrentLog {
    /// Opens the log. Nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// [`LogError::Refused`] when the client can't be made, as with a certificate that can't be read.
    pub fn open(config: KurrentConfig) -> Result<Self, LogError> {
        let room = Semaphore::new(config.max_appends);
        let link = Link::new(config.settings, config.user, config.patience)?;
        Ok(Self {
            inner: Arc::new(Inner {
                link,
                prefix: config.prefix,
                room,
                known: AtomicU64::new(0),
                answered: Mutex::default(),
                in_hand: InHand::default(),
                untried: AtomicBool::new(true),
                scan: Mutex::default(),
                searching: tokio::sync::Mutex::default(),
                appended: Notify::new(),
            }),
        })
    }
}

#[async_trait]
impl EventLog for KurrentLog {
    fn guarantees(&self) -> Guarantees {
        Guarantees { dense_positions: false, max_append_bytes: MAX_APPEND_BYTES - MOST_BESIDE }
    }

    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        // An append that is begun is finished, also when nobody waits for it any more: what it learns about
        // positions is needed by the next one.
        let inner = self.inner.clone();
        let done = tokio::spawn(async move { inner.append(append).await });
        done.await.unwrap_or_else(|_| Err(LogError::Unavailable("it is shutting down".to_owned()).into()))
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.inner.read_stream(stream, from, limit).await
    }

    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        self.inner.last_event(stream).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        self.inner.read_all(after, limit).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        self.inner.head().await
    }

    async fn check(&self) -> Result<(), LogError> {
        match self.inner.end().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.inner.link.explain(error).await),
        }
    }

    async fn takes_appends(&self) -> Result<(), LogError> {
        if self.inner.untried.load(Ordering::SeqCst) {
            self.inner.try_append().await?;
            self.inner.untried.store(false, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError> {
        Ok(Box::new(Follower::new(self.inner.clone(), after)))
    }
}
