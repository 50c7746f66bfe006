//! A projector at work, watched.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use eventlog::contract::Layer;
use eventlog::memory::MemoryLog;
use eventlog::{EventLog, LogError, Position, RecordedEvent, Subscription};
use projector::{Projector, ProjectorConfig, ProjectorError};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Far longer than anything takes.
pub const LONG: Duration = Duration::from_secs(60);

/// The pause between two looks at something that tells nobody when it changes.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Looks until there is an answer; fails where there is none in time.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(LONG, looking).await.unwrap_or_else(|_| panic!("waited for {what}"))
}

/// A projector that runs.
pub struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), ProjectorError>>,
}

impl Running {
    pub fn start(log: Arc<dyn EventLog>, pool: &PgPool, max_batch_events: usize) -> Self {
        let config = ProjectorConfig { max_batch_events, ..ProjectorConfig::default() };
        Self::start_with(log, pool, config)
    }

    pub fn start_with(log: Arc<dyn EventLog>, pool: &PgPool, config: ProjectorConfig) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(Projector::new(log, pool.clone(), config).run(stop.clone()));
        Self { stop, task }
    }

    /// Ends it as a process that is killed: it gives nothing back.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(LONG, self.task).await.expect("stops in time").unwrap().unwrap();
    }
}

/// Hears how far the projection has come.
pub struct Progress(PgListener);

impl Progress {
    pub async fn listen(pool: &PgPool) -> Self {
        let mut listener = PgListener::connect_with(pool).await.unwrap();
        listener.listen("runledger_projected").await.unwrap();
        Self(listener)
    }

    /// Waits until the projection says that it has come that far; gives back all that it said.
    pub async fn until(&mut self, position: Position) -> Vec<u64> {
        let mut said = Vec::new();
        let all = async {
            while said.last().is_none_or(|last| *last < position.0) {
                said.push(self.0.recv().await.unwrap().payload().parse().unwrap());
            }
        };
        tokio::time::timeout(LONG, all).await.expect("projected in time");
        said
    }
}

/// Lets so many calls pass and holds all others until it is opened.
pub struct Gate {
    passes: Semaphore,
    held: Notify,
}

impl Default for Gate {
    fn default() -> Self {
        let gate = Self { passes: Semaphore::new(0), held: Notify::new() };
        gate.open();
        gate
    }
}

impl Gate {
    pub fn after(calls: usize) -> Arc<Self> {
        Arc::new(Self { passes: Semaphore::new(calls), held: Notify::new() })
    }

    async fn pass(&self) {
        if let Ok(pass) = self.passes.try_acquire() {
            return pass.forget();
        }
        if !self.passes.is_closed() {
            self.held.notify_one();
            // It ends when the gate is opened.
            drop(self.passes.acquire().await);
        }
    }

    /// Waits until a call is held.
    pub async fn until_held(&self) {
        tokio::time::timeout(LONG, self.held.notified()).await.expect("held in time");
    }

    pub fn open(&self) {
        self.passes.close();
    }
}

/// A log that remembers from where it was followed, fails as often as it is told to, and hangs where it is
/// told to.
#[derive(Clone, Default)]
pub struct Watched {
    pub log: MemoryLog,
    pub followed: Arc<Mutex<Vec<u64>>>,
    pub again: Arc<Notify>,
    pub refuse_to_follow: Arc<AtomicU32>,
    pub break_off: Arc<AtomicU32>,
    /// In front of reading the whole log.
    pub reads: Arc<Gate>,
    /// In front of asking for the end.
    pub heads: Arc<Gate>,
}

impl Watched {
    pub fn over(log: &MemoryLog) -> Self {
        Self { log: log.clone(), ..Self::default() }
    }

    /// Waits until it has been followed so many times.
    pub async fn until_followed(&self, times: usize) {
        let all = async {
            while self.followed.lock().unwrap().len() < times {
                self.again.notified().await;
            }
        };
        tokio::time::timeout(LONG, all).await.expect("followed in time");
    }
}

fn fails(times: &AtomicU32) -> Result<(), LogError> {
    let left = times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if left.is_ok() { Err(LogError::Unavailable("as the test wants it".into())) } else { Ok(()) }
}

#[async_trait]
impl Layer for Watched {
    fn behind(&self) -> &dyn EventLog {
        &self.log
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        self.reads.pass().await;
        self.log.read_all(after, limit).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        self.heads.pass().await;
        self.log.head().await
    }

    async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError> {
        fails(&self.refuse_to_follow)?;
        self.followed.lock().unwrap().push(after.0);
        self.again.notify_one();
        let inner = self.log.subscribe(after).await?;
        Ok(Box::new(Broken { inner, break_off: self.break_off.clone() }))
    }
}

struct Broken {
    inner: Box<dyn Subscription>,
    break_off: Arc<AtomicU32>,
}

#[async_trait]
impl Subscription for Broken {
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        fails(&self.break_off)?;
        self.inner.next_batch(limit).await
    }
}

/// A log in whose place another one can be put, as when its cluster is restored.
#[derive(Clone)]
pub struct Switched {
    log: Arc<Mutex<MemoryLog>>,
    asked: Arc<AtomicU32>,
}

impl Switched {
    pub fn to(log: MemoryLog) -> Self {
        Self { log: Arc::new(Mutex::new(log)), asked: Arc::default() }
    }

    pub fn switch(&self, log: MemoryLog) {
        *self.log.lock().unwrap() = log;
    }

    pub fn current(&self) -> MemoryLog {
        self.log.lock().unwrap().clone()
    }

    /// How often somebody has read a stream.
    pub fn asked_for_streams(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl EventLog for Switched {
    async fn append(
        &self,
        append: eventlog::StreamAppend,
    ) -> Result<eventlog::Appended, eventlog::AppendError> {
        self.current().append(append).await
    }

    async fn read_stream(&self, of: &str, from: u64, most: usize) -> Result<Vec<RecordedEvent>, LogError> {
        let events = self.current().read_stream(of, from, most).await;
        self.asked.fetch_add(1, Ordering::SeqCst);
        events
    }

    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        self.current().last_event(stream).await
    }

    async fn read_all(&self, after: Position, most: usize) -> Result<Vec<RecordedEvent>, LogError> {
        self.current().read_all(after, most).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        self.current().head().await
    }

    async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError> {
        self.current().subscribe(after).await
    }
}
