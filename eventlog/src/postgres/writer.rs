//! The one task that appends.
//!
//! It knows the log's last position and the heads of busy streams, so it can judge appends in memory and
//! commit a whole batch in one statement. The statement demands that the position is still the one it
//! knows: then nobody else has appended and all it knows is right. If it is not so, it takes the lock,
//! reads what others have appended, judges again, and stays with the lock until it is alone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::PostgresLogConfig;
use super::batch::{Plan, Verdict, ids_of, plan};
use super::follow::News;
use super::heads::Heads;
use super::queue::Request;
use super::statements::{self as sql, Failure};
use crate::error::{AppendError, LogError};
use crate::port::ExpectedRevision;

/// Of more foreign events than this, their streams are forgotten rather than read.
const MOST_FOREIGN: u64 = 10_000;

/// The pauses between tries to reach the database.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    options: PgConnectOptions,
    config: PostgresLogConfig,
    news: News,
    committed: watch::Sender<u64>,
    connection: Option<PgConnection>,
    /// The log's last position, as far as the writer knows.
    head: u64,
    heads: Heads,
    /// Whether others append too, so that the lock is taken first.
    shared: bool,
    /// Whether the database did not answer when it was last asked.
    down: bool,
}

/// How careful a try is.
#[derive(Clone, Copy, PartialEq)]
enum Care {
    /// Event ids are looked up only for appends that would be refused.
    Usual,
    /// All event ids are looked up first, under the lock: something may have been committed already.
    Doubtful,
}

/// A batch that is in the log.
struct Committed {
    verdicts: Vec<Verdict>,
    /// The revisions of the first events of the accepted appends, in order.
    firsts: Vec<u64>,
    /// The position before the batch.
    before: u64,
}

impl Writer {
    pub fn new(options: PgConnectOptions, config: PostgresLogConfig, news: News) -> Self {
        let heads = Heads::new(config.known_heads);
        let committed = watch::Sender::new(0);
        Self {
            options,
            config,
            news,
            committed,
            connection: None,
            head: 0,
            heads,
            shared: false,
            down: false,
        }
    }

