//! The relay: takes what the database has written down of administration to the event log.
//!
//! Triggers write each change into `administration.changes`, in the transaction that makes it. From there it is appended to the
//! stream `admin-{tenant}`, and only then deleted: a relay that dies in between finds its event in the stream by the
//! id. Any number of relays may run at once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::TenantId;
use domain::admin::{ActorKind, AdminActor, AdminBody, AdminEvent};
use eventlog::fact::Fact;
use redaction::CleanText;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Commands;
use super::error::CommandError;

/// How many changes are taken to the log at once.
const PAGE: i64 = 100;

/// How long it rests between two looks: one look at a table that is nearly always empty.
const PAUSE: Duration = Duration::from_secs(1);

/// How long it rests after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Takes changes from the database to the log of its [`Commands`].
#[derive(Debug)]
pub struct Relay {
    commands: Commands,
    pool: PgPool,
}

/// Why a look ended early.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The log took nothing.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// A row of `administration.changes`.
struct ChangeRow {
    seq: i64,
    change_id: Uuid,
    event_type: String,
    data: serde_json::Value,
    actor_kind: String,
    actor: String,
    token_id: Option<Uuid>,
    request_id: Option<String>,
    recorded_at: DateTime<Utc>,
}

impl Relay {
    /// A relay that appends through `commands` what it finds in the database of that pool, all tenants'.
    #[must_use]
    pub fn new(commands: Commands, pool: PgPool) -> Self {
        Self { commands, pool }
    }

    /// Looks again and again until `stop`. Whatever fails is tried again: until the log has it, the database keeps it.
    pub async fn run(self, stop: CancellationToken) {
        let mut rest = PAUSE;
        loop {
            let Some(looked) = stop.run_until_cancelled(self.relay()).await else { return };
            match looked {
                Ok(_) => rest = PAUSE,
                Err(error) => {
                    metrics::counter!("runledger_admin_relay_failures_total").increment(1);
                    tracing::error!(%error, "what was administered is not in the log yet; trying again");
                    rest = rest.max(AFTER_FAILURE);
                }
            }
            if stop.run_until_cancelled(tokio::time::sleep(rest)).await.is_none() {
                return;
            }
        }
    }

    /// Tells of the tokens whose time is up, takes all changes to the log, and says how many those were.
    ///
    /// # Errors
    /// [`RelayError`]; what was taken until then stays.
    pub async fn relay(&self) -> Result<u64, RelayError> {
        // Each end is told once: the trigger writes it down, and the token keeps which one was told.
        sqlx::query!("SELECT administration.tell_of_expired_tokens()").fetch_one(&self.pool).await?;
        let tenants = sqlx::query_scalar!("SELECT DISTINCT tenant FROM administration.changes");
        let mut taken = 0;
        for tenant in tenants.fetch_all(&self.pool).await? {
            let Ok(tenant) = tenant.parse::<TenantId>() else {
                tracing::error!(tenant, "a change names no tenant; it is left where it is");
                continue;
            };
            let mut after = i64::MIN;
            while let Some((seen, of_page)) = self.page(&tenant, after).await? {
                (after, taken) = (seen, taken + of_page);
            }
        }
        Ok(taken)
    }

    /// Takes a tenant's next changes to the log. Gives the last that it has seen, and how many it took; none where
    /// there are no more, or another relay is at it.
    async fn page(&self, tenant: &TenantId, after: i64) -> Result<Option<(i64, u64)>, RelayError> {
        let mut transaction = database::begin(&self.pool).await?;
        sqlx::query!(
            "INSERT INTO administration.admin_streams (tenant) VALUES ($1) ON CONFLICT DO NOTHING",
            tenant.as_str()
        )
        .execute(&mut *transaction)
        .await?;
        // One relay at a time, for the order of the events. That nothing comes twice does not hang on it.
        let next = sqlx::query_scalar!(
            "SELECT next_revision FROM administration.admin_streams WHERE tenant = $1 FOR UPDATE SKIP LOCKED",
            tenant.as_str()
        );
        let Some(next) = next.fetch_optional(&mut *transaction).await? else { return Ok(None) };
        let rows = sqlx::query_as!(
            ChangeRow,
            "SELECT seq, change_id, event_type, data, actor_kind, actor, token_id, request_id, recorded_at
             FROM administration.changes WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            tenant.as_str(),
            after,
            PAGE
        )
        .fetch_all(&mut *transaction)
        .await?;
        let Some(seen) = rows.last().map(|row| row.seq) else { return Ok(None) };
        let (mut events, mut taken) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in rows {
            let (seq, id) = (row.seq, row.change_id);
            match row.event(tenant) {
                Ok(event) => {
                    events.push(event);
                    taken.push(seq);
                }
                // Of a newer program, or by hand: it waits for who can read it, and holds up no other.
                Err(error) => {
                    tracing::error!(%tenant, %id, error, "a change can't be told; it is left where it is")
                }
            }
        }
        if events.is_empty() {
            return Ok(Some((seen, 0)));
        }
        let next = self.commands.append_administration(tenant, next.unsigned_abs(), &events).await?;
        sqlx::query!("DELETE FROM administration.changes WHERE seq = ANY($1)", &taken)
            .execute(&mut *transaction)
            .await?;
        sqlx::query!(
            "UPDATE administration.admin_streams SET next_revision = $2 WHERE tenant = $1",
            tenant.as_str(),
            i64::try_from(next).unwrap_or(i64::MAX)
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Some((seen, taken.len() as u64)))
    }
}

impl ChangeRow {
    /// The event, which can be read back as it is.
    fn event(self, tenant: &TenantId) -> Result<AdminEvent, String> {
        let kind = ActorKind::parse(&self.actor_kind)
            .ok_or_else(|| format!("{:?} is no kind of actor", self.actor_kind))?;
        let data = serde_json::to_vec(&self.data).map_err(|error| error.to_string())?;
        let event = AdminEvent {
            id: self.change_id,
            tenant: tenant.clone(),
            recorded_at: self.recorded_at,
            actor: AdminActor {
                kind,
                name: CleanText::new(&self.actor),
                token_id: self.token_id,
                // One that is none of ours tells nothing.
                request_id: self.request_id.and_then(|id| id.parse().ok()),
            },
            body: AdminBody::decode(&self.event_type, &data).map_err(|error| error.to_string())?,
        };
        Fact::Admin(&event).record().map_err(|error| error.to_string())?;
        Ok(event)
    }
}
