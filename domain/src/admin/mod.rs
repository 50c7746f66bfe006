//! What is done to a tenant's administration: its events, in their current form, and how they are stored.
//!
//! They are told of what was changed already, by whatever way: so a text is cleaned rather than refused, and what an
//! operator has written otherwise than the program would is told all the same. No secret is in them, nor a hash of one.

mod body;

use chrono::{DateTime, Utc};
use redaction::CleanText;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{RequestId, TenantId};
use crate::wire::{Encoded, Stored, WireError};

pub use body::{
    AdminBody, EpochTold, Exported, InletChange, InletTold, Nothing, PolicyTold, SealTold, SealedAnew,
    TenantTold, TokenChange, TokenTold,
};

/// The version in which they are written today.
pub const ADMIN_SCHEMA_VERSION: u16 = 1;

/// One thing that was done to a tenant's administration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminEvent {
    /// The id that the change was given in the database.
    pub id: Uuid,
    /// Whose administration it is.
    pub tenant: TenantId,
    /// When it was done, by the database's clock.
    pub recorded_at: DateTime<Utc>,
    /// By whom.
    pub actor: AdminActor,
    /// What was done.
    pub body: AdminBody,
}

/// By whom something was done to the administration, as it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminActor {
    /// What is known of the actor.
    pub kind: ActorKind,
    /// The actor's name: what that is depends on the kind.
    pub name: CleanText,
    /// The token that a request came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<Uuid>,
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

/// What is known of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// The holder of a token: the principal.
    Principal,
    /// A user of an operating system who ran the command line: `user@host`.
    Os,
    /// A user of the database who was connected otherwise: `user@address`, or `user` on the same machine.
    Database,
    /// The ledger itself.
    System,
    /// Nobody wrote it down. The name is empty.
    Unknown,
}

impl ActorKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Principal, Self::Os, Self::Database, Self::System, Self::Unknown];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Os => "os",
            Self::Database => "database",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

#[derive(Serialize, Deserialize)]
struct Metadata<T, N, R> {
    schema_version: u16,
    tenant: T,
    recorded_at: DateTime<Utc>,
    actor_kind: ActorKind,
    actor: N,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_id: Option<Uuid>,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    request_id: Option<R>,
}

impl AdminEvent {
    /// Writes it in today's form.
    ///
    /// # Errors
    /// When serde can't write it, which no well-formed event causes.
    pub fn encode(&self) -> Result<Encoded, serde_json::Error> {
        let data = serde_json::to_vec(&self.body)?;
        let metadata = serde_json::to_vec(&Metadata {
            schema_version: ADMIN_SCHEMA_VERSION,
            tenant: &self.tenant,
            recorded_at: self.recorded_at,
            actor_kind: self.actor.kind,
            actor: &self.actor.name,
            token_id: self.actor.token_id,
            request_id: self.actor.request_id.as_ref(),
        })?;
        Ok(Encoded { event_type: self.body.type_name(), data, metadata })
    }

    /// Reads a stored one.
    ///
    /// # Errors
    /// A [`WireError`]; the caller holds the event back rather than guess.
    pub fn decode(stored: Stored<'_>) -> Result<Self, WireError> {
        let Stored { id, event_type, data, metadata, .. } = stored;
        let meta: Metadata<TenantId, CleanText, RequestId> = read("metadata", event_type, metadata)?;
        if meta.schema_version != ADMIN_SCHEMA_VERSION {
            let event_type = event_type.to_owned();
            return Err(WireError::NoUpcaster { event_type, version: meta.schema_version });
        }
        let actor = AdminActor {
            kind: meta.actor_kind,
            name: meta.actor,
            token_id: meta.token_id,
            request_id: meta.request_id,
        };
        let body = AdminBody::decode(event_type, data)?;
        Ok(Self { id, tenant: meta.tenant, recorded_at: meta.recorded_at, actor, body })
    }
}

fn read<T: DeserializeOwned>(part: &'static str, event_type: &str, bytes: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(bytes).map_err(|source| WireError::Malformed {
        part,
        event_type: event_type.to_owned(),
        source,
    })
}
