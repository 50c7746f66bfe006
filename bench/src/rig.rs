//! A private Postgres of the bench's own, with durability on, and migrated databases in it.

use std::str::FromStr;

use private_postgres::{PrivatePostgres, PrivatePostgresConfig};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tempfile::TempDir;

use crate::Failure;

/// The server and its folder; both go when it is stopped.
pub struct Rig {
    postgres: PrivatePostgres,
    _folder: TempDir,
}

impl Rig {
    /// Starts the server and makes the tables.
    pub async fn start() -> Result<Self, Failure> {
        let folder = TempDir::new()?;
        let postgres = PrivatePostgres::start(PrivatePostgresConfig {
            data_dir: folder.path().to_owned(),
            bin_dir: std::env::var_os("PG_BIN_DIR").map(Into::into),
            releases_url: None,
            cache_dir: None,
        })
        .await?;
        let rig = Self { postgres, _folder: folder };
        let pool = rig.pool(1).await?;
        migrations::MIGRATOR.run(&pool).await?;
        // The baselines write to a table of the log's own form, without its lock and its order.
        sqlx::raw_sql(
            "CREATE TABLE public.plain (LIKE log.events INCLUDING ALL); \
             CREATE SEQUENCE public.plain_position OWNED BY public.plain.position; \
             ALTER TABLE public.plain ALTER position SET DEFAULT nextval('plain_position')",
        )
        .execute(&pool)
        .await?;
        pool.close().await;
        Ok(rig)
    }

    /// How to connect to the main database, as its superuser.
    pub fn options(&self) -> PgConnectOptions {
        self.postgres.connect_options()
    }

    /// The main database for the environment of another program. Holds a password.
    pub fn url(&self) -> String {
        self.postgres.url()
    }

    /// Connections to the main database.
    pub async fn pool(&self, connections: u32) -> Result<PgPool, sqlx::Error> {
        connect(self.options(), connections).await
    }

    /// Makes a further database with all tables. `name` is a plain word of ours.
    pub async fn make_database(&self, name: &str) -> Result<PgConnectOptions, Failure> {
        self.tell(&format!("CREATE DATABASE {name}")).await?;
        let options = self.options().database(name);
        let pool = connect(options.clone(), 1).await?;
        migrations::MIGRATOR.run(&pool).await?;
        pool.close().await;
        Ok(options)
    }

    /// Removes a database that [`Self::make_database`] made.
    pub async fn drop_database(&self, name: &str) -> Result<(), Failure> {
        self.tell(&format!("DROP DATABASE {name} WITH (FORCE)")).await
    }

    /// Empties the write-back queue, so that a round does not pay for the one before it.
    pub async fn checkpoint(&self) -> Result<(), Failure> {
        self.tell("CHECKPOINT").await
    }

    /// The server's version, as it calls itself.
    pub async fn version(&self) -> Result<String, Failure> {
        let pool = self.pool(1).await?;
        let version = sqlx::query_scalar("SHOW server_version").fetch_one(&pool).await?;
        pool.close().await;
        Ok(version)
    }

    async fn tell(&self, sql: &str) -> Result<(), Failure> {
        let pool = self.pool(1).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&pool).await?;
        pool.close().await;
        Ok(())
    }

    /// Stops the server and removes its folder.
    pub async fn stop(self) -> Result<(), Failure> {
        Ok(self.postgres.stop().await?)
    }
}

/// Connections to a database.
pub async fn connect(options: PgConnectOptions, connections: u32) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new().max_connections(connections).connect_with(options).await
}

/// The machine: processors, memory and kernel, as `/proc` tells them.
pub fn machine() -> Result<String, Failure> {
    let cores = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kilobytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = kilobytes.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    let gigabytes = kilobytes.map_or(f64::NAN, |kilobytes: f64| kilobytes / 1_048_576.0);
    let model = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = String::from_str(kernel.trim())?;
    Ok(format!("{cores} cores ({model}), {gigabytes:.0} GiB of memory, Linux {kernel}"))
}

/// The machine's load averages over 1, 5 and 15 minutes: what else runs on it.
pub fn load() -> Result<String, Failure> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
