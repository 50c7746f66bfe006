//! What a producer calls a start by, so that it can be repeated for ever.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{ReferencePart, TenantId};

/// A producer's own name for a start: who has made it up, and which one it is. Both together name one run of a
/// tenant for as long as the ledger keeps it, whatever becomes of the run. That is not the idempotency key
/// ([`crate::key`]), which says that two operations are the same work and is free again when the run has ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Within what the id is unique, such as a system's name or a URI.
    pub source: ReferencePart,
    /// Which one.
    pub id: ReferencePart,
}

impl Reference {
    /// By what the reference is found in a tenant: SHA-256 of the canonical JSON (RFC 8785) of
    /// `[tenant, source, id]`. It hides nothing: a reference is shown to every reader of the run.
    #[must_use]
    pub fn digest(&self, tenant: &TenantId) -> [u8; 32] {
        // Texts without control characters have one form in JSON, whichever writer it is.
        let named = serde_json::json!([tenant.as_str(), self.source.as_str(), self.id.as_str()]);
        Sha256::digest(named.to_string()).into()
    }
}
