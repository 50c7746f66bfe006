//! What a token may do.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The role of a token. Every role may view its tenant's runs; see [`Role::may_append`],
/// [`Role::may_oversee`], [`Role::may_audit`] and [`Role::may_administer`] for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the roles that the README explains")]
pub enum Role {
    Owner,
    Manager,
    Operator,
    Readonly,
    Producer,
    Auditor,
}

/// The name is no role's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role; the roles are owner, manager, operator, readonly, producer and auditor")]
pub struct UnknownRole(String);

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Owner, Self::Manager, Self::Operator, Self::Readonly, Self::Producer, Self::Auditor];

    /// The name used on the command line and in the tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Operator => "operator",
            Self::Readonly => "readonly",
            Self::Producer => "producer",
            Self::Auditor => "auditor",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether it may start runs and append to them.
    #[must_use]
    pub fn may_append(self) -> bool {
        self == Self::Producer
    }

    /// Whether it makes and revokes its tenant's tokens.
    #[must_use]
    pub fn may_administer(self) -> bool {
        self == Self::Owner
    }

    /// Whether it sees what concerns the tenant as a whole: what was done to its administration, the events of all runs
    /// at once, and history to take away.
    #[must_use]
    pub fn may_oversee(self) -> bool {
        matches!(self, Self::Owner | Self::Auditor)
    }

    /// Whether it reads the event history with its full metadata.
    #[must_use]
    pub fn may_audit(self) -> bool {
        self == Self::Auditor
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::parse(name).ok_or_else(|| UnknownRole(name.to_owned()))
    }
}
