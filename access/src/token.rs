//! The form of a token: `rlg_`, 43 characters of secret, 6 characters of checksum.
//!
//! The prefix lets secret scanners recognise it. The checksum tells a typo from a token that was
//! revoked, without asking the database.

use std::fmt;

use rand::rand_core::{OsError, TryRngCore};
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

const PREFIX: &str = "rlg_";
/// 62^43 is just above 2^256.
const SECRET_CHARS: usize = 43;
/// 62^6 is above 2^32.
const CHECKSUM_CHARS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token in the clear. It is shown once; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// SHA-256 of a token. The token has 256 random bits, so there is nothing to guess and a slow hash
/// would add nothing.
pub type TokenHash = [u8; 32];

/// Why a text is no token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It lacks our prefix.
    #[error("those of this ledger begin with rlg_")]
    Foreign,
    /// The checksum is not that of the rest.
    #[error("it is mistyped or cut off")]
    Mistyped,
}

impl Secret {
    /// A new token from the system's own source of randomness.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, OsError> {
        let mut random = [0; 32];
        OsRng.try_fill_bytes(&mut random)?;
        let mut token = format!("{PREFIX}{}", base62(&random, SECRET_CHARS));
        let checksum = base62(&crc32fast::hash(token.as_bytes()).to_be_bytes(), CHECKSUM_CHARS);
        token.push_str(&checksum);
        Ok(Self(token))
    }

    /// The token in the clear.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        Sha256::digest(&self.0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The hash of a token that may be ours, by its form.
///
/// # Errors
/// A [`Fault`] when it can't be.
pub fn check(token: &str) -> Result<TokenHash, Fault> {
    let rest = token.strip_prefix(PREFIX).ok_or(Fault::Foreign)?;
    if rest.len() != SECRET_CHARS + CHECKSUM_CHARS || !rest.bytes().all(|b| BASE62.contains(&b)) {
        return Err(Fault::Mistyped);
    }
    let (body, checksum) = token.split_at(token.len() - CHECKSUM_CHARS);
    if base62(&crc32fast::hash(body.as_bytes()).to_be_bytes(), CHECKSUM_CHARS) != checksum {
        return Err(Fault::Mistyped);
    }
    Ok(Sha256::digest(token).into())
}

/// A big-endian number in base 62, with leading zeros up to `width`.
fn base62(number: &[u8], width: usize) -> String {
    let mut number = number.to_vec();
    let mut digits = Vec::with_capacity(width);
    for _ in 0..width {
        let mut remainder = 0u32;
        for byte in &mut number {
            let value = (remainder << 8) | u32::from(*byte);
            // value / 62 fits: the remainder before it was below 62.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        digits.push(char::from(BASE62[remainder as usize]));
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base62_counts() {
        assert_eq!(base62(&[0, 0, 0, 61], 3), "00z");
        assert_eq!(base62(&[0, 0, 0, 62], 3), "010");
        assert_eq!(base62(&u32::MAX.to_be_bytes(), 6), "4gfFC3");
        assert_eq!(base62(&[255; 32], 43).len(), 43);
    }

    #[test]
    fn a_token_passes_and_every_single_typo_is_told_apart() {
        let secret = Secret::generate().unwrap();
        let token = secret.reveal();
        assert_eq!(token.len(), 4 + 43 + 6);
        assert_eq!(check(token), Ok(secret.hash()));
        for at in 4..token.len() {
            let mut typo = token.as_bytes().to_vec();
            typo[at] = if typo[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(check(std::str::from_utf8(&typo).unwrap()), Err(Fault::Mistyped), "at {at}");
            assert_eq!(check(&token[..at]), Err(Fault::Mistyped), "cut at {at}");
        }
        assert_eq!(check("ghp_abc"), Err(Fault::Foreign));
        assert_eq!(check(""), Err(Fault::Foreign));
    }

    #[test]
    fn debug_shows_nothing_and_no_two_are_alike() {
        let secret = Secret::generate().unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_ne!(secret.reveal(), Secret::generate().unwrap().reveal());
    }
}
