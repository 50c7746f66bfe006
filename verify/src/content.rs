//! The stored bytes of an event, and what they say.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use seal::Hash;
use seal::entry::{Part, PartSalt};
use seal::export::EventLine;

use crate::plain::members;

/// One part of an event: its bytes, or none where they were erased, and the commitment to them.
pub struct Content<'a> {
    /// The stored bytes.
    pub bytes: Option<Cow<'a, [u8]>>,
    /// The commitment.
    pub hash: Hash,
}

impl Content<'_> {
    /// The texts of members of its JSON.
    pub fn members<const N: usize>(&self, names: [&str; N]) -> [Option<String>; N] {
        self.bytes.as_ref().map_or_else(|| names.map(|_| None), |bytes| members(bytes, names))
    }
}

/// A part of an event as its line has it.
///
/// # Errors
/// What is wrong.
pub fn content(event: &EventLine, part: Part) -> Result<Content<'_>, String> {
    match part {
        Part::Data => opened(part, &event.data, &event.data_base64, event.data_salt, event.data_hash),
        Part::Metadata => {
            opened(part, &event.metadata, &event.metadata_base64, event.meta_salt, event.meta_hash)
        }
    }
}

/// A part as it stands somewhere: text or base64 with its salt, or a commitment alone.
///
/// # Errors
/// What is wrong.
pub fn opened<'a>(
    part: Part,
    text: &'a Option<String>,
    base64: &Option<String>,
    salt: Option<PartSalt>,
    hash: Option<Hash>,
) -> Result<Content<'a>, String> {
    let name = match part {
        Part::Data => "data",
        Part::Metadata => "metadata",
    };
    let committed = |bytes: Cow<'_, [u8]>, salt: PartSalt| salt.commit(part, &bytes);
    match (text, base64, salt, hash) {
        (Some(text), None, Some(salt), None) => {
            let bytes = Cow::Borrowed(text.as_bytes());
            Ok(Content { hash: committed(bytes.clone(), salt), bytes: Some(bytes) })
        }
        (None, Some(base64), Some(salt), None) => {
            let bytes = STANDARD.decode(base64).map_err(|_| format!("{name}_base64 is no base64"))?;
            if std::str::from_utf8(&bytes).is_ok() {
                return Err(format!("{name}_base64 holds text, which belongs into {name}"));
            }
            Ok(Content { hash: committed(Cow::Borrowed(&bytes), salt), bytes: Some(Cow::Owned(bytes)) })
        }
        (None, None, None, Some(hash)) => Ok(Content { bytes: None, hash }),
        _ => Err(format!("of {name} there is neither content with its salt alone nor a commitment alone")),
    }
}
