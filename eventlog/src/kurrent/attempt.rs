//! Which attempt has written an event.
//!
//! A cluster answers an append that it has had before as if it were new. To tell the two apart, each attempt
//! puts a word of its own at the end of its events' metadata, which is taken off again when they are read.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;

/// Where metadata is a JSON object, the word is its last member, so that it stays JSON.
const MEMBER: &[u8] = br#""$attempt":""#;
/// Where it is anything else.
const TAIL: &[u8] = b"\0attempt:";
/// Twelve random bytes in base64url.
const LENGTH: usize = 16;

/// The most bytes that the word takes.
pub(super) const ROOM: usize = 1 + MEMBER.len() + LENGTH + 2;

/// The word of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt(String);

impl Attempt {
    pub(super) fn new() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 12]>()))
    }

    /// The metadata with the word.
    pub(super) fn sign(&self, metadata: &[u8]) -> Vec<u8> {
        let mut signed = Vec::with_capacity(metadata.len() + MEMBER.len() + LENGTH + 3);
        match metadata.split_last() {
            Some((b'}', object)) => {
                signed.extend_from_slice(object);
                if object.trim_ascii_end().last() != Some(&b'{') {
                    signed.push(b',');
                }
                signed.extend_from_slice(MEMBER);
                signed.extend_from_slice(self.0.as_bytes());
                signed.extend_from_slice(b"\"}");
            }
            _ => {
                signed.extend_from_slice(metadata);
                signed.extend_from_slice(TAIL);
                signed.extend_from_slice(self.0.as_bytes());
            }
        }
        signed
    }
}

/// The metadata as it was given, and the word; none where somebody else has written the event.
pub(super) fn unsign(signed: &[u8]) -> (Vec<u8>, Option<Attempt>) {
    let found = match signed.strip_suffix(b"\"}") {
        Some(inner) => word_after(inner, MEMBER).map(|(object, word)| {
            let mut metadata = object.strip_suffix(b",").unwrap_or(object).to_vec();
            metadata.push(b'}');
            (metadata, word)
        }),
        None => word_after(signed, TAIL).map(|(metadata, word)| (metadata.to_vec(), word)),
    };
    match found {
        Some((metadata, word)) => (metadata, Some(word)),
        None => (signed.to_vec(), None),
    }
}

fn word_after<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], Attempt)> {
    let (rest, word) = text.split_at_checked(text.len().checked_sub(LENGTH)?)?;
    let word = std::str::from_utf8(word).ok()?;
    Some((rest.strip_suffix(mark)?, Attempt(word.to_owned())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_metadata_comes_back_exactly(metadata in proptest::collection::vec(prop_oneof![
            Just(b'{'), Just(b'}'), Just(b','), Just(b' '), Just(b'"'), any::<u8>()
        ], 0..12)) {
            let attempt = Attempt::new();
            prop_assert_eq!(unsign(&attempt.sign(&metadata)), (metadata, Some(attempt)));
        }
    }

    #[test]
    fn an_object_stays_an_object() {
        let attempt = Attempt::new();
        for metadata in ["{}", "{ }", r#"{"a":1}"#, r#"{"a":{}}"#] {
            let signed = attempt.sign(metadata.as_bytes());
            let object: serde_json::Value = serde_json::from_slice(&signed).unwrap();
            assert_eq!(object["$attempt"], attempt.0);
            assert_eq!(unsign(&signed), (metadata.as_bytes().to_vec(), Some(attempt.clone())));
        }
        assert_eq!(unsign(b"{\"of\":\"others\"}"), (b"{\"of\":\"others\"}".to_vec(), None));
    }
}
