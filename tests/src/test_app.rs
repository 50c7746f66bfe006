//! The test app: starting and stopping API, event log and projector.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use access::{Role, create_tenant, create_token};
use api::{ApiConfig, ApiParts, ApiState};
use commands::{Commands, CommandsConfig, Keys, Relay};
use eventlog::EventLog;
use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use inlets::{Orderer, OrdererConfig, Receiver, ReceiverConfig};
use projector::{Projector, ProjectorConfig};
use reads::Ledger;
use reads::ReadPool;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;
use web::ServeConfig;

use crate::client::Client;

/// Has what the program logs as an error printed with a test that fails: an answer of 500 does not say why.
fn tell_errors() {
    let errors = tracing_subscriber::fmt().with_max_level(LevelFilter::ERROR).with_test_writer();
    // An earlier test of the process has done it.
    drop(errors.try_init());
}

/// What is to be started, and how. By default with more patience than people have: that a machine is busy decides no
/// test.
pub struct Setup {
    /// Leaves the projector out.
    pub without_projector: bool,
    /// The API's settings.
    pub api: ApiConfig,
    /// How its connections are served.
    pub serve: ServeConfig,
    /// The commands' settings.
    pub commands: CommandsConfig,
}

impl Default for Setup {
    fn default() -> Self {
        let (request_timeout, max_after_wait) = (Duration::from_secs(120), Duration::from_secs(90));
        Self {
            without_projector: false,
            api: ApiConfig { request_timeout, max_after_wait, ..ApiConfig::default() },
            serve: ServeConfig::default(),
            commands: CommandsConfig::default(),
        }
    }
}

