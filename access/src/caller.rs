//! The holder of a good credential.

use std::time::Instant;

use domain::{PrincipalId, TenantId};
use uuid::Uuid;

use crate::role::Role;

/// The holder of a good token, or of a session that a good token opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that the token belongs to.
    pub tenant: TenantId,
    /// What the token may do.
    pub role: Role,
    /// The principal that holds the token.
    pub principal: PrincipalId,
    /// Which token it is.
    pub token_id: Uuid,
    /// When the token, or the session, ends by itself. By our own monotonic clock.
    pub ends: Option<Instant>,
}
