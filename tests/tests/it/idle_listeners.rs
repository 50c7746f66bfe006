//! What many who listen ask of the database while nothing happens: counted, not timed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use access::Role;
use api::ApiConfig;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Setup, Stream, TestApp};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

const LISTENERS: usize = 300;
const BEATS: usize = 5;

static QUERIES: AtomicUsize = AtomicUsize::new(0);

/// Counts the queries that sqlx tells of.
struct Count;

impl<S: Subscriber> Layer<S> for Count {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            QUERIES.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_listens_while_nothing_happens_asks_the_database_nothing(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    // This thread's queries alone: API, log and projector are on it, other tests are on others.
    let _counting = tracing_subscriber::registry().with(Count).set_default();
    let api = ApiConfig { stream_heartbeat: Duration::from_millis(100), ..ApiConfig::default() };
    let app = TestApp::with(pool, database, Setup { api, ..Setup::default() }).await;
    let viewer = app.client(Role::Readonly);
    let before = QUERIES.load(Ordering::SeqCst);
    let mut streams = Vec::new();
    for _ in 0..LISTENERS {
        let mut stream = Stream::open(&viewer, "/stream", None).await;
        stream.until("position").await;
        streams.push(stream);
    }
    let opened = QUERIES.load(Ordering::SeqCst);
    assert!(opened - before >= LISTENERS, "each asks once, when it comes: {}", opened - before);
    for stream in &mut streams {
        for _ in 0..BEATS {
            stream.until("position").await;
        }
    }
    // The one reader looks for all of them, and a few others look after themselves.
    let asked = QUERIES.load(Ordering::SeqCst) - opened;
    assert!(asked < LISTENERS, "{LISTENERS} heard {BEATS} heartbeats each: {asked} queries");
    drop(streams);
    app.stop().await;
}
