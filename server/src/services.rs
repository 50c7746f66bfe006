//! The parts of the program, put together: event log, API, projector.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::{ApiConfig, ApiParts, ApiState};
use chrono::TimeDelta;
use commands::{Commands, CommandsConfig, Keys, Relay, Sweeper, SweeperConfig};
use eventlog::EventLog;
use inlets::Orderer;
use projector::{Projector, ProjectorConfig, ProjectorError};
use reads::Ledger;
use reads::ReadPool;
use seal::policy::Policy;
use sealer::{Sealer, SealerConfig, TimeStamping};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use web::{Door, Listeners, ServeConfig};

use crate::cli::{HttpArgs, InletArgs, KeyArgs, SealArgs, SweeperArgs};
use crate::error::Error;
use crate::event_log::LogLocation;
use crate::tls::Certificate;
use crate::{connect, database, exporter, keys, rights};

/// How long a request waits for a connection to the database. Well below the time that a request may take,
/// so that a database that is away is named as what is wrong, and soon.
const PATIENCE: Duration = Duration::from_secs(3);

/// The pause when the database went away again just after it came.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a log on a cluster may seem to have lost events until that is believed.
const ELECTION: Duration = Duration::from_secs(5);

/// Clients of the page with the metrics that may be connected at once.
const METRICS_CLIENTS: usize = 64;

/// Which parts run in this process.
#[derive(Debug)]
pub struct Parts {
    /// The API, and what it listens on: bound before anything else, so that a port that is taken is told first.
    pub http: Option<(HttpArgs, Listeners)>,
    /// The API's certificate, where it speaks TLS.
    pub tls: Option<Certificate>,
    /// By what the API knows equal operations.
    pub keys: Option<KeyArgs>,
    /// The projector.
    pub projector: bool,
    /// The sweeper, as it is set; it comes with the API.
    pub sweeper: Option<SweeperArgs>,
    /// What takes to the log what comes in through inlets, as it is set; it comes with the API.
    pub inlets: Option<InletArgs>,
    /// What seals history, if anything does.
    pub seal: Option<SealArgs>,
    /// Where a page with the metrics is, in a process without the API.
    pub metrics: Option<Listeners>,
    /// Where the events are.
    pub event_log: LogLocation,
    /// Whether the tables are brought up to date first.
    pub migrate: bool,
}

/// The running parts.
pub struct Services {
    /// Where the API really listens; nowhere where it does not run.
    pub addresses: Vec<SocketAddr>,
    log: Arc<dyn EventLog>,
    api: JoinSet<Result<(), Error>>,
    tasks: JoinSet<Result<(), Error>>,
    stop_api: CancellationToken,
    stop_rest: CancellationToken,
    pools: Vec<PgPool>,
}