/// API, event log and projector on one database, with the tenants `demo` and `other`.
pub struct TestApp {
    /// To look into the database. The superuser's: it sees all tenants.
    pub pool: PgPool,
    /// The log that the projector and the first API use.
    pub log: Arc<PostgresLog>,
    url: String,
    tokens: HashMap<(&'static str, Role), String>,
    database: PgConnectOptions,
    logs: Vec<Arc<PostgresLog>>,
    pools: Vec<PgPool>,
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
}

impl TestApp {
    /// The tenants, each with one token per role. The principal of a token is called like its role.
    pub const TENANTS: [&'static str; 2] = ["demo", "other"];

    /// Starts all of its parts.
    pub async fn start(pool: PgPoolOptions, database: PgConnectOptions) -> Self {
        Self::with(pool, database, Setup::default()).await
    }

    /// Starts what `setup` says.
    pub async fn with(pool: PgPoolOptions, database: PgConnectOptions, setup: Setup) -> Self {
        tell_errors();
        let pool = pool.connect_with(database.clone()).await.unwrap();
        let mut tokens = HashMap::new();
        for tenant in Self::TENANTS {
            let id = tenant.parse().unwrap();
            create_tenant(&pool, &id, tenant).await.unwrap();
            for role in Role::ALL {
                let made = create_token(&pool, &id, role, &role.as_str().parse().unwrap()).await.unwrap();
                tokens.insert((tenant, role), made.token.reveal().to_owned());
            }
        }
        let log = connect_log(&database).await;
        let mut app = Self {
            pool,
            log: log.clone(),
            url: String::new(),
            tokens,
            database,
            logs: vec![log.clone()],
            pools: Vec::new(),
            tasks: JoinSet::new(),
            shutdown: CancellationToken::new(),
        };
        app.url = app.serve(log.clone(), setup.api, setup.commands, setup.serve).await;
        if !setup.without_projector {
            app.start_projector();
        }
        app
    }

    /// The position of the log's last event.
    ///
    /// # Panics
    /// When the log does not answer.
    pub async fn head(&self) -> u64 {
        self.log.head().await.unwrap().0
    }

    /// What takes the administration's changes to the log. It is not running: a test says when.
    pub async fn relay(&self) -> Relay {
        let keys = Keys::load(&self.pool).await.unwrap();
        Relay::new(Commands::new(self.log.clone(), keys), self.pool.clone())
    }

    /// What takes to the log what came in through inlets, with a cache of its own as another process would have it. It
    /// is not running: a test says when.
    pub async fn orderer(&self) -> Orderer {
        let keys = Keys::load(&self.pool).await.unwrap();
        let receiver = Receiver::new(self.pool.clone(), ReceiverConfig::default());
        Orderer::new(Commands::new(self.log.clone(), keys), receiver, OrdererConfig::default())
    }

    /// Starts the projector, where the setup left it out.
    pub fn start_projector(&mut self) {
        let projector = Projector::new(self.log.clone(), self.pool.clone(), ProjectorConfig::default());
        let stop = self.shutdown.clone();
        self.tasks.spawn(async move { projector.run(stop).await.unwrap() });
    }

    /// Starts another API on the same database, as another process would be: with a log, a cache and
    /// connections of its own. The answer is its address.
    pub async fn another_api(&mut self) -> String {
        let log = connect_log(&self.database).await;
        self.logs.push(log.clone());
        self.serve(log, ApiConfig::default(), CommandsConfig::default(), ServeConfig::default()).await
    }

    async fn serve(
        &mut self,
        log: Arc<dyn EventLog>,
        config: ApiConfig,
        commands: CommandsConfig,
        serve: ServeConfig,
    ) -> String {
        let reads = ReadPool::pool_options()
            .max_connections(4)
            .connect_with(ReadPool::connect_options(self.database.clone()))
            .await
            .unwrap();
        self.pools.push(reads.clone());
        // Tokens and freshness keep one connection each to listen on.
        let pool = PgPoolOptions::new().max_connections(4).connect_with(self.database.clone()).await.unwrap();
        self.pools.push(pool.clone());
        let ledger = Ledger::load(&pool).await.unwrap();
        let keys = Keys::load(&pool).await.unwrap();
        let state = ApiState::start(ApiParts {
            config,
            ledger,
            commands: Commands::with_config(log.clone(), keys, commands),
            log,
            pool: pool.clone(),
            reads,
            stop_streams: self.shutdown.clone(),
            stop: self.shutdown.clone(),
        })
        .await;
        let router = web::router(state, pool, String::new);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if serve.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let stop = self.shutdown.clone();
        self.tasks.spawn(async move { web::serve(listener, router, serve, stop).await.unwrap() });
        url
    }

    /// The address of the first API.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The token of a tenant's role.
    #[must_use]
    pub fn token(&self, tenant: &'static str, role: Role) -> &str {
        &self.tokens[&(tenant, role)]
    }

    /// A client of the tenant `demo` in a role.
    #[must_use]
    pub fn client(&self, role: Role) -> Client {
        self.client_of("demo", role)
    }

    /// A client of a tenant in a role.
    #[must_use]
    pub fn client_of(&self, tenant: &'static str, role: Role) -> Client {
        Client::new(&self.url, tenant, self.token(tenant, role))
    }

    /// A producer of the tenant `demo`.
    #[must_use]
    pub fn producer(&self) -> Client {
        self.client(Role::Producer)
    }

    /// Stops all of it. A panic in the background is the test's.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = in_time("a part to stop", self.tasks.join_next()).await {
            if let Err(error) = ended {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        for log in self.logs {
            log.shutdown().await;
        }
        for pool in self.pools {
            pool.close().await;
        }
        self.pool.close().await;
    }
}

/// Idempotency keys for a test without a database.
#[must_use]
pub fn keys() -> Keys {
    Keys::new([7; 32].into())
}

async fn connect_log(database: &PgConnectOptions) -> Arc<PostgresLog> {
    Arc::new(PostgresLog::connect(database.clone(), PostgresLogConfig::default()).await.unwrap())
}

/// Waits for something that must happen, with a bound that only a broken app reaches.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap_or_else(|_| panic!("waited for {what}"))
}
