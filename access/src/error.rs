//! What goes wrong here.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::TenantId;
use uuid::Uuid;

use crate::token::Fault;

/// Why tenants or tokens could not be changed or read.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The tenant is there already.
    #[error("the tenant {0} exists already")]
    TenantExists(TenantId),
    /// There is no such tenant.
    #[error("there is no tenant {0}; create it first")]
    NoTenant(TenantId),
    /// The principal would be taken for somebody else.
    #[error("nothing can be made for the principal {principal:?}: {why}")]
    Principal {
        /// Which one.
        principal: String,
        /// Why not.
        why: String,
    },
    /// There is no such token.
    #[error("there is no token with the id {0}")]
    NoToken(Uuid),
    /// There is no such inlet.
    #[error("there is no inlet with the id {0}")]
    NoInlet(Uuid),
    /// The system gives no random bytes.
    #[error("no randomness for a token: {0}")]
    NoRandomness(String),
    /// A row that breaks our own rules.
    #[error("the table {table} holds what it should not: {what}")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Why a caller is not known by what was presented.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LookupError {
    /// What was presented is not good.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It could not be looked up.
    #[error(transparent)]
    Failed(#[from] Arc<AccessError>),
}

impl From<AccessError> for LookupError {
    fn from(error: AccessError) -> Self {
        Self::Failed(Arc::new(error))
    }
}

impl From<sqlx::Error> for LookupError {
    fn from(error: sqlx::Error) -> Self {
        AccessError::from(error).into()
    }
}

/// Why a credential is not good, for the caller that presents it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// By its form.
    #[error("The token can't be right: {0}.")]
    Malformed(#[from] Fault),
    /// The key of an inlet, by its form.
    #[error("The inlet's key can't be right: {0}.")]
    MalformedKey(Fault),
    /// There is no such token.
    #[error("The token is unknown. {ASK}")]
    Unknown,
    /// It was revoked.
    #[error("The token was revoked. {ASK}")]
    Revoked,
    /// It has ended by itself.
    #[error("The token expired at {}. {ASK}", .0.format("%F %T UTC"))]
    Expired(DateTime<Utc>),
    /// The session is unknown or over, or its token is.
    #[error("The session has ended. Sign in again, or send a token.")]
    SessionEnded,
    /// There is no such inlet.
    #[error("The inlet's key is unknown. {ASK}")]
    NoInlet,
    /// The inlet was revoked.
    #[error("The inlet was revoked. {ASK}")]
    InletRevoked,
    /// A sign-in link that was used, has expired or never was.
    #[error("The link was used already, or has expired. Sign in with a token.")]
    LinkUsed,
}

const ASK: &str = "Ask the tenant's owner for a new one.";
