//! What an answer of a time-stamping authority claims (RFC 3161), as far as it can be read without knowing whom to
//! believe: which bytes it is about, and the time. Whether the authority has signed it, `openssl ts -verify` says.
//!
//! DER is tags, lengths and contents, one within the other. Read is only what lies on the path to these two.

use crate::hash::Hash;

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const TIME: u8 = 0x18;
const EXPLICIT: u8 = 0xa0;

/// The path to what is stamped, `TSTInfo`: the place at each level, and the tag there. On it lie the token
/// (`ContentInfo`), what it is signed over (`SignedData`), and the content of that.
const STAMPED: &[(usize, u8)] = &[
    (0, SEQUENCE),
    (1, SEQUENCE),
    (1, EXPLICIT),
    (0, SEQUENCE),
    (2, SEQUENCE),
    (1, EXPLICIT),
    (0, OCTETS),
    (0, SEQUENCE),
];

/// What a time stamp claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The SHA-256 of the bytes that it is about.
    pub imprint: Hash,
    /// When they were there at the latest (RFC 3339, in UTC).
    pub at: String,
}

/// An answer is no time stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTimeStamp {
    /// It is no DER, of another form, or one in which the authority refuses.
    #[error("it is no time-stamp response of RFC 3161 in DER, or holds no time stamp")]
    Malformed,
    /// It is about another hash.
    #[error("the time stamp is not about a SHA-256 hash")]
    OtherHash,
}

/// The first element, and what follows it; none where it is no DER.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = der else { return None };
    let (length, rest) = match *length {
        length @ 0..=127 => (usize::from(length), rest),
        // Of an unknown length is nothing in DER, and nothing here is larger than four bytes can say.
        length @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// What lies at the end of a path.
fn at<'d>(mut der: &'d [u8], path: &[(usize, u8)]) -> Option<&'d [u8]> {
    for (place, tag) in path {
        for _ in 0..*place {
            der = element(der)?.2;
        }
        let (found, content, _) = element(der)?;
        der = (found == *tag).then_some(content)?;
    }
    Some(der)
}

/// Reads an answer (`TimeStampResp`).
///
/// # Errors
/// [`NoTimeStamp`].
pub fn claimed(response: &[u8]) -> Result<Claimed, NoTimeStamp> {
    let stamped = at(response, STAMPED).ok_or(NoTimeStamp::Malformed)?;
    let imprint = at(stamped, &[(2, SEQUENCE), (1, OCTETS)]).ok_or(NoTimeStamp::Malformed)?;
    let time = at(stamped, &[(4, TIME)]).and_then(time).ok_or(NoTimeStamp::Malformed)?;
    Ok(Claimed { imprint: Hash::from_slice(imprint).ok_or(NoTimeStamp::OtherHash)?, at: time })
}

/// `20260301120000.5Z` as `2026-03-01T12:00:00.5Z`.
fn time(text: &[u8]) -> Option<String> {
    let (digits, rest) = text.split_at_checked(14)?;
    let fraction = rest.strip_suffix(b"Z")?;
    let is_fraction = match fraction {
        [] => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !is_fraction || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (d, rest) = (std::str::from_utf8(digits).ok()?, std::str::from_utf8(rest).ok()?);
    Some(format!("{}-{}-{}T{}:{}:{}{rest}", &d[..4], &d[4..6], &d[6..8], &d[8..10], &d[10..12], &d[12..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], &content].concat()
    }

    fn response(imprint: &[u8], at: &[u8]) -> Vec<u8> {
        let (number, id) = (der(2, &[&[1]]), der(6, &[b"\x2a"]));
        let imprint = der(SEQUENCE, &[&der(SEQUENCE, &[&id]), &der(OCTETS, &[imprint])]);
        let info = der(SEQUENCE, &[&number, &id, &imprint, &number, &der(TIME, &[at])]);
        let content = der(EXPLICIT, &[&der(OCTETS, &[&info])]);
        let said = der(SEQUENCE, &[&id, &content]);
        let signed = der(EXPLICIT, &[&der(SEQUENCE, &[&number, &der(0x31, &[]), &said])]);
        der(SEQUENCE, &[&der(SEQUENCE, &[&number]), &der(SEQUENCE, &[&id, &signed])])
    }

    #[test]
    fn hash_and_time_are_read() {
        let good = response(&[7; 32], b"20260301120000.25Z");
        let at = "2026-03-01T12:00:00.25Z".to_owned();
        assert_eq!(claimed(&good), Ok(Claimed { imprint: Hash([7; 32]), at }));
        for end in 0..good.len() {
            claimed(&good[..end]).unwrap_err();
        }
    }

    #[test]
    fn what_is_no_time_stamp_is_told() {
        let refusal = der(SEQUENCE, &[&der(SEQUENCE, &[&der(2, &[&[2]])])]);
        for (response, why) in [
            (response(&[7; 20], b"20260301120000Z"), NoTimeStamp::OtherHash),
            (response(&[7; 32], b"202603011200Z"), NoTimeStamp::Malformed),
            (response(&[7; 32], b"20260301120000.Z"), NoTimeStamp::Malformed),
            (response(&[7; 32], b"20260301120000+01"), NoTimeStamp::Malformed),
            (refusal, NoTimeStamp::Malformed),
            (b"<html>".to_vec(), NoTimeStamp::Malformed),
            // A length that nothing says the end of.
            (b"\x30\x80\x00\x00".to_vec(), NoTimeStamp::Malformed),
        ] {
            assert_eq!(claimed(&response), Err(why));
        }
    }
}
