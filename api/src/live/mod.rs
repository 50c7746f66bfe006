//! What happens to a tenant's runs, told as it happens.
//!
//! One task reads, however many listen: after each move of the projection it asks once which runs have
//! changed for the tenants that anybody listens to, and hands that to their listeners. The read tables are
//! the truth; the projector's announcement only says when to look. A listener that comes back with the last
//! position it has seen is told what it missed from the same tables, by a query of its own.

mod changes;
mod listener;
mod reader;
mod seen;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::TenantId;
use eventlog::Position;
use sqlx::PgPool;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::freshness::Freshness;
use crate::problem::Problem;
use crate::state::ApiState;
use changes::RunChange;

/// How many turns of the reader are kept for a listener that is slow. Who is slower starts over.
const KEPT: usize = 64;

/// Tells listeners what changes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pool: PgPool,
    channels: Mutex<HashMap<TenantId, Channel>>,
    /// Somebody has begun to listen.
    wanted: Notify,
    stop: CancellationToken,
}

/// The listeners of a tenant.
#[derive(Debug)]
struct Channel {
    listeners: broadcast::Sender<Turn>,
    /// What happened up to here was sent.
    reached: Position,
}

/// What one turn of the reader has found for a tenant.
#[derive(Debug, Clone)]
enum Turn {
    /// These runs have changed, in the order of their positions.
    Runs(Arc<[RunChange]>),
    /// The tables were replaced, or too much has changed: what was shown must be read anew.
    Reset(Position),
}

impl Live {
    /// Begins to read for whoever listens, until `stop`, which ends all streams. Must be called within a
    /// Tokio runtime. `pool` lends one connection for each turn.
    #[must_use]
    pub fn start(pool: PgPool, freshness: &Freshness, stop: CancellationToken) -> Self {
        let shared = Shared { pool, channels: Mutex::default(), wanted: Notify::new(), stop: stop.clone() };
        let live = Self { shared: Arc::new(shared) };
        tokio::spawn(reader::read(live.clone(), freshness.watch(), stop));
        live
    }

    /// Begins to listen to a tenant's runs: what changes after the projection's position at some moment
    /// before the answer will come.
    ///
    /// # Errors
    /// 503 when the database does not answer.
    async fn subscribe(&self, tenant: &TenantId) -> Result<broadcast::Receiver<Turn>, Problem> {
        if let Some(channel) = self.channels().get(tenant) {
            return Ok(channel.listeners.subscribe());
        }
        // The reader goes on from here, and whoever listens reads its own view only after this.
        let reached = reader::checkpoint(&self.shared.pool).await?;
        let mut channels = self.channels();
        let channel = channels
            .entry(tenant.clone())
            .or_insert_with(|| Channel { listeners: broadcast::Sender::new(KEPT), reached });
        let receiver = channel.listeners.subscribe();
        drop(channels);
        self.shared.wanted.notify_one();
        Ok(receiver)
    }

    fn channels(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Channel>> {
        self.shared.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The streams, to be served with the rest.
#[must_use]
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(stream::stream_tenant)).routes(routes!(stream::stream_run))
}
