//! A private Postgres of the bench's own, migrated, with durability on.

use server::postgres::{PrivatePostgres, PrivatePostgresConfig};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tempfile::TempDir;

use crate::Failure;

/// The server and its folder; both go when it is stopped.
pub struct Rig {
    postgres: PrivatePostgres,
    _folder: TempDir,
}

impl Rig {
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

    pub fn options(&self) -> PgConnectOptions {
        self.postgres.connect_options()
    }

    pub async fn pool(&self, connections: u32) -> Result<PgPool, sqlx::Error> {
        PgPoolOptions::new().max_connections(connections).connect_with(self.options()).await
    }

    pub async fn stop(self) -> Result<(), Failure> {
        Ok(self.postgres.stop().await?)
    }
}
