//! Events of administration that a program before this one has passed over: it knew no streams of that kind, and moved
//! the checkpoint beyond them.

use eventlog::EventLog;
use eventlog::streams::admin_stream;

use crate::apply::lock_checkpoint;
use crate::batch::CountFrom;
use crate::error::{ProjectorError, unsigned};
use crate::lease::Lease;
use crate::maintenance::refold;
use crate::tables::Tables;

/// Folds what is missing up to the checkpoint, a transaction a tenant, unless somebody else has the lease.
pub(crate) async fn fold_missed(
    log: &dyn EventLog,
    tables: &Tables,
    lease: &Lease,
) -> Result<(), ProjectorError> {
    let mut tx = tables.begin().await?;
    let behind = sqlx::query_scalar!(
        "SELECT s.tenant FROM administration.admin_streams AS s
         WHERE s.next_revision >
             (SELECT COALESCE(max(e.revision) + 1, 0) FROM admin_events AS e WHERE e.tenant = s.tenant)"
    )
    .fetch_all(&mut *tx)
    .await?;
    drop(tx);
    for tenant in behind {
        let Ok(tenant) = tenant.parse() else { continue };
        let mut tx = tables.begin().await?;
        let checkpoint = lock_checkpoint(&mut tx, Some(lease)).await?;
        let next = sqlx::query_scalar!(
            r#"SELECT COALESCE(max(revision) + 1, 0) AS "next!" FROM admin_events WHERE tenant = $1"#,
            domain::TenantId::as_str(&tenant)
        )
        .fetch_one(&mut *tx)
        .await?;
        refold(&mut tx, log, &admin_stream(&tenant), unsigned(next)?, checkpoint, CountFrom::START).await?;
        tx.commit().await?;
    }
    Ok(())
}
