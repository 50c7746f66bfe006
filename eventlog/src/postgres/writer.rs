//! The one task that appends.
//!
//! The writer knows the log's last position and the heads of busy streams, so it can check appends in memory
//! and commit a whole batch in one statement. The statement demands that the position is still the one that
//! the writer knows: then no other process has appended, and all that the writer knows is right. Otherwise it
//! takes the lock, reads what others have appended, checks again, and stays with the lock until it is alone.

mod commit;

use std::collections::VecDeque;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::PostgresLogConfig;
use super::append_health::AppendHealth;
use super::batch::Verdict;
use super::follow::HeadNotifier;
use super::queue::Request;
use super::statements::Failure;
use super::stream_heads::StreamHeads;
use crate::error::{AppendError, LogError};
use crate::port::{Appended, Position};

/// The pauses between tries to reach the database.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    options: PgConnectOptions,
    config: PostgresLogConfig,
    notifier: HeadNotifier,
    committed: watch::Sender<u64>,
    connection: Option<PgConnection>,
    /// The log's last position, as far as the writer knows.
    head: u64,
    heads: StreamHeads,
    /// Whether others append too, so that the lock is taken first.
    shared: bool,
    /// Whether the database did not answer when it was last asked.
    down: bool,
    /// Whether the last appends were refused because of the database.
    append_health: AppendHealth,
}

/// What an attempt to commit takes for granted.
#[derive(Clone, Copy, PartialEq)]
enum AppendMode {
    /// Nothing is read of a stream that is expected to be new.
    Optimistic,
    /// All streams are read first, under the lock: an earlier attempt may have committed already.
    InDoubt,
}

/// A batch that is in the log.
struct Committed {
    verdicts: Vec<Verdict>,
    /// The position before the batch.
    before: u64,
}

impl Writer {
    pub fn new(options: PgConnectOptions, config: PostgresLogConfig, notifier: HeadNotifier) -> Self {
        let heads = StreamHeads::new(config.known_heads);
        let committed = watch::Sender::new(0);
        Self {
            options,
            config,
            notifier,
            committed,
            connection: None,
            head: 0,
            heads,
            shared: false,
            down: false,
            append_health: AppendHealth::default(),
        }
    }

    /// Tells the position of this process's last commit.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    /// Whether appends are refused because of the database.
    pub fn append_health(&self) -> AppendHealth {
        self.append_health.clone()
    }

    /// Commits what comes in until the queue is closed and empty.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let depth = metrics::gauge!("runledger_append_queue_depth");
        #[expect(clippy::cast_precision_loss, reason = "a queue is far shorter than 2^52")]
        let show = |requests: usize| depth.set(requests as f64);
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                match requests.recv().await {
                    Some(request) => waiting.push_back(request),
                    None => break,
                }
            }
            let batch = self.gather(&mut waiting, &mut requests);
            show(batch.len() + waiting.len() + requests.len());
            for request in self.commit_batch(batch).await.into_iter().rev() {
                waiting.push_front(request);
            }
            show(waiting.len() + requests.len());
        }
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the writer's connection did not close in good order");
        }
    }

    /// The next batch: those that wait since the last one first.
    fn gather(
        &self,
        waiting: &mut VecDeque<Request>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Vec<Request> {
        let mut batch = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        while let Some(next) = waiting.pop_front().or_else(|| requests.try_recv().ok()) {
            let full = events + next.append.events.len() > self.config.batch_events
                || bytes + next.bytes > self.config.batch_bytes;
            if full && !batch.is_empty() {
                waiting.push_front(next);
                break;
            }
            events += next.append.events.len();
            bytes += next.bytes;
            batch.push(next);
        }
        batch
    }

    /// Commits a batch and answers its requests. Gives back those that must come after it.
    async fn commit_batch(&mut self, mut requests: Vec<Request>) -> Vec<Request> {
        // While the database is known to be away, callers do not wait long to hear so.
        let limit = if self.down { self.config.give_up_after / 8 } else { self.config.give_up_after };
        let deadline = Instant::now() + limit;
        let mut mode = AppendMode::Optimistic;
        let mut pause = FIRST_PAUSE;
        let mut violations = 0;
        loop {
            let tried = timeout_at(deadline, self.attempt(&requests, mode)).await;
            let failure = match tried {
                Ok(Ok(committed)) => {
                    self.down = false;
                    self.append_health.set_refusing(false);
                    return self.answer(requests, committed);
                }
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Lost("it does not answer in time".into()),
            };
            match failure {
                Failure::Foreign => self.shared = true,
                Failure::Violation(what) if violations > 1 => {
                    return refuse_all(requests, &LogError::Corrupt(what));
                }
                Failure::Violation(_) => {
                    // A NoStream that was wrong. The lock makes the next look final.
                    violations += 1;
                    self.shared = true;
                    self.heads.clear();
                    mode = AppendMode::InDoubt;
                }
                Failure::Corrupt(what) => return refuse_all(requests, &LogError::Corrupt(what)),
                Failure::Refused(error) => {
                    self.forget();
                    self.append_health.set_refusing(true);
                    return refuse_all(requests, &error);
                }
                Failure::Lost(why) => {
                    self.forget();
                    requests.iter_mut().for_each(|request| request.in_doubt = true);
                    mode = AppendMode::InDoubt;
                    if self.down || Instant::now() + pause >= deadline {
                        self.down = true;
                        self.append_health.set_refusing(true);
                        return refuse_all(requests, &LogError::Unavailable(why));
                    }
                    tracing::warn!(why, "the event log's database does not answer; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Answers a batch, then tells of its events; gives back what must come later.
    fn answer(&self, requests: Vec<Request>, committed: Committed) -> Vec<Request> {
        let (mut deferred, mut accepted) = (Vec::new(), Vec::new());
        let mut position = committed.before;
        for (request, verdict) in requests.into_iter().zip(committed.verdicts) {
            match verdict {
                Verdict::Accept { last } => {
                    position += request.append.events.len() as u64;
                    let appended =
                        Appended { revision: last, position: Position(position), duplicate: false };
                    accepted.push((request.answer(Ok(appended)), last));
                }
                Verdict::Mismatch(conflict) => drop(request.answer(Err(conflict))),
                Verdict::Repeat(appended) => drop(request.answer(Ok(appended))),
                Verdict::Defer => deferred.push(request),
            }
        }
        let events = position - committed.before;
        if events > 0 {
            self.notifier.publish_appended(accepted, committed.before);
            self.committed.send_replace(position);
            metrics::counter!("runledger_appended_events_total").increment(events);
            #[expect(clippy::cast_precision_loss, reason = "a batch is far smaller than 2^52")]
            metrics::histogram!("runledger_append_batch_events").record(events as f64);
        }
        deferred
    }

    /// Drops the connection and all that was known through it.
    fn forget(&mut self) {
        self.connection = None;
        self.heads.clear();
        self.shared = true;
    }
}

fn refuse_all(requests: Vec<Request>, error: &LogError) -> Vec<Request> {
    for request in requests {
        drop(request.answer(Err(AppendError::Log(error.clone()))));
    }
    Vec::new()
}
