//! What a token says for itself: checksums where the issuer has one, variety where not.

use sha2::{Digest, Sha256};

use crate::wording::worded;

/// What a body of the right shape must prove before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing: its shape is enough.
    None,
    /// Not made of few signs only, as samples in manuals are (`xxxx`).
    Varied,
    /// Varied, and no name made of words and numbers.
    Unworded,
    /// Unworded, and in capitals and small letters, or 32 unbroken letters and digits: for beginnings that other
    /// things share (`s.`, `test_`). Of random tokens of 22 signs about one in 20,000 reads as words.
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
            Self::Unworded => is_varied(body) && is_unworded(body),
            Self::Random => is_mixed(body) && is_varied(body) && is_unworded(body),
            Self::Crc => has_crc(body) || is_varied(body),
        }
    }
}

/// From here on it is a name.
const NAME: f64 = 0.75;

/// At least five different signs in long ones: the chance that a random token has fewer is below 10^-6.
fn is_varied(body: &str) -> bool {
    let mut seen = [false; 256];
    for byte in body.bytes() {
        seen[usize::from(byte)] = true;
    }
    let different = seen.iter().filter(|s| **s).count();
    different >= 5.min(body.len().div_ceil(3))
}

/// Capitals and small letters, or 32 unbroken letters and digits.
fn is_mixed(body: &str) -> bool {
    let has = |class: fn(&u8) -> bool| body.as_bytes().iter().any(class);
    has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
        || body.len() >= 32 && body.bytes().all(|b| b.is_ascii_alphanumeric()) && has(u8::is_ascii_digit)
}

/// What looks like a token where a word says that one follows: 20 unbroken signs or more, of which hex digits are
/// only one from 32 on.
pub(crate) fn is_token_like(text: &str) -> bool {
    const SHORTEST: usize = 20;
    let has = |class: fn(&u8) -> bool| text.as_bytes().iter().any(class);
    let letters = has(u8::is_ascii_alphabetic);
    let cased = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    text.len() >= SHORTEST
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/_=".contains(&b))
        && letters
        && (has(u8::is_ascii_digit) || cased)
        && if hex { text.len() >= 32 } else { is_unworded(text) }
}

fn is_unworded(body: &str) -> bool {
    is_number_like(body) || worded(body) < NAME
}

/// Too many digits for a name: what hex digits spell may be said.
fn is_number_like(body: &str) -> bool {
    let digits = body.bytes().filter(u8::is_ascii_digit).count();
    body.len() >= 32 && body.bytes().all(|b| b.is_ascii_alphanumeric()) && digits * 6 >= body.len()
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

/// Base64 of printable text with a colon.
pub(crate) fn is_basic(value: &str) -> bool {
    let mut bits = 0u32;
    let mut count = 0;
    let mut colon = false;
    for byte in value.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return false,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., decoded] = (bits >> count).to_be_bytes();
            if decoded < 0x20 || decoded == 0x7f {
                return false;
            }
            colon |= decoded == b':';
        }
    }
    colon
}
