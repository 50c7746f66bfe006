//! Signed notes (C2SP `signed-note`), and cosignatures of checkpoints (C2SP `tlog-cosignature`).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::key::check_name;
pub use crate::key::{KeyKind, SignerKey, VerifierKey};

/// The most signatures that a note may have.
const MOST_SIGNATURES: usize = 100;

/// What is wrong with a note or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no signed note.
    #[error("it is no signed note: {0}")]
    Malformed(&'static str),
    /// A text is no key.
    #[error("it is no key: {0}")]
    NoKey(&'static str),
    /// None of the known keys has signed it.
    #[error("none of the known keys has signed it")]
    Unsigned,
    /// A known key's signature is wrong.
    #[error("the signature of {0} is wrong")]
    WrongSignature(String),
}

/// One line under a note: `— <name> <base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub(crate) name: String,
    pub(crate) id: [u8; 4],
    pub(crate) bytes: Vec<u8>,
}

impl Signature {
    /// The name of the key that is said to have made it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id[..], &self.bytes].concat();
        write!(f, "\u{2014} {} {}", self.name, STANDARD.encode(bytes))
    }
}

impl FromStr for Signature {
    type Err = NoteError;

    fn from_str(line: &str) -> Result<Self, NoteError> {
        let rest = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' '));
        let (name, bytes) = rest.ok_or(NoteError::Malformed("a signature is — name base64"))?;
        check_name(name).map_err(|_| NoteError::Malformed("a signature's name is no name"))?;
        let bytes = STANDARD.decode(bytes).map_err(|_| NoteError::Malformed("a signature is no base64"))?;
        let Some((id, bytes)) = bytes.split_first_chunk::<4>().filter(|(_, rest)| !rest.is_empty()) else {
            return Err(NoteError::Malformed("a signature is too short"));
        };
        Ok(Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
    }
}

/// A text with signatures. Nothing in it counts before [`Self::verified_by`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    /// The text, which ends with a newline.
    pub text: String,
    /// Who is said to have signed it.
    pub signatures: Vec<Signature>,
}

impl SignedNote {
    /// Which of the keys have signed it, each with the time that a cosignature says. Signatures by other keys say
    /// nothing.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`]; [`NoteError::WrongSignature`], whatever other signatures there are.
    pub fn verified_by<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k VerifierKey>,
    ) -> Result<Vec<(&'k VerifierKey, Option<u64>)>, NoteError> {
        let mut by = Vec::new();
        for key in keys {
            for signature in &self.signatures {
                if let Some(checked) = key.check(&self.text, signature) {
                    let time = checked?;
                    if !by.iter().any(|(known, _)| *known == key) {
                        by.push((key, time));
                    }
                }
            }
        }
        if by.is_empty() { Err(NoteError::Unsigned) } else { Ok(by) }
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Malformed("it has control characters"));
        }
        let end =
            note.rfind("\n\n").ok_or(NoteError::Malformed("it has no empty line before its signatures"))?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        let Some(lines) = lines.strip_suffix('\n') else {
            return Err(NoteError::Malformed("its last line does not end"));
        };
        if lines.split('\n').count() > MOST_SIGNATURES {
            return Err(NoteError::Malformed("it has too many signatures"));
        }
        let signatures = lines.split('\n').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the documentation of Go's `golang.org/x/mod/sumdb/note`.
    const GO_SIGNER: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const GO_VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your \
        problem is.\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn notes_and_keys_are_those_of_go() {
        let signer: SignerKey = GO_SIGNER.parse().unwrap();
        assert_eq!((signer.reveal(), signer.verifier().to_string()), (GO_SIGNER.into(), GO_VERIFIER.into()));
        let note: SignedNote = GO_NOTE.parse().unwrap();
        assert_eq!(note.to_string(), GO_NOTE);
        assert_eq!(signer.sign(&note.text), note.signatures[0]);
        assert_eq!(note.verified_by([&GO_VERIFIER.parse().unwrap()]).unwrap().len(), 1);
    }

    #[test]
    fn a_changed_note_is_refused_and_strangers_count_for_nothing() {
        let key: VerifierKey = GO_VERIFIER.parse().unwrap();
        let mut note: SignedNote = GO_NOTE.replace("answer", "Answer").parse().unwrap();
        assert_eq!(note.verified_by([&key]), Err(NoteError::WrongSignature("PeterNeumann".into())));
        let stranger = SignerKey::new("PeterNeumann", KeyKind::Note, &[7; 32]).unwrap();
        note.signatures = vec![stranger.sign(&note.text)];
        assert_eq!(note.verified_by([&key]), Err(NoteError::Unsigned));
    }

    #[test]
    fn a_cosignature_says_when_and_for_what() {
        let witness = SignerKey::new("w.example/1", KeyKind::Cosignature, &[1; 32]).unwrap();
        let text = "example.org/log\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n".to_owned();
        let mut note = SignedNote { signatures: vec![witness.cosign(&text, 1_700_000_000)], text };
        let key = witness.verifier();
        assert_eq!(note.verified_by([&key]).unwrap(), [(&key, Some(1_700_000_000))]);
        note.signatures[0].bytes[7] ^= 1;
        note.verified_by([&key]).unwrap_err();
    }

    #[test]
    fn what_is_no_note_or_key_is_told() {
        for bad in [
            "",
            "\n",
            "a\n\n",
            "a\n\nb\n",
            "a\n\n\u{2014} x\n",
            "a\n\n\u{2014} x AAAA\n",
            "a\r\n\n\u{2014} x AAAAAAA=\n",
        ] {
            assert!(bad.parse::<SignedNote>().is_err(), "{bad:?}");
        }
        for bad in [
            "",
            "a+b",
            "a b+c74f20a3+AQ==",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        ] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad:?}");
        }
    }
}
