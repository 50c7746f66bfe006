//! Keys that sign notes and checkpoints: Ed25519 (RFC 8032) under a name, as C2SP `signed-note` has them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature as Ed25519, Signer, SigningKey, VerifyingKey};

use crate::hash::Hash;
use crate::note::{NoteError, Signature};

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
pub(crate) fn check_name(name: &str) -> Result<(), NoteError> {
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
    pub(crate) fn check(&self, text: &str, signature: &Signature) -> Option<Result<Option<u64>, NoteError>> {
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
