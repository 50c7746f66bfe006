//! The idempotency key: one number for "the same work".
//!
//! key = HMAC-SHA-256 (RFC 2104), with a secret of the ledger, of the canonical JSON (RFC 8785) of
//! `[tenant, kind, context]`. The context goes in as it was sent, secrets and all, or two operations that differ
//! in what looks like one would be the same; every reader sees the key; so without the ledger's secret it must
//! tell nothing. `docs/idempotency.md` tells the recipe, `docs/idempotency-vectors.json` holds test vectors.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use redaction::CleanText;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json::push_token;

/// The deepest nesting of objects and arrays in a context. The context itself is level 1.
pub const MAX_CONTEXT_DEPTH: usize = 32;

/// The greatest size of a context in bytes, in canonical form.
pub const MAX_CONTEXT_BYTES: usize = 64 * 1024;

/// The greatest integer that every JSON reader keeps exact (RFC 7493, section 2.2).
const MAX_EXACT: u64 = (1 << 53) - 1;

/// The block of SHA-256, in bytes: to this length HMAC fills its key up with zeros.
const BLOCK: usize = 64;

/// What a ledger makes its idempotency keys with: 32 random bytes. `Debug` shows nothing of them.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencySecret([u8; 32]);

impl From<[u8; 32]> for IdempotencySecret {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl IdempotencySecret {
    /// The bytes themselves, to be kept where no reader can see them.
    #[must_use]
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }

    /// The clean name of an item. Where it loses anything, a secret that could be guessed even, its digits are
    /// those of a code that only this secret makes, so they tell nothing of what is lost.
    #[must_use]
    pub fn item_name(&self, raw: &str) -> CleanText {
        // No canonical request begins like this.
        CleanText::for_item_by(raw, |raw| self.mac(&[b"item name\0", raw]))
    }

    /// HMAC-SHA-256 (RFC 2104) of the parts in a row.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut block = [0; BLOCK];
        block[..self.0.len()].copy_from_slice(&self.0);
        let mac = Hmac::<Sha256>::new(&block.into());
        parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes().into()
    }
}

impl fmt::Debug for IdempotencySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencySecret(..)")
    }
}

/// The text is no secret for idempotency keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must be 64 hex digits, 32 random bytes: `openssl rand -hex 32` makes one")]
pub struct InvalidSecret;

impl FromStr for IdempotencySecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidSecret)?;
        Ok(Self(bytes))
    }
}

/// HMAC-SHA-256 over tenant, kind and context. Text form: 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey([u8; 32]);

impl IdempotencyKey {
    /// The 32 bytes of the code.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for IdempotencyKey {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({self})")
    }
}

/// The text is no idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 64 lower-case hex digits")]
pub struct InvalidKey;

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        // One text form only: an upper-case twin would look like another key.
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidKey);
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(|_| InvalidKey)?;
        Ok(Self(digest))
    }
}

impl Serialize for IdempotencyKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IdempotencyKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Why a context is not acceptable. `pointer` is a JSON Pointer (RFC 6901) into the context;
/// the empty pointer is the context itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The context is an array or a scalar.
    #[error("the context must be a JSON object, not {found}")]
    NotAnObject {
        /// The JSON type that was found.
        found: &'static str,
    },
    /// Nested deeper than [`MAX_CONTEXT_DEPTH`].
    #[error("{pointer:?} is nested deeper than 32 levels")]
    TooDeep {
        /// Where the first container below the limit is.
        pointer: String,
    },
    /// Larger than [`MAX_CONTEXT_BYTES`] in canonical form.
    #[error("the context has {bytes} bytes in canonical form, the limit is 65536")]
    TooLarge {
        /// The size that was found.
        bytes: usize,
    },
    /// A string or a member name holds U+0000, which the database cannot store.
    #[error("{pointer:?} holds the character U+0000")]
    Nul {
        /// Where the string, or the member with that name, is.
        pointer: String,
    },
    /// A member is called what some JSON readers take for an order of their own.
    #[error(
        "{pointer:?} begins with $serde_json::private::, which some JSON readers take for an order to unpack what it holds; use another name"
    )]
    ReservedName {
        /// Where the member is.
        pointer: String,
    },
    /// A number that not every JSON reader keeps exact.
    #[error(
        "{pointer:?} is a number beyond 2^53-1, where different numbers become the same one; send it as a string (RFC 7493, section 2.2)"
    )]
    InexactNumber {
        /// Where the number is.
        pointer: String,
    },
    /// The canonical form could not be written.
    #[error("the context has no canonical form: {0}")]
    Canonical(String),
}

