//! What a caller is known by.

use crate::session::SessionSecret;
use crate::token::TokenHash;

/// What a request presents to identify its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The hash of a token.
    Token(TokenHash),
    /// A session's secret.
    Session(SessionSecret),
}

impl Credential {
    /// By which it is known without being told.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        match self {
            Self::Token(hash) => *hash,
            Self::Session(session) => session.hash(),
        }
    }
}
