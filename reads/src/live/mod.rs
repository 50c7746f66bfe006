//! What happens to a tenant's runs, told as it happens.
//!
//! One task reads, however many listen: after each move of the projection it asks once which runs have
//! changed for the tenants that anybody listens to, and hands that to their listeners. The read tables are
//! the truth; the projector's announcement only says when to look. A listener that comes back with the last
//! position it has seen is told what it missed from the same tables, by a query of its own.

mod changes;
mod channels;
mod reader;

use std::sync::Arc;

use domain::TenantId;
use sqlx::PgPool;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::error::ReadError;
use crate::freshness::Freshness;
use crate::pool::AllTenants;
use channels::{Channel, Channels, KEPT};

pub use changes::{Changes, NewNotification, RunChange, changes};
pub use channels::Turn;

/// Tells listeners what changes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    channels: Arc<Channels>,
}

impl Live {
    /// Begins to read for all listeners, until `stop`, which ends all streams. Must be called within a
    /// Tokio runtime. `pool` lends one connection for each turn.
    #[must_use]
    pub fn start(pool: PgPool, freshness: &Freshness, stop: CancellationToken) -> Self {
        let channels = Arc::new(Channels::new(AllTenants::new(pool), stop.clone()));
        tokio::spawn(reader::read(channels.clone(), freshness.watch(), stop));
        Self { channels }
    }

    /// Begins to listen to a tenant's runs: what changes after the projection's position at some moment
    /// before the answer will come.
    ///
    /// # Errors
    /// The database's.
    pub async fn subscribe(&self, tenant: &TenantId) -> Result<broadcast::Receiver<Turn>, ReadError> {
        if let Some(channel) = self.channels.lock().get(tenant) {
            return Ok(channel.listeners.subscribe());
        }
        // The reader goes on from here, and a listener reads its own view only after this.
        let reached = reader::checkpoint(&self.channels.all_tenants).await?;
        let mut channels = self.channels.lock();
        let channel = channels
            .entry(tenant.clone())
            .or_insert_with(|| Channel { listeners: broadcast::Sender::new(KEPT), reached });
        let receiver = channel.listeners.subscribe();
        drop(channels);
        self.channels.wanted.notify_one();
        Ok(receiver)
    }

    /// Ends all streams.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.channels.stop
    }
}
