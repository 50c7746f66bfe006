//! What can be done to a tenant's administration.

use chrono::{DateTime, Utc};
use redaction::CleanText;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::read;
use crate::wire::WireError;

macro_rules! admin_bodies {
    ($($(#[doc = $doc:literal])+ $name:ident($payload:ty),)+) => {
        /// What was done. The variants' names are the wire names. Written as its payload alone.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum AdminBody {
            $($(#[doc = $doc])+ $name($payload),)+
        }

        impl AdminBody {
            /// Every wire name.
            pub const TYPES: &[&str] = &[$(stringify!($name)),+];

            /// The wire name.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }

            /// Reads the fields of an event of the named type.
            ///
            /// # Errors
            /// [`WireError::UnknownType`] or [`WireError::Malformed`].
            pub fn decode(event_type: &str, data: &[u8]) -> Result<Self, WireError> {
                match event_type {
                    $(stringify!($name) => read("data", event_type, data).map(Self::$name),)+
                    unknown => Err(WireError::UnknownType(unknown.to_owned())),
                }
            }
        }
    };
}

admin_bodies! {
    /// The tenant was created.
    TenantCreated(TenantTold),
    /// The tenant got another name.
    TenantChanged(TenantTold),
    /// The tenant was removed from the database. Its history stays.
    TenantRemoved(TenantTold),
    /// A token was made.
    TokenCreated(TokenTold),
    /// Something of a token was changed by hand.
    TokenChanged(TokenChange),
    /// A token was revoked.
    TokenRevoked(TokenTold),
    /// A token's time is up.
    TokenExpired(TokenTold),
    /// A token was removed from the database.
    TokenRemoved(TokenTold),
    /// A policy was made or changed, and is this now.
    PolicySet(PolicyTold),
    /// A policy was removed, and was this.
    PolicyRemoved(PolicyTold),
    /// An inlet was made: others' emitters may report with its key.
    InletCreated(InletTold),
    /// Something of an inlet was changed by hand.
    InletChanged(InletChange),
    /// An inlet was revoked: its key is good no longer.
    InletRevoked(InletTold),
    /// An inlet was removed from the database.
    InletRemoved(InletTold),
    /// History was taken out of the ledger.
    Exported(Exported),
    /// Events are sealed with another key from now on.
    SealKeyChanged(SealTold),
    /// Events are sealed from now on.
    SealingStarted(SealTold),
    /// Events are not sealed any more.
    SealingStopped(SealTold),
    /// The ledger was restored to an earlier moment, and is sealed under other names from now on. Told to every tenant.
    SealedAnew(SealedAnew),
    /// The ledger knows equal operations by another secret from now on. Told to every tenant.
    IdempotencySecretChanged(Nothing),
    /// The ledger was restored, and began another epoch. Told to every tenant.
    EpochBegun(EpochTold),
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantTold {
    /// The name people know.
    pub name: CleanText,
    /// The name it had before, where it has another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_name: Option<CleanText>,
}

/// A token; never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTold {
    /// By which it is revoked.
    pub token_id: Uuid,
    /// What it may do.
    pub role: CleanText,
    /// The principal that holds it.
    pub principal: CleanText,
    /// When it ends by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token as it is after a change, and what was another before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenChange {
    /// The token now.
    #[serde(flatten)]
    pub token: TokenTold,
    /// What was changed: `role`, `principal`, `expires_at`, `secret`, `created_at` or `revoked_at`.
    pub changed: Vec<CleanText>,
    /// The role before, where it was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_role: Option<CleanText>,
    /// The principal before, where it was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_principal: Option<CleanText>,
    /// The end before, where it was another and there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_expires_at: Option<DateTime<Utc>>,
}

/// A policy for stalled runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTold {
    /// Which kind of operation, or `*`.
    pub kind: CleanText,
    /// How long a run may wait in the queue, in seconds; for ever without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_limit_seconds: Option<u32>,
    /// Whether a run that stays stalled is presumed failed.
    pub fail_stale: bool,
}

/// An inlet; never its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InletTold {
    /// By which it is revoked.
    pub inlet_id: Uuid,
    /// In which form reports come in.
    pub inlet_type: CleanText,
    /// Which kind of operation its runs are of.
    pub kind: CleanText,
    /// The principal that its events are by.
    pub principal: CleanText,
}

/// An inlet as it is after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InletChange {
    /// The inlet now.
    #[serde(flatten)]
    pub inlet: InletTold,
    /// What was changed: `inlet_type`, `kind`, `principal`, `heartbeat_seconds`, `secret`, `created_at` or
    /// `revoked_at`.
    pub changed: Vec<CleanText>,
}

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// What it was, in words.
    pub what: CleanText,
    /// How many events, at most.
    pub events: u64,
    /// By which the file is known, if by anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<CleanText>,
}

/// With which key events are sealed; never the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealTold {
    /// By which the key is known.
    pub key_id: CleanText,
    /// By which the key before is known, where it was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_key_id: Option<CleanText>,
}

/// Why history is sealed under other names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedAnew {
    /// Why the ledger was restored, in the operator's words.
    pub why: CleanText,
    /// The number behind the names.
    pub generation: u32,
}

/// An epoch of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochTold {
    /// The millisecond since 1970 at which it began.
    pub epoch: u64,
}

/// The event says all by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}