impl Services {
    /// Starts the parts, as soon as the database answers. Until then the API says that it does not.
    ///
    /// # Errors
    /// When the database refuses us, or its tables or the rights on them are not this program's.
    pub async fn start(database: &PgConnectOptions, parts: Parts) -> Result<Self, Error> {
        let stop_api = CancellationToken::new();
        let (mut api, mut tasks) = (JoinSet::new(), JoinSet::new());
        let (door, stop_rest) = (Door::default(), CancellationToken::new());
        let mut addresses = Vec::new();
        let mut metrics = None;
        if parts.http.is_some() || parts.metrics.is_some() {
            let handle = exporter::install()?;
            tasks.spawn(exporter::keep_up(handle.clone(), stop_rest.clone()));
            metrics = Some(handle);
        }
        let mut http = None;
        if let Some((args, listeners)) = parts.http {
            let certificate = parts.tls;
            addresses = listeners.addresses().map_err(Error::Api)?;
            let serving = ServeConfig {
                max_connections: args.max_connections,
                keep_alive: Duration::from_secs(args.keep_alive_seconds),
                tls: certificate.as_ref().map(Certificate::config).transpose()?,
                ..ServeConfig::default()
            };
            if let Some(certificate) = certificate {
                tasks.spawn(certificate.keep_up(stop_rest.clone()));
            }
            let (routes, stop) = (door.routes(), stop_api.clone());
            api.spawn(async move { web::serve(listeners, routes, serving, stop).await.map_err(Error::Api) });
            http = Some(args);
        }
        if let (Some(listener), Some(handle)) = (parts.metrics, metrics.clone()) {
            let page = web::metrics_router(move || handle.render());
            let (serving, stop) = (metrics_serving(), stop_rest.clone());
            tasks.spawn(async move { web::serve(listener, page, serving, stop).await.map_err(Error::Api) });
        }

        let listening = addresses.first().copied();
        let (pool, log) = open(database, &parts.event_log, parts.migrate, listening, &door).await?;
        let mut services =
            Self { addresses, log, api, tasks, stop_api, stop_rest, pools: vec![pool.clone()] };
        if let (Some(http), Some(metrics)) = (http, metrics) {
            let ledger = Ledger::load(&pool).await?;
            let keys = keys::load(&pool, &*services.log, parts.keys.as_ref()).await?;
            let reads = read_pool(database, &http);
            services.pools.push(reads.clone());
            let inlets = parts.inlets.unwrap_or_default();
            let state = services.api_state(reads.clone(), &pool, &http, &inlets, ledger, keys).await;
            let freshness = state.freshness.clone();
            let stop = services.stop_rest.clone();
            services.tasks.spawn(async move {
                match stop.run_until_cancelled(freshness.restored()).await {
                    // What is remembered of runs and positions would be mixed with what is there now.
                    Some(()) => Err(Error::Restored),
                    None => Ok(()),
                }
            });
            services.start_sweeper(&state, &pool, parts.sweeper);
            services.start_relay(&state, &pool);
            services.start_orderer(&state, &inlets);
            fill(&reads).await;
            door.open(web::router(state, pool.clone(), move || metrics.render()));
        }
        services.start_sealer(&pool, parts.seal).await?;
        if parts.projector {
            let projector = Projector::new(services.log.clone(), pool, ProjectorConfig::default());
            let stop = services.stop_rest.clone();
            services.tasks.spawn(async move { Ok(projector.run(stop).await?) });
        }
        Ok(services)
    }

    async fn api_state(
        &self,
        reads: PgPool,
        pool: &PgPool,
        http: &HttpArgs,
        inlets: &InletArgs,
        ledger: Ledger,
        keys: Keys,
    ) -> ApiState {
        let max_age = http.max_age_seconds.map(|seconds| TimeDelta::seconds(seconds.into()));
        let commands = CommandsConfig { max_age, ..CommandsConfig::default() };
        ApiState::start(ApiParts {
            config: ApiConfig {
                max_body_bytes: http.max_body_bytes,
                request_timeout: Duration::from_secs(http.request_timeout_seconds),
                base_path: http.base_path.clone(),
                cors_origins: http.cors_origins.clone(),
                inlets: inlets.receiving(),
                ..ApiConfig::default()
            },
            ledger,
            log: self.log.clone(),
            commands: Commands::with_config(self.log.clone(), keys, commands),
            pool: pool.clone(),
            reads,
            stop_streams: self.stop_api.clone(),
            stop: self.stop_rest.clone(),
        })
        .await
    }

    fn start_sweeper(&mut self, state: &ApiState, pool: &PgPool, sweeper: Option<SweeperArgs>) {
        let Some(sweeper) = sweeper.filter(|sweeper| !sweeper.no_sweeper) else { return };
        let grace = TimeDelta::seconds(sweeper.stale_grace_seconds.into());
        let config = SweeperConfig { grace, ..SweeperConfig::default() };
        let sweeper = Sweeper::new(state.commands.clone(), pool.clone(), config);
        let stop = self.stop_rest.clone();
        self.tasks.spawn(async move {
            sweeper.run(stop).await;
            Ok(())
        });
    }

    async fn start_sealer(&mut self, pool: &PgPool, seal: Option<SealArgs>) -> Result<(), Error> {
        let Some(seal) = seal else { return Ok(()) };
        let Some(keys) = seal.seal_key else {
            tracing::warn!(
                "history is not sealed: name a key with --seal-key (`runledger seal keygen` makes one)"
            );
            return Ok(sealer::tell_stopped(pool).await?);
        };
        let config = SealerConfig {
            sign_every: Duration::from_secs(seal.seal_every_seconds),
            time_stamps: (!seal.seal_timestamp.is_empty()).then(|| TimeStamping {
                authorities: seal.seal_timestamp.clone(),
                every: Duration::from_secs(seal.seal_timestamp_every_seconds),
            }),
            witnesses: seal.seal_policy.as_deref().map(policy).transpose()?,
            ..SealerConfig::default()
        };
        let sealer = Sealer::new(self.log.clone(), pool.clone(), keys, config)?;
        let stop = self.stop_rest.clone();
        self.tasks.spawn(async move {
            sealer.run(stop).await;
            Ok(())
        });
        Ok(())
    }