impl ContextError {
    /// The JSON Pointer of what is wrong; empty for the context as a whole.
    #[must_use]
    pub fn pointer(&self) -> &str {
        match self {
            Self::TooDeep { pointer }
            | Self::Nul { pointer }
            | Self::ReservedName { pointer }
            | Self::InexactNumber { pointer } => pointer,
            Self::NotAnObject { .. } | Self::TooLarge { .. } | Self::Canonical(_) => "",
        }
    }
}

/// Why no key could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The context itself is not acceptable.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// An entry of `unordered` names something that is there but is no array.
    #[error("unordered names {pointer:?}, which is {found}, not an array")]
    NotAnArray {
        /// The pointer as it was understood.
        pointer: String,
        /// The JSON type that was found.
        found: &'static str,
    },
}

/// Checks that a context can be stored and compared: an object, at most 32 levels deep, at
/// most 64 KiB in canonical form, no U+0000, no number beyond ±(2^53-1), and no member that is called what
/// JSON readers give a meaning to.
///
/// # Errors
/// [`ContextError`], with a JSON Pointer to the first thing that is wrong.
pub fn check_context(context: &Value) -> Result<(), ContextError> {
    checked(context).map(drop)
}

/// The canonical form of a context that keeps the rules of [`check_context`].
fn checked(context: &Value) -> Result<Vec<u8>, ContextError> {
    if !context.is_object() {
        return Err(ContextError::NotAnObject { found: type_name(context) });
    }
    check_value(context, &mut String::new(), 1)?;
    let canonical = canonical(context)?;
    if canonical.len() > MAX_CONTEXT_BYTES {
        return Err(ContextError::TooLarge { bytes: canonical.len() });
    }
    Ok(canonical)
}

/// The key of the work that `tenant` asks for by `kind` and `context`.
///
/// `unordered` names arrays whose order and doubles mean nothing: JSON Pointers (RFC 6901)
/// such as `/targets`, or `targets` as a short form of it. Such an array is sorted by the
/// canonical bytes of its elements, and equal elements are kept once. Deeper arrays go first.
/// A pointer that names nothing is ignored, because an absent list is a fair context.
///
/// # Errors
/// [`KeyError::Context`] after the rules of [`check_context`]; [`KeyError::NotAnArray`] when
/// `unordered` names something else than an array.
pub fn idempotency_key(
    secret: &IdempotencySecret,
    tenant: &str,
    kind: &str,
    context: &Value,
    unordered: &[String],
) -> Result<IdempotencyKey, KeyError> {
    Ok(IdempotencyKey(secret.mac(&[&canonical_request(tenant, kind, context, unordered)?])))
}

/// The key as ledgers made it before they had a secret: the bare SHA-256. Only to find what was reserved by it:
/// anybody who sees it can try what the context holds.
///
/// # Errors
/// The same as [`idempotency_key`].
pub fn unkeyed(
    tenant: &str,
    kind: &str,
    context: &Value,
    unordered: &[String],
) -> Result<IdempotencyKey, KeyError> {
    let bytes = canonical_request(tenant, kind, context, unordered)?;
    Ok(IdempotencyKey(Sha256::digest(bytes).into()))
}

