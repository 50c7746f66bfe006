//! Identities. Each has one door in, so a value of these types is always well formed.

use std::fmt;
use std::str::FromStr;

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is wrong with an identity, in words that say how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(pub(crate) String);

/// A tenant's short name: 1 to 63 of `a-z 0-9 -`, not beginning or ending with a dash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// A run: a UUIDv7 (RFC 9562), made by the ledger when the run is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Uuid", into = "Uuid")]
pub struct RunId(Uuid);

/// The kind of an operation, such as `backup_set.add_policies`: dotted words of `a-z 0-9 _ -`,
/// at most 100 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kind(String);

/// A principal: a user, a service or [`PrincipalId::SYSTEM`]. 1 to 200 printable characters
/// without spaces at either end. It is compared to the letter and never rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrincipalId(String);

/// An id by which a producer ties events together across systems: 1 to 200 printable characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CorrelationId(String);

/// One of the two parts of a [`crate::Reference`]: 1 to 255 printable characters without spaces at either end. It is
/// compared to the letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReferencePart(String);

/// A namespace of a tenant's directory, such as `policies`: within it an id stands for one thing, whose name the
/// directory knows. Words of `a-z 0-9 _` joined by dots, at most 63 characters. It has no dash, for a tenant may: so
/// the name of its stream says where the one ends and the other begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(String);

/// What a request is called in answers and in the server's log: 1 to 128 characters `A-Z a-z 0-9 - _ . :`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(String);

impl RunId {
    /// Takes a UUID that is of version 7.
    ///
    /// # Errors
    /// When it is of any other version.
    pub fn new(id: Uuid) -> Result<Self, InvalidId> {
        if id.get_version_num() == 7 {
            Ok(Self(id))
        } else {
            Err(InvalidId(format!("{id} is not a run id: run ids are UUIDs of version 7")))
        }
    }

    /// The UUID itself.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl FromStr for RunId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let id = Uuid::try_parse(text)
            .map_err(|_| InvalidId("a run id is a UUID of version 7, as POST .../runs answered it".into()))?;
        Self::new(id)
    }
}

impl TryFrom<Uuid> for RunId {
    type Error = InvalidId;

    fn try_from(id: Uuid) -> Result<Self, InvalidId> {
        Self::new(id)
    }
}

impl From<RunId> for Uuid {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PrincipalId {
    /// The initiator of runs that nobody started: it gets no notifications.
    pub const SYSTEM: &str = "system";

    /// Whether this is [`Self::SYSTEM`].
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0 == Self::SYSTEM
    }

    /// Whether people would take it for [`Self::SYSTEM`]: in other letters of the same shape or width, or with
    /// something between them.
    #[must_use]
    pub fn looks_like_system(&self) -> bool {
        let plain = |c: char| match c {
            // Full-width forms.
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            // Cyrillic and Greek letters of the same shape.
            'ѕ' | 'Ѕ' => 's',
            'у' | 'У' | 'ү' | 'Υ' | 'γ' => 'y',
            'т' | 'Т' | 'Τ' | 'τ' => 't',
            'е' | 'Е' | 'Ε' => 'e',
            'м' | 'М' | 'Μ' => 'm',
            'ſ' => 's',
            other => other,
        };
        let letters = self.0.chars().map(plain).flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric());
        letters.eq(Self::SYSTEM.chars())
    }
}

fn tenant_rule(text: &str) -> Result<(), String> {
    let legal = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if (1..=63).contains(&text.len()) && legal && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(());
    }
    Err("a tenant is named by 1 to 63 characters a-z, 0-9 and -, not beginning or ending with -".into())
}

fn kind_rule(text: &str) -> Result<(), String> {
    let word = |w: &str| {
        !w.is_empty()
            && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    };
    if text.len() <= 100 && text.split('.').all(word) {
        return Ok(());
    }
    Err("a kind is made of words of a-z, 0-9, _ and - joined by dots, at most 100 characters, \
         such as backup_set.add_policies"
        .into())
}

fn printable_rule(what: &str, most: usize, text: &str) -> Result<(), String> {
    let chars = text.chars().count();
    if (1..=most).contains(&chars) && text.trim() == text && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!("{what} has 1 to {most} printable characters and no space at its ends"))
}

/// A character in an id that nobody sees, or that nobody can tell from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "its character {} is U+{:04X}, which nobody sees or can tell from a space: two ids that look alike would \
     be two; leave it out",
    .at + 1,
    u32::from(*.character)
)]
pub struct Invisible {
    /// Which character.
    pub character: char,
    /// How many characters come before it.
    pub at: usize,
}