    /// What was administered gets into the log by whatever process serves.
    fn start_relay(&mut self, state: &ApiState, pool: &PgPool) {
        let relay = Relay::new(state.commands.clone(), pool.clone());
        let stop = self.stop_rest.clone();
        self.tasks.spawn(async move {
            relay.run(stop).await;
            Ok(())
        });
    }

    /// What comes in through inlets gets into the log by whatever process serves.
    fn start_orderer(&mut self, state: &ApiState, inlets: &InletArgs) {
        let orderer = Orderer::new(state.commands.clone(), state.inlets.clone(), inlets.ordering());
        let stop = self.stop_rest.clone();
        self.tasks.spawn(async move {
            orderer.run(stop).await;
            Ok(())
        });
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

/// Opens the database and its log, however long it takes until they answer.
async fn open(
    database: &PgConnectOptions,
    event_log: &LogLocation,
    migrate: bool,
    listening: Option<SocketAddr>,
    door: &Door,
) -> Result<(PgPool, Arc<dyn EventLog>), Error> {
    loop {
        connect::wait(database, listening).await?;
        match open_once(database, event_log, migrate, door).await {
            Err(error) if error.is_away() => {
                tracing::warn!(%error, "the database went away again; trying again in {PAUSE:?}");
                tokio::time::sleep(PAUSE).await;
            }
            opened => return opened,
        }
    }
}

fn read_pool(database: &PgConnectOptions, http: &HttpArgs) -> PgPool {
    ReadPool::pool_options()
        .max_connections(http.read_connections)
        // Kept open while nobody reads, see [`fill`].
        .min_connections(http.read_connections)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(ReadPool::connect_options(database.clone()))
}

/// Opens a pool's connections before anybody waits for one. The pool itself opens its least number only after others
/// were closed. While the program is busy it would take seconds: the client hashes the password in 4,096 steps, and
/// lets everybody else have a turn after each five of them.
async fn fill(pool: &PgPool) {
    let connections = pool.options().get_min_connections();
    let mut opening = JoinSet::new();
    for _ in 0..connections {
        let pool = pool.clone();
        opening.spawn(async move { pool.acquire().await });
    }
    if let Some(error) = opening.join_all().await.into_iter().find_map(Result::err) {
        tracing::warn!(%error, "not all of {connections} connections for reads could be opened; more are tried later");
    }
}

async fn open_once(
    database: &PgConnectOptions,
    event_log: &LogLocation,
    migrate: bool,
    door: &Door,
) -> Result<(PgPool, Arc<dyn EventLog>), Error> {
    if migrate {
        database::migrate(database, None).await?;
    }
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(PATIENCE)
        .connect_with(database.clone())
        .await?;
    database::check_schema(&pool).await?;
    rights::check(&mut *pool.acquire().await?).await?;
    event_log.claim(&pool).await?;
    door.database_answered();
    let log = event_log.open_answering(database).await?;
    must_agree(event_log, &log, &pool).await?;
    Ok((pool, log))
}

/// Makes sure that the log has what the read tables were folded from. A leader of a cluster that is none any more
/// may not know its last events, for a moment.
async fn must_agree(event_log: &LogLocation, log: &Arc<dyn EventLog>, pool: &PgPool) -> Result<(), Error> {
    let until = Instant::now() + if event_log.is_in_database() { Duration::ZERO } else { ELECTION };
    loop {
        match projector::check_log(&**log, pool).await {
            Err(error @ ProjectorError::LogBehind { .. }) if Instant::now() < until => {
                tracing::warn!(%error, "asking the log once more in {PAUSE:?}");
                tokio::time::sleep(PAUSE).await;
            }
            checked => return Ok(checked?),
        }
    }
}

/// The policy whose witnesses are asked.
/// A policy of a file.
///
/// # Errors
/// When it can't be read, or is none.
pub fn policy(path: &Path) -> Result<Policy, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
    Policy::parse(&text).map_err(|error| Error::Usage(format!("{}: {error}", path.display())))
}

fn metrics_serving() -> ServeConfig {
    ServeConfig { max_connections: METRICS_CLIENTS, ..ServeConfig::default() }
}

/// Waits for all of them; gives the first failure.
async fn joined(tasks: &mut JoinSet<Result<(), Error>>) -> Result<(), Error> {
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        result = result.and(ended.map_err(Error::from).and_then(|ended| ended));
    }
    result
}
