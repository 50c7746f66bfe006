//! Following the log: how a reader learns that there is more, in this process and in others.
//!
//! A notification is only ever a hint that saves time. A subscription reads the log itself, and looks by itself
//! every so often, so that a notification that got lost delays events and loses none.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgListener;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::read;
use super::recent::Recent;
use crate::error::LogError;
use crate::port::{Position, RecordedEvent, StreamAppend, Subscription};

/// The channel on which processes tell each other the log's last position.
const CHANNEL: &str = "runledger_log";

/// The shortest time between two notifications. Each costs the database a lock that all share.
const NOTIFY_GAP: Duration = Duration::from_millis(5);

/// After how long a lost connection is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Publishes the log's head: the last position that this process or another one has committed.
#[derive(Debug, Clone)]
pub(super) struct HeadNotifier {
    head: Arc<watch::Sender<u64>>,
    recent: Recent,
}

impl HeadNotifier {
    pub fn new(head: u64) -> Self {
        Self { head: Arc::new(watch::Sender::new(head)), recent: Recent::default() }
    }

    pub fn publish(&self, position: u64) {
        self.head.send_if_modified(|head| {
            let newer = position > *head;
            if newer {
                *head = position;
            }
            newer
        });
    }

    /// Publishes appends of this process: in order, each with the revision of its last event, after a position. They are
    /// kept for its subscribers, if there are any.
    pub fn publish_appended(&self, appends: Vec<(StreamAppend, u64)>, before: u64) {
        let events = appends.iter().map(|(append, _)| append.events.len() as u64).sum::<u64>();
        if self.head.receiver_count() > 0 {
            self.recent.add(appends, before);
        }
        self.publish(before + events);
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }
}

/// Tells other processes of this one's commits. Out of the way of the appends: while one notification is
/// under way, any number of commits become one next notification.
pub(super) async fn notify(pool: PgPool, mut committed: watch::Receiver<u64>, stop: CancellationToken) {
    while let Some(Ok(())) = stop.run_until_cancelled(committed.changed()).await {
        let position = committed.borrow_and_update().to_string();
        // A hint needs no disk.
        let sent = sqlx::query!(
            "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)",
            CHANNEL,
            position
        )
        .fetch_one(&pool);
        // Subscribers look by themselves when they hear nothing.
        match stop.run_until_cancelled(sent).await {
            Some(Err(error)) => tracing::debug!(%error, "other processes were not told of new events"),
            Some(Ok(_)) => {}
            None => return,
        }
        stop.run_until_cancelled(tokio::time::sleep(NOTIFY_GAP)).await;
    }
}

/// Listens to other processes' commits, for as long as the log is used.
pub(super) async fn listen(pool: PgPool, notifier: HeadNotifier, stop: CancellationToken) {
    let heard = async {
        loop {
            if let Err(error) = listen_once(&pool, &notifier).await {
                tracing::warn!(%error, "does not hear of other processes' events; looks for them instead");
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    let _stopped: Option<()> = stop.run_until_cancelled(heard).await;
}

async fn listen_once(pool: &PgPool, notifier: &HeadNotifier) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // What was told while this process did not listen.
    let head = read::head(pool).await.map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    notifier.publish(head.0);
    loop {
        match listener.recv().await?.payload().parse() {
            Ok(position) => notifier.publish(position),
            Err(error) => tracing::warn!(%error, "a notification that is no position"),
        }
    }
}

/// Gives what this process has appended last from memory. The rest is read on a connection of the reader's own, which
/// need not be tested before each use, and whose plans are made once: of a read of few events, these are the larger
/// part.
pub(super) struct Reader {
    pool: PgPool,
    recent: Recent,
    connection: Option<PgConnection>,
}

impl Reader {
    /// A reader of that pool's database, for as long as the pool is open.
    pub fn new(pool: PgPool, notifier: &HeadNotifier) -> Self {
        Self { pool, recent: notifier.recent.clone(), connection: None }
    }

    /// As [`read::all`]; fewer where these are known here.
    async fn read(&mut self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        if self.pool.is_closed() {
            return Err(sqlx::Error::PoolClosed.into());
        }
        let recent = self.recent.after(after, limit);
        if !recent.is_empty() {
            return Ok(recent);
        }
        if let Some(connection) = &mut self.connection {
            match read::all(connection, after, limit).await {
                Ok(events) => return Ok(events),
                // It may be the connection alone that is broken: a new one is tried at once.
                Err(error) => tracing::debug!(%error, "a follower of the log connects again"),
            }
            self.connection = None;
        }
        let connection = self.connection.insert(self.connect().await?);
        read::all(connection, after, limit).await
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let plans = [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")];
        let options = (*self.pool.connect_options()).clone().options(plans);
        let patience = self.pool.options().get_acquire_timeout();
        let connected = tokio::time::timeout(patience, PgConnection::connect_with(&options));
        connected.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }
}

/// A reader that follows the log.
pub(super) struct PostgresSubscription {
    pub reader: Reader,
    pub after: Position,
    pub head: watch::Receiver<u64>,
    /// How long the subscription waits for a notification before it reads the log by itself.
    pub patience: Duration,
}

#[async_trait]
impl Subscription for PostgresSubscription {
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        loop {
            // Marked as seen before the look: what is told later wakes the wait below.
            self.head.borrow_and_update();
            let batch = self.reader.read(self.after, limit.max(1)).await?;
            if let Some(last) = batch.last() {
                self.after = last.position;
                return Ok(batch);
            }
            let waited = tokio::time::timeout(self.patience, self.head.changed()).await;
            if let Ok(Err(_)) = waited {
                return Err(LogError::Unavailable("the log is shut down".into()));
            }
        }
    }
}