/// What an id holds that can't be seen: anything that is no letter, mark, number, punctuation, symbol or plain
/// space, what Unicode lets a renderer leave out, and the blanks among the symbols. Asked of ids on their way
/// in; stored ones are read as they are.
#[must_use]
pub fn invisible(id: &str) -> Option<Invisible> {
    #[expect(clippy::expect_used, reason = "the pattern is a constant, and tested")]
    static UNSEEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u{2800}\u{FFFC}--\ ]").expect("a pattern")
    });
    if id.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return None;
    }
    let found = UNSEEN.find(id)?;
    let character = found.as_str().chars().next()?;
    Some(Invisible { character, at: id[..found.start()].chars().count() })
}

fn principal_rule(text: &str) -> Result<(), String> {
    printable_rule("a principal's id", 200, text)
}

fn correlation_rule(text: &str) -> Result<(), String> {
    printable_rule("a correlation or causation id", 200, text)
}

fn reference_rule(text: &str) -> Result<(), String> {
    printable_rule("a reference's source or id", ReferencePart::MOST, text)
}

impl ReferencePart {
    /// How many characters it has at most.
    pub const MOST: usize = 255;
}

fn namespace_rule(text: &str) -> Result<(), String> {
    let word = |w: &str| {
        !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if text.len() <= 63 && text.split('.').all(word) {
        return Ok(());
    }
    Err("a namespace is made of words of a-z, 0-9 and _ joined by dots, at most 63 characters, such as policies".into())
}

fn request_rule(text: &str) -> Result<(), String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    if (1..=128).contains(&text.len()) && text.bytes().all(legal) {
        return Ok(());
    }
    Err("a request's id has 1 to 128 characters A-Z, a-z, 0-9, -, _, . and :".into())
}

impl From<Uuid> for RequestId {
    /// A UUID's text is of the form.
    fn from(id: Uuid) -> Self {
        Self(id.to_string())
    }
}

macro_rules! text_id {
    ($name:ident, $rule:path) => {
        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                $rule(&text).map_err(InvalidId)?;
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(TenantId, tenant_rule);
text_id!(Kind, kind_rule);
text_id!(PrincipalId, principal_rule);
text_id!(CorrelationId, correlation_rule);
text_id!(ReferencePart, reference_rule);
text_id!(Namespace, namespace_rule);
text_id!(RequestId, request_rule);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_found_wherever_it_is() {
        let unseen = [
            '\u{0}',
            '\u{7f}',
            '\u{85}',
            '\u{a0}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1680}',
            '\u{17b4}',
            '\u{180b}',
            '\u{180e}',
            '\u{2003}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{202f}',
            '\u{2060}',
            '\u{2066}',
            '\u{206f}',
            '\u{2800}',
            '\u{3000}',
            '\u{3164}',
            '\u{e000}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{fffc}',
            '\u{ffff}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{10fffd}',
        ];
        for character in unseen {
            for (id, at) in
                [(format!("ann{character}"), 3), (format!("{character}é"), 0), (format!("é{character}b"), 1)]
            {
                assert_eq!(
                    invisible(&id),
                    Some(Invisible { character, at }),
                    "U+{:04X}",
                    u32::from(character)
                );
            }
        }
    }

    #[test]
    fn what_looks_like_the_ledger_itself_is_told() {
        for id in
            ["system", "System", "SYSTEM", "s.y.s-t_e m", "(system)", "ｓｙｓｔｅｍ", "ѕуѕтем", "ſystem"]
        {
            assert!(PrincipalId(id.into()).looks_like_system(), "{id}");
        }
        for id in ["systems", "systemd", "my-system", "s", "ecosystem", "system-2"] {
            assert!(!PrincipalId(id.into()).looks_like_system(), "{id}");
        }
    }

    #[test]
    fn what_is_seen_is_let_in() {
        for id in [
            "ann",
            "Ann B.",
            "svc:backup/eu-1@x.example",
            "Łukasz",
            "José",
            "e\u{301}",
            "山田",
            "مها",
            "№7",
            "👍",
        ] {
            assert_eq!(invisible(id), None, "{id}");
        }
        let told = Invisible { character: '\u{200b}', at: 3 }.to_string();
        assert!(told.contains("character 4 is U+200B"), "{told}");
    }
}
