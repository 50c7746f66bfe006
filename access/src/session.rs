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

/// How many bytes a CSRF token has, and what masks it.
const MASK: usize = 32;

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

    /// The session's CSRF token, in other characters each time: only the holder of the session can know the token, and
    /// nobody can find the session from it. Pages are packed, and the size of a packed page says what on it is alike:
    /// a token that never comes twice is like nothing (`docs/decisions/0035-packed-pages.md`).
    ///
    /// # Errors
    /// [`AccessError::NoRandomness`].
    pub fn csrf(&self) -> Result<String, AccessError> {
        let mut mask = [0; MASK];
        OsRng.try_fill_bytes(&mut mask).map_err(|error| AccessError::NoRandomness(error.to_string()))?;
        let masked = self.csrf_word().into_iter().zip(mask).map(|(byte, mask)| byte ^ mask);
        Ok(URL_SAFE_NO_PAD.encode(mask.into_iter().chain(masked).collect::<Vec<u8>>()))
    }

    /// Whether `token` is the session's CSRF token, behind whatever mask.
    #[must_use]
    pub fn is_csrf(&self, token: &str) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((mask, masked)) = bytes.split_at_checked(MASK) else { return false };
        let word: Vec<u8> = masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
        // Compared by their hashes, so that the time it takes says nothing of the token.
        masked.len() == MASK && Sha256::digest(word) == Sha256::digest(self.csrf_word())
    }

    fn csrf_word(&self) -> [u8; MASK] {
        Sha256::digest(format!("csrf:{}", self.0)).into()
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
        let token = one.csrf().unwrap();
        assert!(one.is_csrf(&token) && one.is_csrf(&one.csrf().unwrap()));
        assert_ne!(one.csrf().unwrap(), token, "it never comes twice");
        assert!(!one.is_csrf(&other.csrf().unwrap()) && !one.is_csrf("") && !one.is_csrf(one.reveal()));
        let word = URL_SAFE_NO_PAD.encode(one.csrf_word());
        assert!(
            !one.is_csrf(&word)
                && !one.is_csrf(&format!("{token}A"))
                && !one.is_csrf(&token[..token.len() - 4])
        );
        assert_eq!(format!("{one:?}"), "SessionSecret(..)");
    }
}
