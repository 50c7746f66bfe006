//! The listeners of each tenant, and what they are told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::TenantId;
use eventlog::Position;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use super::changes::RunChange;
use crate::pool::AllTenants;

/// How many turns of the reader are kept for a listener that is slow. A slower one starts over.
pub(super) const KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct Channels {
    pub(super) all_tenants: AllTenants,
    by_tenant: Mutex<HashMap<TenantId, Channel>>,
    /// Somebody has begun to listen.
    pub(super) wanted: Notify,
    pub(super) stop: CancellationToken,
}

/// The listeners of a tenant.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) listeners: broadcast::Sender<Turn>,
    /// What happened up to here was sent.
    pub(super) reached: Position,
}

/// What one turn of the reader has found for a tenant.
#[derive(Debug, Clone)]
pub enum Turn {
    /// These runs have changed, in the order of their positions.
    Runs(Arc<[RunChange]>),
    /// The tables were replaced, or too much has changed: what was shown must be read anew.
    Reset(Position),
}

impl Channels {
    pub(super) fn new(all_tenants: AllTenants, stop: CancellationToken) -> Self {
        Self { all_tenants, by_tenant: Mutex::default(), wanted: Notify::new(), stop }
    }

    /// The channels of all tenants that anybody listens to.
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Channel>> {
        self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
