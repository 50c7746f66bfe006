//! What a tenant's directory says of names: a fact about an id that other systems know, and nothing of any run.

use chrono::{DateTime, Utc};
use redaction::CleanText;
use serde::{Deserialize, Serialize};

use crate::event::ItemName;
use crate::ids::{Namespace, PrincipalId, TenantId};

/// That an id had a name at some time, as a producer says. Of all that is said of an id, the newest `as_of` counts; of
/// those with the same one, what comes last in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Whose directory.
    pub tenant: TenantId,
    /// Within which the id stands for one thing.
    pub namespace: Namespace,
    /// Which thing: cleaned as the names of items are, so that both are the same text.
    pub id: ItemName,
    /// What people call it; none where that is not to be known any more.
    pub name: Option<CleanText>,
    /// When it was called so, by the producer's clock; in whole microseconds.
    pub as_of: DateTime<Utc>,
    /// When the ledger took it in, by ours.
    pub recorded_at: DateTime<Utc>,
    /// The principal that said it.
    pub actor: PrincipalId,
}
