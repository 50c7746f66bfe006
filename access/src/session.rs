//! The secret that a browser holds of its session. It is never stored, only its SHA-256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::rand_core::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use crate::error::AccessError;
use crate::token::TokenHash;

/// How many characters a session and a sign-in code have: 32 random bytes in base64url.
const LENGTH: usize = 43;

/// The secret of a session, or of a one-time sign-in link, in the clear. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSecret(String);

impl std::fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionSecret(..)")
    }
}

impl SessionSecret {
    /// A new one from the system's own source of randomness.
    ///
    /// # Errors
    /// [`AccessError::NoRandomness`].
    pub(crate) fn generate() -> Result<Self, AccessError> {
        let mut random = [0; 32];
        OsRng.try_fill_bytes(&mut random).map_err(|error| AccessError::NoRandomness(error.to_string()))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(random)))
    }

    /// A secret that a client presents, where the text has the form of ours.
    #[must_use]
    pub fn shown(text: &str) -> Option<Self> {
        let ours = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (text.len() == LENGTH && text.bytes().all(ours)).then(|| Self(text.to_owned()))
    }

    /// The secret in the clear.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The session's CSRF token: only the holder of the session can know the token, and nobody can find the session
    /// from it.
    #[must_use]
    pub fn csrf(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("csrf:{}", self.0)))
    }

    /// Whether `token` is the session's CSRF token.
    #[must_use]
    pub fn is_csrf(&self, token: &str) -> bool {
        // Compared by their hashes, so that the time it takes says nothing of the token.
        Sha256::digest(self.csrf()) == Sha256::digest(token)
    }

    pub(crate) fn hash(&self) -> TokenHash {
        Sha256::digest(&self.0).into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_csrf_token_is_the_sessions_own() {
        let (one, other) = (SessionSecret::generate().unwrap(), SessionSecret::generate().unwrap());
        assert!(one.is_csrf(&one.csrf()));
        assert!(!one.is_csrf(&other.csrf()) && !one.is_csrf("") && !one.is_csrf(one.reveal()));
        assert_eq!(format!("{one:?}"), "SessionSecret(..)");
    }
}
