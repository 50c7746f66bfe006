//! What a token says for itself: checksums where the issuer has one, variety where not.

use sha2::{Digest, Sha256};

/// What a body of the right shape must prove before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing: its shape is enough.
    None,
    /// Not made of few signs only, as samples in manuals are (`xxxx`).
    Varied,
    /// Capitals, small letters and digits, or 32 unbroken letters and digits: no hyphenated name.
    Mixed,
    /// A digit and two kinds of letters, at random.
    Random,
    /// Its last six signs are the CRC-32 of those before, in base 62; or it is varied.
    Crc,
}

impl Proof {
    /// Whether the token, prefix included, has what is asked of it. `body` is what follows the prefix.
    pub(crate) fn holds(self, body: &str) -> bool {
        match self {
            Self::None => true,
            Self::Varied => is_varied(body),
            Self::Mixed => is_mixed(body),
            Self::Random => is_mixed(body) && digits(body) >= 2 && is_varied(body),
            Self::Crc => has_crc(body) || is_varied(body),
        }
    }
}

fn digits(body: &str) -> usize {
    body.bytes().filter(u8::is_ascii_digit).count()
}

/// At least five different signs in long ones: the chance that a random token has fewer is below 10^-6.
fn is_varied(body: &str) -> bool {
    let mut seen = [false; 256];
    for byte in body.bytes() {
        seen[usize::from(byte)] = true;
    }
    let different = seen.iter().filter(|s| **s).count();
    different >= 5.min(body.len().div_ceil(3))
}

fn is_mixed(body: &str) -> bool {
    let has = |class: fn(&u8) -> bool| body.as_bytes().iter().any(class);
    has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
        || body.len() >= 32 && body.bytes().all(|b| b.is_ascii_alphanumeric()) && has(u8::is_ascii_digit)
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The last six signs: CRC-32 (IEEE 802.3) in base 62, most significant first.
pub(crate) fn crc62(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut signs = [b'0'; 6];
    for sign in signs.iter_mut().rev() {
        *sign = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    signs.iter().map(|b| char::from(*b)).collect()
}

fn has_crc(body: &str) -> bool {
    body.len()
        .checked_sub(6)
        .and_then(|end| Some((body.get(..end)?, body.get(end..)?)))
        .is_some_and(|(token, sum)| crc62(token) == sum)
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Whether a short text is base 58 with the checksum that Bitcoin's addresses and keys carry: the first four
/// bytes of the SHA-256 of the SHA-256.
pub(crate) fn has_base58_checksum(text: &str) -> bool {
    const LONGEST: usize = 112;
    if text.len() > LONGEST {
        return false;
    }
    // Big-endian base 256, grown from the right.
    let mut bytes: Vec<u8> = Vec::new();
    for sign in text.bytes() {
        let Some(mut carry) = BASE58.iter().position(|b| *b == sign) else { return false };
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.insert(0, (carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    let zeros = text.bytes().take_while(|b| *b == b'1').count();
    let mut whole = vec![0; zeros];
    whole.extend(bytes);
    let Some(end) = whole.len().checked_sub(4).filter(|end| *end > 0) else { return false };
    let (payload, sum) = whole.split_at(end);
    Sha256::digest(Sha256::digest(payload)).starts_with(sum)
}
