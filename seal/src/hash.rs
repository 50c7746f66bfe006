//! Hashes of a Merkle tree (RFC 6962, section 2.1): SHA-256, leaves and nodes told apart by their first byte.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256 hash. Shown in standard base64 (RFC 4648, section 4), 44 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

/// A text that is no hash in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 32 bytes in standard base64")]
pub struct HashParseError;

impl Hash {
    /// The hash of a leaf that holds these bytes.
    #[must_use]
    pub fn leaf(content: &[u8]) -> Self {
        Self::of(&[&[0], content])
    }

    /// The hash of a node over two subtrees.
    #[must_use]
    pub fn node(left: &Self, right: &Self) -> Self {
        Self::of(&[&[1], &left.0, &right.0])
    }

    /// The root of a tree without leaves.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(&[])
    }

    /// SHA-256 of the parts, one after another.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut sha = Sha256::new();
        for part in parts {
            sha.update(part);
        }
        Self(sha.finalize().into())
    }

    /// The root of a tree, or subtree, whose direct children are given from left to right.
    #[must_use]
    pub fn root(leaves: &[Self]) -> Self {
        match leaves {
            [] => Self::empty(),
            [one] => *one,
            more => {
                let (left, right) = more.split_at(split(more.len() as u64) as usize);
                Self::node(&Self::root(left), &Self::root(right))
            }
        }
    }

    /// Adds it to a text, as it is shown.
    pub(crate) fn push_to(&self, text: &mut String) {
        STANDARD.encode_string(self.0, text);
    }

    /// From its bytes; none where they are not 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// How many of that many leaves are in the left subtree: the largest power of two below the number. At least two
/// leaves.
pub(crate) fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 44];
        let length = STANDARD.encode_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&text[..length]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = HashParseError;

    fn try_from(text: String) -> Result<Self, HashParseError> {
        text.parse()
    }
}

impl FromStr for Hash {
    type Err = HashParseError;

    fn from_str(text: &str) -> Result<Self, HashParseError> {
        let bytes = STANDARD.decode(text).map_err(|_| HashParseError)?;
        Self::from_slice(&bytes).ok_or(HashParseError)
    }
}