/// The bytes that [`idempotency_key`] authenticates: canonical JSON of `[tenant, kind, context]`.
///
/// # Errors
/// The same as [`idempotency_key`].
pub fn canonical_request(
    tenant: &str,
    kind: &str,
    context: &Value,
    unordered: &[String],
) -> Result<Vec<u8>, KeyError> {
    let sent = checked(context)?;
    let context = if unordered.is_empty() { sent } else { canonical(&sorted(context, unordered)?)? };
    // An array's canonical form is that of its elements in a row, so the context's is made once.
    let mut request = canonical(&(tenant, kind))?;
    request.pop();
    request.push(b',');
    request.extend(context);
    request.push(b']');
    Ok(request)
}

/// The context with the arrays in order that have none, and without their doubles.
fn sorted(context: &Value, unordered: &[String]) -> Result<Value, KeyError> {
    let mut context = context.clone();
    let mut pointers: Vec<String> = unordered.iter().map(|p| as_pointer(p)).collect();
    // Deepest first, so that an index in a pointer means the element as it was sent, and the
    // outer array is sorted by what its elements have become.
    pointers.sort_by_key(|pointer| std::cmp::Reverse(pointer.matches('/').count()));
    for pointer in pointers {
        sort_array(&mut context, &pointer)?;
    }
    Ok(context)
}

fn as_pointer(name: &str) -> String {
    if name.is_empty() || name.starts_with('/') {
        return name.to_owned();
    }
    let mut pointer = String::new();
    push_token(&mut pointer, name);
    pointer
}

fn sort_array(context: &mut Value, pointer: &str) -> Result<(), KeyError> {
    let Some(found) = context.pointer_mut(pointer) else {
        return Ok(());
    };
    let Value::Array(elements) = found else {
        return Err(KeyError::NotAnArray { pointer: pointer.to_owned(), found: type_name(found) });
    };
    let mut keyed = Vec::with_capacity(elements.len());
    for element in elements.drain(..) {
        keyed.push((canonical(&element)?, element));
    }
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    keyed.dedup_by(|a, b| a.0 == b.0);
    elements.extend(keyed.into_iter().map(|(_, element)| element));
    Ok(())
}

fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, ContextError> {
    serde_json_canonicalizer::to_vec(value).map_err(|e| ContextError::Canonical(e.to_string()))
}

fn check_value(value: &Value, pointer: &mut String, depth: usize) -> Result<(), ContextError> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => {
            // By value, not by spelling: many readers turn 1e21 and 1000000000000000000001
            // into the same double before we see them.
            let exact = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            let fits = match (exact, number.as_f64()) {
                (Some(integer), _) => integer <= MAX_EXACT,
                (None, Some(double)) => double.abs() <= MAX_EXACT as f64,
                (None, None) => false,
            };
            if fits { Ok(()) } else { Err(ContextError::InexactNumber { pointer: pointer.clone() }) }
        }
        Value::String(text) => check_text(text, pointer),
        Value::Array(_) | Value::Object(_) if depth > MAX_CONTEXT_DEPTH => {
            Err(ContextError::TooDeep { pointer: pointer.clone() })
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                step(pointer, &index.to_string(), |p| check_value(element, p, depth + 1))?;
            }
            Ok(())
        }
        Value::Object(members) => {
            for (name, member) in members {
                step(pointer, name, |p| {
                    check_text(name, p)?;
                    check_name(name, p)?;
                    check_value(member, p, depth + 1)
                })?;
            }
            Ok(())
        }
    }
}

fn step<T>(pointer: &mut String, token: &str, check: impl FnOnce(&mut String) -> T) -> T {
    let length = pointer.len();
    push_token(pointer, token);
    let result = check(pointer);
    pointer.truncate(length);
    result
}

fn check_text(text: &str, pointer: &str) -> Result<(), ContextError> {
    if text.contains('\0') {
        return Err(ContextError::Nul { pointer: pointer.to_owned() });
    }
    Ok(())
}

/// A reader of our answers would be led as astray as we were: by its name alone such a member is taken for JSON
/// in a string.
fn check_name(name: &str, pointer: &str) -> Result<(), ContextError> {
    if name.starts_with("$serde_json::private::") {
        return Err(ContextError::ReservedName { pointer: pointer.to_owned() });
    }
    Ok(())
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
