//! A log with runs of two tenants, and a sealer of it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{EventLog, ExpectedRevision, NewEvent, StreamAppend};
use seal::policy::Policy;
use sealer::{Audit, Audited, Finding, KeyFile, Sealer, SealerConfig};
use sqlx::PgPool;
use tempfile::TempDir;
use uuid::Uuid;

pub const LEDGER: &str = "ledger.example";

/// A sealed ledger.
pub struct Ledger {
    pub pool: PgPool,
    pub log: Arc<dyn EventLog>,
    pub folder: TempDir,
}

/// The n-th run.
pub fn run_id(n: u64) -> Uuid {
    Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8000 + u128::from(n))
}

pub fn run_stream(tenant: &str, n: u64) -> String {
    format!("run-{tenant}-{}", run_id(n))
}

/// Lets something go so many steps (what it awaits), and drops it there, as a kill would; none where it did not come to its
/// end.
pub async fn polled<T>(work: impl Future<Output = T>, steps: usize) -> Option<T> {
    let mut work = pin!(work);
    let mut left = steps;
    let ended = poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    });
    ended.await
}

impl Ledger {
    /// On the Postgres log of that database, with a key of its own.
    pub async fn start(pool: &PgPool) -> Self {
        let options = (*pool.connect_options()).clone();
        let log = PostgresLog::connect(options, PostgresLogConfig::default()).await.unwrap();
        Self::over(pool, Arc::new(log))
    }

    pub fn over(pool: &PgPool, log: Arc<dyn EventLog>) -> Self {
        let folder = TempDir::new().unwrap();
        let ledger = Self { pool: pool.clone(), log, folder };
        KeyFile::create(&ledger.key(), LEDGER).unwrap();
        ledger
    }

    pub fn key(&self) -> std::path::PathBuf {
        self.folder.path().join("seal.key")
    }

    pub fn sealer(&self) -> Sealer {
        self.sealer_on(&self.pool)
    }

    pub fn sealer_on(&self, pool: &PgPool) -> Sealer {
        self.sealer_with(pool, None)
    }

    pub fn sealer_with(&self, pool: &PgPool, witnesses: Option<Policy>) -> Sealer {
        let second = Duration::from_secs(1);
        let config =
            SealerConfig { max_batch_events: 7, sign_every: second, witnesses, ..SealerConfig::default() };
        Sealer::new(self.log.clone(), pool.clone(), self.key(), config).unwrap()
    }

    pub async fn seal(&self) {
        self.sealer().seal_now().await.unwrap();
    }

    /// Appends events to a stream, which has `from` of them.
    pub async fn append(&self, stream: &str, from: u64, count: u64) {
        let events = (from..from + count).map(|revision| NewEvent {
            id: Uuid::new_v5(&Uuid::nil(), format!("{stream} {revision}").as_bytes()),
            event_type: if revision == 0 { "Queued" } else { "Progressed" }.into(),
            data: format!(r#"{{"message":"{stream} {revision}"}}"#).into_bytes(),
            metadata: format!(r#"{{"actor":"ann","recorded_at":"2026-03-01T12:00:{:02}Z"}}"#, revision % 60)
                .into(),
        });
        let expected = match from {
            0 => ExpectedRevision::NoStream,
            more => ExpectedRevision::Exact(more - 1),
        };
        let append = StreamAppend { stream: stream.to_owned(), expected, events: events.collect() };
        self.log.append(append).await.unwrap();
    }

    /// Four runs of two tenants, interleaved, and some administration, sealed in two checkpoints.
    pub async fn story(&self) {
        for n in 0..4 {
            self.append(&run_stream(["acme", "demo"][usize::try_from(n % 2).unwrap()], n), 0, 3).await;
        }
        self.append("admin-acme", 0, 2).await;
        self.seal().await;
        self.append(&run_stream("acme", 0), 3, 4).await;
        self.append(&run_stream("demo", 1), 3, 1).await;
        self.append(&run_stream("acme", 4), 0, 2).await;
        self.append("admin-acme", 2, 1).await;
        self.append("notification-01890a5d-ac96-774b-bcce-b302099a8057", 0, 1).await;
        self.seal().await;
    }

    pub async fn audit(&self) -> Audited {
        let keys = KeyFile::read(&self.key()).unwrap();
        Audit::new(self.log.clone(), self.pool.clone(), Some(keys)).run(None, &|_| {}).await.unwrap()
    }

    /// What the sampler finds in a round through all runs.
    pub async fn sampled(&self) -> Vec<Finding> {
        let sealer = self.sealer();
        let runs: i64 = self
            .number("SELECT count(*) FROM seal.runs JOIN seal.logs USING (log_id) WHERE tenant IS NOT NULL")
            .await;
        let mut found = Vec::new();
        for _ in 0..runs {
            found.extend(sealer.sample_next().await.unwrap());
        }
        found
    }

    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// Does what only the database's owner can: with the guards off, and positions closed up behind it.
    pub async fn as_owner(&self, sql: &str) {
        let guarded = format!(
            "BEGIN; ALTER TABLE log.events DISABLE TRIGGER ALL; ALTER TABLE log.head DISABLE TRIGGER ALL; {sql};
             ALTER TABLE log.events DROP CONSTRAINT events_position_key;
             WITH dense AS (SELECT position, row_number() OVER (ORDER BY position) AS n FROM log.events)
             UPDATE log.events AS e SET position = dense.n FROM dense WHERE dense.position = e.position;
             ALTER TABLE log.events ADD CONSTRAINT events_position_key PRIMARY KEY (position);
             UPDATE log.head SET position = (SELECT count(*) FROM log.events);
             ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_are_append_only;
             ALTER TABLE log.head ENABLE ALWAYS TRIGGER head_moves_forwards; COMMIT"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(guarded)).execute(&self.pool).await.unwrap();
    }
}
