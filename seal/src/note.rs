//! Signed notes (C2SP `signed-note`) by Ed25519 (RFC 8032), and cosignatures of checkpoints (C2SP `tlog-cosignature`).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature as Ed25519, Signer, SigningKey, VerifyingKey};

use crate::hash::Hash;

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

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// A note's text: a log's key.
    Note,
    /// A checkpoint with the time: a witness's key.
    Cosignature,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Note => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// A public key with its name: `<name>+<id>+<base64>`, a C2SP `vkey`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    key: VerifyingKey,
}

/// A private key with its name: `PRIVATE+KEY+<name>+<id>+<base64>`, as Go's `sumdb/note` writes it. `Debug` shows
/// nothing of it.
#[derive(Clone)]
pub struct SignerKey {
    name: String,
    kind: KeyKind,
    key: SigningKey,
}

/// A name of a key: not empty, without spaces and `+`.
fn check_name(name: &str) -> Result<(), NoteError> {
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+') {
        return Err(NoteError::NoKey("its name is empty, or has a space or + in it"));
    }
    Ok(())
}

fn key_id(name: &str, kind: KeyKind, key: &VerifyingKey) -> [u8; 4] {
    let hash = Hash::of(&[name.as_bytes(), b"\n", &[kind.byte()], key.as_bytes()]);
    [hash.0[0], hash.0[1], hash.0[2], hash.0[3]]
}

/// Name, id and key material of `<name>+<id>+<base64>`.
fn key_parts(text: &str) -> Result<(&str, &str, KeyKind, [u8; 32]), NoteError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NoteError::NoKey("it is of the form name+id+base64"));
    };
    check_name(name)?;
    let bytes = STANDARD.decode(material).map_err(|_| NoteError::NoKey("its last part is no base64"))?;
    let kind = match bytes.first() {
        Some(0x01) => KeyKind::Note,
        Some(0x04) => KeyKind::Cosignature,
        _ => return Err(NoteError::NoKey("it is no Ed25519 key")),
    };
    let material = bytes[1..].try_into().map_err(|_| NoteError::NoKey("it has not 32 bytes"))?;
    Ok((name, id, kind, material))
}

fn check_id(said: &str, id: [u8; 4]) -> Result<(), NoteError> {
    if said == format!("{:08x}", u32::from_be_bytes(id)) {
        return Ok(());
    }
    Err(NoteError::NoKey("its id is not that of its name and key: it is mistyped or cut off"))
}

impl VerifierKey {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The same key under another name; see [`SignerKey::named`].
    ///
    /// # Errors
    /// When the name is no name of a key.
    pub fn named(&self, name: &str) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), ..self.clone() })
    }

    /// The key itself, without its name.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, self.kind, &self.key)
    }

    /// Whether the signature is this key's by name and id, and if so when it was made (a cosignature says it), in
    /// seconds since 1970.
    fn check(&self, text: &str, signature: &Signature) -> Option<Result<Option<u64>, NoteError>> {
        if signature.name != self.name || signature.id != self.id() {
            return None;
        }
        let wrong = || NoteError::WrongSignature(self.name.clone());
        let verify = |message: &[u8], signature: &[u8]| {
            let signature = Ed25519::from_slice(signature).map_err(|_| wrong())?;
            self.key.verify_strict(message, &signature).map_err(|_| wrong())
        };
        Some(match self.kind {
            KeyKind::Note => verify(text.as_bytes(), &signature.bytes).map(|()| None),
            KeyKind::Cosignature => match signature.bytes.split_first_chunk::<8>() {
                None => Err(wrong()),
                Some((time, rest)) => {
                    let time = u64::from_be_bytes(*time);
                    verify(cosigned(text, time).as_bytes(), rest).map(|()| Some(time))
                }
            },
        })
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, id, kind, material) = key_parts(text)?;
        let key = VerifyingKey::from_bytes(&material).map_err(|_| NoteError::NoKey("it is no point"))?;
        check_id(id, key_id(name, kind, &key))?;
        Ok(Self { name: name.to_owned(), kind, key })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, id) = (&self.name, u32::from_be_bytes(self.id()));
        let material = [&[self.kind.byte()][..], self.key.as_bytes()].concat();
        write!(f, "{name}+{id:08x}+{}", STANDARD.encode(material))
    }
}

const PRIVATE: &str = "PRIVATE+KEY+";

impl SignerKey {
    /// A key from 32 secret random bytes.
    ///
    /// # Errors
    /// When the name is no name of a key.
    pub fn new(name: &str, kind: KeyKind, secret: &[u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), kind, key: SigningKey::from_bytes(secret) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same key under another name: a log's key is named as its origin, and one key signs for all logs of a
    /// ledger.
    ///
    /// # Errors
    /// When the name is no name of a key.
    pub fn named(&self, name: &str) -> Result<Self, NoteError> {
        Self::new(name, self.kind, &self.key.to_bytes())
    }

    /// What others check its signatures with.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), kind: self.kind, key: self.key.verifying_key() }
    }

    /// The key as it is written into a file.
    #[must_use]
    pub fn reveal(&self) -> String {
        let id = u32::from_be_bytes(self.verifier().id());
        let material = [&[self.kind.byte()][..], &self.key.to_bytes()].concat();
        format!("{PRIVATE}{}+{id:08x}+{}", self.name, STANDARD.encode(material))
    }

    /// A note's signature by a log's key.
    #[must_use]
    pub fn sign(&self, text: &str) -> Signature {
        self.signature(self.key.sign(text.as_bytes()).to_bytes().to_vec())
    }

    /// The cosignature of a checkpoint's text by a witness's key. The time is in seconds since 1970.
    #[must_use]
    pub fn cosign(&self, text: &str, time: u64) -> Signature {
        let signature = self.key.sign(cosigned(text, time).as_bytes()).to_bytes();
        self.signature([&time.to_be_bytes()[..], &signature].concat())
    }

    fn signature(&self, bytes: Vec<u8>) -> Signature {
        Signature { name: self.name.clone(), id: self.verifier().id(), bytes }
    }
}

fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.name)
    }
}

impl FromStr for SignerKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let text = text.strip_prefix(PRIVATE);
        let text = text.ok_or(NoteError::NoKey("a private key begins with PRIVATE+KEY+"))?;
        let (name, id, kind, secret) = key_parts(text)?;
        let key = Self::new(name, kind, &secret)?;
        check_id(id, key.verifier().id())?;
        Ok(key)
    }
}

/// One line under a note: `— <name> <base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
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
