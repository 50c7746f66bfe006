//! The parts of the program, put together: event log, API, projector.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::access::Tokens;
use api::commands::{Commands, Sweeper, SweeperConfig};
use api::freshness::Freshness;
use api::reads::ReadPool;
use api::{ApiConfig, ApiState};
use chrono::TimeDelta;
use eventlog::EventLog;
use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use projector::{Projector, ProjectorConfig};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{HttpArgs, SweeperArgs};
use crate::database;
use crate::error::Error;
use crate::exporter;

/// How long a request waits for a connection to the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which parts run in this process.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The API, and where it listens.
    pub http: Option<HttpArgs>,
    /// The projector.
    pub projector: bool,
    /// The sweeper, as it is set; it comes with the API.
    pub sweeper: Option<SweeperArgs>,
}

/// The running parts.
pub struct Services {
    /// Where the API really listens; none where it does not run.
    pub address: Option<SocketAddr>,
    log: Arc<PostgresLog>,
    api: JoinSet<Result<(), Error>>,
    tasks: JoinSet<Result<(), Error>>,
    stop_api: CancellationToken,
    stop_rest: CancellationToken,
    pools: Vec<PgPool>,
}

impl Services {
    /// Starts the parts on a migrated database.
    ///
    /// # Errors
    /// When the database does not answer, its tables are not this program's, or the address is taken.
    pub async fn start(database: &PgConnectOptions, parts: Parts) -> Result<Self, Error> {
        database::probe(database).await?;
        let pool = PgPoolOptions::new()
            .max_connections(6)
            .acquire_timeout(PATIENCE)
            .connect_with(database.clone())
            .await?;
        database::check_schema(&pool).await?;
        let log = Arc::new(PostgresLog::connect(database.clone(), PostgresLogConfig::default()).await?);
        let mut services = Self {
            address: None,
            log,
            api: JoinSet::new(),
            tasks: JoinSet::new(),
            stop_api: CancellationToken::new(),
            stop_rest: CancellationToken::new(),
            pools: vec![pool.clone()],
        };
        if let Some(http) = parts.http {
            services.start_api(database, &pool, http, parts.sweeper).await?;
        }
        if parts.projector {
            let projector = Projector::new(services.log.clone(), pool, ProjectorConfig::default());
            let stop = services.stop_rest.clone();
            services.tasks.spawn(async move { Ok(projector.run(stop).await?) });
        }
        Ok(services)
    }

    async fn start_api(
        &mut self,
        database: &PgConnectOptions,
        pool: &PgPool,
        http: HttpArgs,
        sweeper: Option<SweeperArgs>,
    ) -> Result<(), Error> {
        let metrics = exporter::install()?;
        let refresh = metrics.clone();
        let stop = self.stop_rest.clone();
        self.tasks.spawn(async move {
            // Histograms gather samples until somebody asks; nobody may ask for a long time.
            while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(5))).await.is_some() {
                refresh.run_upkeep();
            }
            Ok(())
        });

        let reads = ReadPool::pool_options()
            .max_connections(http.read_connections)
            .acquire_timeout(PATIENCE)
            .connect_with(database.clone())
            .await?;
        self.pools.push(reads.clone());
        let log: Arc<dyn EventLog> = self.log.clone();
        let state = ApiState {
            config: Arc::new(ApiConfig {
                max_body_bytes: http.max_body_bytes,
                request_timeout: Duration::from_secs(http.request_timeout_seconds),
                ..ApiConfig::default()
            }),
            commands: Commands::new(log.clone()),
            reads: ReadPool::new(reads),
            freshness: Freshness::start(pool.clone(), log.clone(), self.stop_rest.clone()),
            tokens: Tokens::start(pool.clone(), self.stop_rest.clone()),
            log,
        };
        if let Some(sweeper) = sweeper.filter(|sweeper| !sweeper.no_sweeper) {
            let grace = TimeDelta::seconds(sweeper.stale_grace_seconds.into());
            let config = SweeperConfig { grace, ..SweeperConfig::default() };
            let sweeper = Sweeper::new(state.commands.clone(), pool.clone(), config);
            let stop = self.stop_rest.clone();
            self.tasks.spawn(async move {
                sweeper.run(stop).await;
                Ok(())
            });
        }
        let router = api::router(state, move || metrics.render());

        let bad_address = |source| Error::Listen { address: http.listen, source };
        let listener = TcpListener::bind(http.listen).await.map_err(bad_address)?;
        self.address = Some(listener.local_addr().map_err(bad_address)?);
        let (stop, connections) = (self.stop_api.clone(), http.max_connections);
        self.api
            .spawn(async move { api::serve(listener, router, connections, stop).await.map_err(Error::Api) });
        Ok(())
    }

    /// Resolves when a part stops though nobody asked it to.
    pub async fn failed(&mut self) -> Error {
        let ended = tokio::select! {
            Some(ended) = self.api.join_next() => ended,
            Some(ended) = self.tasks.join_next() => ended,
            else => std::future::pending().await,
        };
        match ended {
            Ok(Ok(())) => Error::Stopped,
            Ok(Err(error)) => error,
            Err(panicked) => panicked.into(),
        }
    }

    /// Stops all parts where they are.
    pub fn abort(mut self) {
        self.api.abort_all();
        self.tasks.abort_all();
    }

    /// Stops all parts in order: first no more requests, then the projector and the log's readers, then
    /// the log itself, which finishes the appends that it has accepted.
    ///
    /// # Errors
    /// The first part that ended badly.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.stop_api.cancel();
        let mut result = joined(&mut self.api).await;
        self.stop_rest.cancel();
        result = result.and(joined(&mut self.tasks).await);
        self.log.shutdown().await;
        for pool in self.pools {
            pool.close().await;
        }
        result
    }
}

/// Waits for all of them; gives the first failure.
async fn joined(tasks: &mut JoinSet<Result<(), Error>>) -> Result<(), Error> {
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        result = result.and(ended.map_err(Error::from).and_then(|ended| ended));
    }
    result
}
