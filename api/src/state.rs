//! What the handlers share.

use std::sync::Arc;
use std::time::Duration;

use access::Tokens;
use commands::Commands;
use eventlog::EventLog;
use exports::{Exporter, Sealing};
use inlets::{Receiver, ReceiverConfig};
use reads::BasePath;
use reads::Ledger;
use reads::ReadPool;
use reads::freshness::Freshness;
use reads::live::Live;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::cors::CorsOrigin;
use crate::endpoints::Exports;

/// The API's settings.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The largest body that is read, in bytes.
    pub max_body_bytes: usize,
    /// How many bytes of the bodies of all requests together are in hand at once, counted as they come and
    /// unpacked; more are answered 503.
    pub max_bodies_bytes: usize,
    /// The same for the forms of pages, which visitors without a token send as well.
    pub max_forms_bytes: usize,
    /// How many requests are in hand at once; more are answered 503.
    pub max_requests: usize,
    /// The same for clients that show no good token.
    pub max_stranger_requests: usize,
    /// How long one request may take in all.
    pub request_timeout: Duration,
    /// How long a read with `after` waits for the projection.
    pub max_after_wait: Duration,
    /// How often a stream says that it is still there.
    pub stream_heartbeat: Duration,
    /// How long a stream lasts. A listener that goes on comes again, and shows that it still may.
    pub stream_lasts: Duration,
    /// Under which path the server is seen from outside, where no proxy says so.
    pub base_path: BasePath,
    /// The other sites whose scripts may use the API.
    pub cors_origins: Vec<CorsOrigin>,
    /// How long inlets wait for what belongs before a report, and how much may wait.
    pub inlets: ReceiverConfig,
}

/// What is left of a request's time when it has waited.
const REST: Duration = Duration::from_secs(5);

impl ApiConfig {
    /// How long an append may wait until it is sealed, in whole seconds: the answer has to be on its way before the
    /// request's time is up.
    #[must_use]
    pub fn max_seal_wait(&self) -> Duration {
        Duration::from_secs(self.request_timeout.saturating_sub(REST).as_secs().max(1))
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            max_body_bytes: 4 * 1024 * 1024,
            max_bodies_bytes: 128 * 1024 * 1024,
            max_forms_bytes: 8 * 1024 * 1024,
            max_requests: 2_048,
            max_stranger_requests: 256,
            request_timeout: Duration::from_secs(30),
            max_after_wait: Duration::from_secs(10),
            stream_heartbeat: Duration::from_secs(5),
            stream_lasts: Duration::from_secs(600),
            base_path: BasePath::default(),
            cors_origins: Vec::new(),
            inlets: ReceiverConfig::default(),
        }
    }
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// The settings.
    pub config: Arc<ApiConfig>,
    /// The log: appended to by commands, never read to render.
    pub log: Arc<dyn EventLog>,
    /// Commands in.
    pub commands: Commands,
    /// Projections out.
    pub reads: ReadPool,
    /// How far the projections have come.
    pub freshness: Freshness,
    /// What happens, as it happens.
    pub live: Live,
    /// Sealed history to take away.
    pub exports: Exports,
    /// Keeps what comes in through inlets.
    pub inlets: Receiver,
    /// The look-up of callers.
    pub tokens: Tokens,
}

/// What an API is put together from.
pub struct ApiParts {
    /// The settings.
    pub config: ApiConfig,
    /// Which ledger it is.
    pub ledger: Ledger,
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The commands on that log.
    pub commands: Commands,
    /// Connections to the database as the program's own user. Some are kept, to listen on.
    pub pool: PgPool,
    /// Connections that were made with [`ReadPool::pool_options`].
    pub reads: PgPool,
    /// Ends the streams, which would never end by themselves.
    pub stop_streams: CancellationToken,
    /// Ends what runs in the background.
    pub stop: CancellationToken,
}

impl ApiState {
    /// Starts what the handlers share. Must be called within a Tokio runtime.
    pub async fn start(parts: ApiParts) -> Self {
        let ApiParts { config, ledger, log, commands, pool, reads, stop_streams, stop } = parts;
        let freshness = Freshness::start(pool.clone(), log.clone(), ledger, stop.clone());
        commands.unreadable().watch(pool.clone(), log.clone(), stop.clone());
        Self {
            inlets: Receiver::new(pool.clone(), config.inlets),
            config: Arc::new(config),
            commands,
            reads: ReadPool::new(reads),
            live: Live::start(pool.clone(), &freshness, stop_streams),
            freshness,
            exports: Exports::new(
                Exporter::new(pool.clone(), log.clone()),
                Sealing::start(pool.clone(), stop.clone()),
            ),
            tokens: Tokens::start(pool, stop).await,
            log,
        }
    }
}
