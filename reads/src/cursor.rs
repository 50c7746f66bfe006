//! Keyset cursors: where a page ended, bound to the list that it is a page of.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ReadError;
use crate::params::{Params, wrong};

/// The version of the cursors' content. Another one is refused, not guessed at.
const VERSION: u8 = 1;

/// What makes two lists the same: a cursor of one is good for the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a list by its name, filters and order.
    pub(super) fn of(list: &str, filters: &impl std::fmt::Debug) -> Self {
        // The debug form of the filters has every field and is the same for the same values, which is
        // all that is asked of it: cursors do not outlive a version of the program by much.
        let digest = Sha256::digest(format!("{list} {filters:?}"));
        Self(hex::encode(digest.get(..8).unwrap_or_default()))
    }
}

#[derive(Serialize, Deserialize)]
struct Content<K>(u8, Fingerprint, K);

/// The cursor that goes on after `key`.
///
/// # Errors
/// When the key can't be written, which no key of ours causes.
pub(super) fn encode<K: Serialize>(list: &Fingerprint, key: K) -> Result<String, ReadError> {
    let json = serde_json::to_vec(&Content(VERSION, list.clone(), key));
    Ok(URL_SAFE_NO_PAD.encode(json.map_err(ReadError::failed)?))
}

/// The key after which the page begins.
///
/// # Errors
/// [`ReadError::Invalid`] when it is no cursor, or one of another list.
pub(super) fn decode<K: DeserializeOwned>(list: &Fingerprint, text: &str) -> Result<K, ReadError> {
    let content = URL_SAFE_NO_PAD.decode(text).ok().and_then(|json| serde_json::from_slice(&json).ok());
    match content {
        Some(Content(VERSION, of, key)) if of == *list => Ok(key),
        Some(Content(VERSION, _, _)) => Err(wrong(
            "cursor",
            "belongs to a list with other filters or another order: repeat those of the first page, \
             or begin without a cursor",
        )),
        _ => {
            Err(wrong("cursor", "is not a cursor of this list: use next_cursor of a page, or begin without"))
        }
    }
}

/// Takes a cursor out of the parameters.
pub(super) fn take<K: DeserializeOwned>(
    params: &mut Params,
    list: &Fingerprint,
) -> Result<Option<K>, ReadError> {
    params.one("cursor")?.map(|text| decode(list, &text)).transpose()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let list = Fingerprint::of("runs", &("a", Some(1)));
        let text = encode(&list, (i64::MIN, "x")).unwrap();
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(decode::<(i64, String)>(&list, &text).unwrap(), (i64::MIN, "x".into()));
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let list = Fingerprint::of("runs", &"status=failed");
        let text = encode(&list, 7_u64).unwrap();
        for other in [Fingerprint::of("runs", &"status=queued"), Fingerprint::of("items", &"status=failed")] {
            let error = decode::<u64>(&other, &text).unwrap_err();
            let (parameter, detail) = error.as_invalid().unwrap();
            assert_eq!(parameter, "cursor");
            assert!(detail.contains("other filters"), "{detail}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let list = Fingerprint::of("runs", &());
        let newer = serde_json::to_vec(&Content(VERSION + 1, list.clone(), 7_u64)).unwrap();
        let other_key = serde_json::to_vec(&Content(VERSION, list.clone(), "seven")).unwrap();
        for text in [
            "",
            "7",
            "not a cursor",
            "e30",
            &URL_SAFE_NO_PAD.encode(newer),
            &URL_SAFE_NO_PAD.encode(other_key),
        ] {
            assert!(decode::<u64>(&list, text).unwrap_err().as_invalid().is_some(), "{text}");
        }
    }
}
