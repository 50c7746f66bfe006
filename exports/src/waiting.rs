//! Waiting until something is sealed: one look at the tables for all who wait, and none while nobody does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::TenantId;
use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// How long it is between two looks. Checkpoints come every ten seconds.
const PAUSE: Duration = Duration::from_millis(300);

/// Tells how large the signed trees of tenants are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sealing {
    pool: PgPool,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The size of each tenant's newest signed checkpoint that somebody waits for; 0 where there is none.
    tenants: Mutex<HashMap<String, watch::Sender<i64>>>,
    wanted: Notify,
}

impl Sealing {
    /// Looks until `stop`, while somebody waits. Must be called within a Tokio runtime.
    #[must_use]
    pub fn start(pool: PgPool, stop: CancellationToken) -> Self {
        let sealing = Self { pool, shared: Arc::default() };
        let looking = sealing.clone();
        tokio::spawn(async move { stop.run_until_cancelled(looking.look_on()).await });
        sealing
    }

    /// Whether the ledger seals anything at all.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_on(&self) -> Result<bool, sqlx::Error> {
        let on = sqlx::query_scalar!(r#"SELECT key_id IS NOT NULL AS "on!" FROM seal.progress"#);
        on.fetch_one(&self.pool).await
    }

    /// Changes whenever the tenant has a new signed checkpoint. What was not looked at before is new, too.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> watch::Receiver<i64> {
        let of = {
            let mut tenants = self.tenants();
            tenants.entry(tenant.to_string()).or_insert_with(|| watch::Sender::new(-1)).subscribe()
        };
        self.shared.wanted.notify_one();
        of
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<i64>>> {
        self.shared.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_on(&self) {
        loop {
            let wanted: Vec<String> = {
                let mut tenants = self.tenants();
                tenants.retain(|_, of| of.receiver_count() > 0);
                tenants.keys().cloned().collect()
            };
            if wanted.is_empty() {
                self.shared.wanted.notified().await;
                continue;
            }
            match self.look(&wanted).await {
                Ok(sizes) => {
                    let tenants = self.tenants();
                    for (tenant, size) in sizes {
                        if let Some(of) = tenants.get(&tenant) {
                            of.send_if_modified(|known| std::mem::replace(known, size) != size);
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "how far history is sealed is not known"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&self, tenants: &[String]) -> Result<Vec<(String, i64)>, sqlx::Error> {
        let rows = sqlx::query!(
            r#"SELECT w.tenant AS "tenant!", COALESCE((
                   SELECT c.size FROM seal.logs AS l JOIN seal.checkpoints AS c USING (log_id)
                   WHERE l.tenant = w.tenant AND c.note IS NOT NULL ORDER BY c.size DESC LIMIT 1
               ), 0) AS "size!" FROM unnest($1::text[]) AS w (tenant)"#,
            tenants
        );
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(|row| (row.tenant, row.size)).collect())
    }
}
