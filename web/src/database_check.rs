//! Whether the database answers, and has what readers, the program and the log's history need.

use std::sync::Arc;
use std::time::Duration;

use migrations::Missing;
use moka::future::Cache;
use reads::look_as_readers;
use sqlx::{PgConnection, PgPool};

/// For how long a look at the rights stands. The check needs no token, so it must not ask the database each time.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// Looks at the database on a connection of the program's own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DatabaseCheck {
    pool: PgPool,
    /// What was found when it was last looked.
    rights: Cache<(), Arc<Rights>>,
}

/// What a look at the rights in the database has found.
#[derive(Debug)]
pub struct Rights {
    /// Whether a read as readers read went well.
    pub as_readers: bool,
    /// What the database lacks that readers, the program or the log's history need.
    pub missing: Vec<Missing>,
    /// Whether history is sealed, and as it was.
    pub sealing: Sealing,
}

/// Whether history is sealed, by whichever process, and as it was sealed.
#[derive(Debug, Clone, Copy)]
pub struct Sealing {
    /// Whether a sealer is at work.
    pub active: bool,
    /// How many runs and logs are not as they were sealed.
    pub findings: i64,
}

async fn sealing(db: &mut PgConnection) -> Result<Sealing, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT COALESCE(lease_until > clock_timestamp(), false) AS "active!",
               (SELECT count(*) FROM seal.findings) AS "findings!"
           FROM seal.progress"#
    );
    let row = row.fetch_one(db).await?;
    Ok(Sealing { active: row.active, findings: row.findings })
}

impl DatabaseCheck {
    /// Looks at that database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, rights: Cache::builder().time_to_live(FRESH_FOR).build() }
    }

    /// Asks the database for nothing but an answer.
    ///
    /// # Errors
    /// The database's.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop)
    }

    /// Whether readers get their rows, and what the database lacks, as it was a moment ago at most.
    ///
    /// # Errors
    /// The database's.
    pub async fn rights(&self) -> Result<Arc<Rights>, Arc<sqlx::Error>> {
        let look = async {
            let mut connection = self.pool.acquire().await?;
            let as_readers = match look_as_readers(&mut connection).await {
                Ok(()) => true,
                Err(sqlx::Error::Database(error)) => {
                    tracing::warn!(%error, "readers can't read");
                    false
                }
                Err(error) => return Err(error),
            };
            let missing = migrations::missing(&mut connection).await?;
            let sealing = sealing(&mut connection).await?;
            Ok(Arc::new(Rights { as_readers, missing, sealing }))
        };
        self.rights.try_get_with((), look).await
    }
}
