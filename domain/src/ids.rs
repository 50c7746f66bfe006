//! Identities. Each has one door in, so a value of these types is always well formed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is wrong with an identity, in words that say how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(pub(crate) String);

/// A tenant's short name: 1 to 63 of `a-z 0-9 -`, not beginning or ending with a dash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// A run: a UUIDv7 (RFC 9562), made by the ledger when the run is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Uuid", into = "Uuid")]
pub struct RunId(Uuid);

/// The kind of an operation, such as `backup_set.add_policies`: dotted words of `a-z 0-9 _ -`,
/// at most 100 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kind(String);

/// Who did something: a user, a service or [`PrincipalId::SYSTEM`]. 1 to 200 printable characters
/// without spaces at either end. It is compared to the letter and never rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrincipalId(String);

/// An id by which a producer ties events together across systems: 1 to 200 printable characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CorrelationId(String);

impl RunId {
    /// Takes a UUID that is of version 7.
    ///
    /// # Errors
    /// When it is of any other version.
    pub fn new(id: Uuid) -> Result<Self, InvalidId> {
        if id.get_version_num() == 7 {
            Ok(Self(id))
        } else {
            Err(InvalidId(format!("{id} is not a run id: run ids are UUIDs of version 7")))
        }
    }

    /// The UUID itself.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl FromStr for RunId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let id = Uuid::try_parse(text)
            .map_err(|_| InvalidId("a run id is a UUID of version 7, as POST .../runs answered it".into()))?;
        Self::new(id)
    }
}

impl TryFrom<Uuid> for RunId {
    type Error = InvalidId;

    fn try_from(id: Uuid) -> Result<Self, InvalidId> {
        Self::new(id)
    }
}

impl From<RunId> for Uuid {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PrincipalId {
    /// The initiator of runs that nobody started: it gets no notifications.
    pub const SYSTEM: &str = "system";

    /// Whether this is [`Self::SYSTEM`].
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0 == Self::SYSTEM
    }
}

fn tenant_rule(text: &str) -> Result<(), String> {
    let legal = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if (1..=63).contains(&text.len()) && legal && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(());
    }
    Err("a tenant is named by 1 to 63 characters a-z, 0-9 and -, not beginning or ending with -".into())
}

fn kind_rule(text: &str) -> Result<(), String> {
    let word = |w: &str| {
        !w.is_empty()
            && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    };
    if text.len() <= 100 && text.split('.').all(word) {
        return Ok(());
    }
    Err("a kind is made of words of a-z, 0-9, _ and - joined by dots, at most 100 characters, \
         such as backup_set.add_policies"
        .into())
}

fn printable_rule(what: &str, text: &str) -> Result<(), String> {
    let chars = text.chars().count();
    if (1..=200).contains(&chars) && text.trim() == text && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!("{what} has 1 to 200 printable characters and no space at its ends"))
}

fn principal_rule(text: &str) -> Result<(), String> {
    printable_rule("a principal's id", text)
}

fn correlation_rule(text: &str) -> Result<(), String> {
    printable_rule("a correlation or causation id", text)
}

macro_rules! text_id {
    ($name:ident, $rule:path) => {
        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                $rule(&text).map_err(InvalidId)?;
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(TenantId, tenant_rule);
text_id!(Kind, kind_rule);
text_id!(PrincipalId, principal_rule);
text_id!(CorrelationId, correlation_rule);