    /// Tells the position of this process's last commit.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
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
            for request in self.settle(batch).await.into_iter().rev() {
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
            let full = events + next.events > self.config.batch_events
                || bytes + next.bytes > self.config.batch_bytes;
            if full && !batch.is_empty() {
                waiting.push_front(next);
                break;
            }
            events += next.events;
            bytes += next.bytes;
            batch.push(next);
        }
        batch
    }

    /// Commits a batch and answers it. Gives back the requests that must come after it.
    async fn settle(&mut self, mut requests: Vec<Request>) -> Vec<Request> {
        // While the database is known to be away, nobody waits long to hear so.
        let patience = if self.down { self.config.give_up_after / 8 } else { self.config.give_up_after };
        let deadline = Instant::now() + patience;
        let mut care = Care::Usual;
        let mut pause = FIRST_PAUSE;
        let mut violations = 0;
        loop {
            let tried = timeout_at(deadline, self.attempt(&requests, care)).await;
            let failure = match tried {
                Ok(Ok(committed)) => {
                    self.down = false;
                    return answer(requests, committed);
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
                    // A NoStream that was wrong, or an id in use. The lock makes the next look final.
                    violations += 1;
                    self.shared = true;
                    self.heads.clear();
                    care = Care::Doubtful;
                }
                Failure::Corrupt(what) => return refuse_all(requests, &LogError::Corrupt(what)),
                Failure::Refused(what) => {
                    self.forget();
                    return refuse_all(requests, &LogError::Unavailable(what));
                }
                Failure::Lost(why) => {
                    self.forget();
                    requests.iter_mut().for_each(|request| request.in_doubt = true);
                    care = Care::Doubtful;
                    if self.down || Instant::now() + pause >= deadline {
                        self.down = true;
                        return refuse_all(requests, &LogError::Unavailable(why));
                    }
                    tracing::warn!(why, "the event log's database does not answer; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Drops the connection and all that was known through it.
    fn forget(&mut self) {
        self.connection = None;
        self.heads.clear();
        self.shared = true;
    }

    async fn attempt(&mut self, requests: &[Request], care: Care) -> Result<Committed, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let committed = if self.shared || care == Care::Doubtful {
            self.with_lock(&mut connection, requests, care).await
        } else {
            self.alone(&mut connection, requests).await
        };
        // Only a statement that was answered leaves a connection that can be used again.
        if !matches!(committed, Err(Failure::Lost(_))) {
            self.connection = Some(connection);
        }
        let committed = committed?;
        let events = self.head - committed.before;
        if events > 0 {
            self.news.tell(self.head);
            self.committed.send_replace(self.head);
            metrics::counter!("runledger_appended_events_total").increment(events);
            #[expect(clippy::cast_precision_loss, reason = "a batch is far smaller than 2^52")]
            metrics::histogram!("runledger_append_batch_events").record(events as f64);
        }
        Ok(committed)
    }

    async fn connect(&mut self) -> Result<PgConnection, Failure> {
        let mut connection =
            self.options.connect().await.map_err(|error| Failure::Lost(error.to_string()))?;
        // The database gives a lock up a little before we give the database up: then nothing is in doubt.
        sql::settle_in(&mut connection, self.config.give_up_after * 3 / 4).await?;
        self.heads.clear();
        self.head = sql::head(&mut connection).await?;
        Ok(connection)
    }

    /// One statement, which only works if nobody else has appended.
    async fn alone(&mut self, db: &mut PgConnection, requests: &[Request]) -> Result<Committed, Failure> {
        let heads = self.heads_for(db, requests, Care::Usual).await?;
        let mut plan = plan(requests, &heads, &HashMap::new());
        look_for_repeats(db, requests, &mut plan).await?;
        if plan.rows.is_empty() {
            // Refusals, too, are only right if nobody else has appended.
            if sql::head(db).await? != self.head {
                return Err(Failure::Foreign);
            }
        } else {
            sql::insert(db, &plan.rows, plan.events, self.head).await?;
        }
        Ok(self.keep(plan))
    }

    /// Under the lock: whatever others have appended is known before anything is judged.
    async fn with_lock(
        &mut self,
        db: &mut PgConnection,
        requests: &[Request],
        care: Care,
    ) -> Result<Committed, Failure> {
        let mut tx = db.begin().await?;
        let head = sql::lock_head(&mut tx).await?;
        if head < self.head {
            return Err(Failure::Corrupt(format!("its head went back from {} to {head}", self.head)));
        }
        let foreign = head - self.head;
        if foreign > MOST_FOREIGN {
            self.heads.clear();
        } else if foreign > 0 {
            for (stream, revision) in sql::moved_since(&mut tx, self.head).await? {
                self.heads.moved(&stream, revision);
            }
        }
        self.head = head;
        let heads = self.heads_for(&mut tx, requests, care).await?;
        let places = match care {
            Care::Usual => HashMap::new(),
            Care::Doubtful => {
                let ids: Vec<Uuid> = requests.iter().flat_map(ids_of).collect();
                sql::places_of(&mut tx, &ids).await?
            }
        };
        let mut plan = plan(requests, &heads, &places);
        look_for_repeats(&mut tx, requests, &mut plan).await?;
        if !plan.rows.is_empty() {
            sql::insert(&mut tx, &plan.rows, plan.events, head).await?;
        }
        // A commit whose answer is lost is in doubt, however the database words it.
        tx.commit().await.map_err(|error| Failure::Lost(error.to_string()))?;
        self.shared = foreign > 0;
        Ok(self.keep(plan))
    }

    /// The heads of the batch's streams that have events: those that the writer knows, and from the
    /// database those that it does not. Of a stream that is not known and expected to be new, nothing is
    /// read unless there is doubt: if it is not new, the unique index objects.
    async fn heads_for<'a>(
        &mut self,
        db: &mut PgConnection,
        requests: &'a [Request],
        care: Care,
    ) -> Result<HashMap<&'a str, u64>, Failure> {
        let mut heads = HashMap::new();
        let mut unknown = HashSet::new();
        for append in requests.iter().flat_map(|request| &request.streams) {
            let stream = append.stream.as_str();
            match self.heads.get(stream) {
                Some(Some(head)) => drop(heads.insert(stream, head)),
                Some(None) => {}
                None if care == Care::Usual && append.expected == ExpectedRevision::NoStream => {}
                None => drop(unknown.insert(stream)),
            }
        }
        if !unknown.is_empty() {
            let unknown: Vec<&str> = unknown.into_iter().collect();
            for (stream, head) in unknown.iter().zip(sql::heads_of(db, &unknown).await?) {
                self.heads.put(stream, head);
                if let Some(head) = head {
                    heads.insert(stream, head);
                }
            }
        }
        Ok(heads)
    }

    /// Takes over what the batch has changed.
    fn keep(&mut self, plan: Plan<'_>) -> Committed {
        let before = self.head;
        self.head += plan.events as u64;
        for (stream, head) in &plan.moved {
            self.heads.put(stream, Some(*head));
        }
        Committed {
            firsts: plan.rows.iter().map(|(_, first)| *first).collect(),
            verdicts: plan.verdicts,
            before,
        }
    }
}

/// An append whose expectation does not hold may be one that is there already.
async fn look_for_repeats(
    db: &mut PgConnection,
    requests: &[Request],
    plan: &mut Plan<'_>,
) -> Result<(), Failure> {
    let mismatched = |verdict: &Verdict| matches!(verdict, Verdict::Mismatch(_));
    let ids: Vec<Uuid> = (plan.verdicts.iter().zip(requests))
        .filter(|(verdict, _)| mismatched(verdict))
        .flat_map(|(_, request)| ids_of(request))
        .collect();
    if !ids.is_empty() {
        let places = sql::places_of(db, &ids).await?;
        plan.settle_mismatches(requests, &places);
    }
    Ok(())
}

/// Answers a batch; gives back what must come later.
fn answer(requests: Vec<Request>, committed: Committed) -> Vec<Request> {
    let mut deferred = Vec::new();
    let mut position = committed.before;
    let mut firsts = committed.firsts.into_iter();
    for (request, verdict) in requests.into_iter().zip(committed.verdicts) {
        match verdict {
            Verdict::Accept => {
                let appended = Plan::appended(&request, &mut firsts, position);
                position += request.events as u64;
                request.answer(Ok(appended));
            }
            Verdict::Mismatch(conflict) => request.answer(Err(conflict)),
            Verdict::Settled(result) => request.answer(result),
            Verdict::Defer => deferred.push(request),
        }
    }
    deferred
}

fn refuse_all(requests: Vec<Request>, error: &LogError) -> Vec<Request> {
    for request in requests {
        request.answer(Err(AppendError::Log(error.clone())));
    }
    Vec::new()
}
