//! Reason codes: why an item or a run did not succeed, in words a machine can compare.
//!
//! The catalogue is the vocabulary that producers should use first; see
//! `docs/reason-codes.md`. A well-formed code outside it is accepted.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// The greatest length of a code, in characters (all of them ASCII).
pub const MAX_REASON_CODE_CHARS: usize = 64;

/// The documented codes with their meaning, in the order of the documentation.
pub const CATALOGUE: &[(&str, &str)] = &[
    ("dispatch_failed", "The work could not be handed to a worker, so it never began."),
    ("permission_denied", "The caller or the worker lacks a right that the work needs."),
    ("unauthenticated", "The other side did not accept who we say we are."),
    ("timeout", "The work took longer than it was allowed to."),
    ("throttled", "The other side asked us to slow down, and retries ran out."),
    ("quota_exceeded", "A limit on size, count or spending is used up."),
    ("not_found", "What the work is about does not exist."),
    ("already_exists", "What the work would create is there already."),
    ("conflict", "Somebody else changed the same thing at the same time."),
    ("precondition_failed", "A condition that the work relies on does not hold."),
    ("validation_failed", "The input was understood and is not acceptable."),
    ("stale", "The run or its worker fell silent and is presumed dead."),
    ("cancelled", "A person or a system stopped the work on purpose."),
    ("unavailable", "The other side could not be reached or refused for now."),
    ("dependency_failed", "Another step or item that this one needs did not succeed."),
    ("unsupported", "The work asks for something that is not offered here."),
    ("data_corrupt", "Stored data could not be read or failed its checksum."),
    ("internal", "A fault of our own that has no better name."),
    ("unknown", "The producer does not know why."),
];

/// A reason code: lower-case dotted words, at most 64 characters.
///
/// ```
/// use domain::reason::ReasonCode;
/// let code = ReasonCode::parse("storage.quota_exceeded").unwrap();
/// assert_eq!(code.as_str(), "storage.quota_exceeded");
/// assert!(ReasonCode::parse("Not Found").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ReasonCode(String);

/// Why a text is no reason code. The message states the rule and what broke it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a reason code is lower-case dotted words ([a-z][a-z0-9_]*, joined by dots) of at most 64 characters: {wrong}"
)]
pub struct InvalidReasonCode {
    wrong: String,
}

impl InvalidReasonCode {
    fn new(wrong: impl Into<String>) -> Self {
        Self { wrong: wrong.into() }
    }
}

impl ReasonCode {
    /// Reads a code.
    ///
    /// # Errors
    /// [`InvalidReasonCode`] when the text is empty, too long or has another form.
    pub fn parse(text: &str) -> Result<Self, InvalidReasonCode> {
        if text.is_empty() {
            return Err(InvalidReasonCode::new("it is empty"));
        }
        let chars = text.chars().count();
        if chars > MAX_REASON_CODE_CHARS {
            return Err(InvalidReasonCode::new(format!("it has {chars} characters")));
        }
        let mut word_start = true;
        for (at, c) in text.chars().enumerate() {
            word_start = match c {
                'a'..='z' => false,
                '0'..='9' | '_' if !word_start => false,
                '.' if !word_start => true,
                '.' => {
                    return Err(InvalidReasonCode::new(format!(
                        "the word before the dot at character {at} is empty"
                    )));
                }
                '0'..='9' | '_' => {
                    return Err(InvalidReasonCode::new(format!(
                        "the word at character {at} starts with {c:?}, not with a letter"
                    )));
                }
                _ => {
                    return Err(InvalidReasonCode::new(format!(
                        "character {at} is {c:?}, which is not allowed"
                    )));
                }
            };
        }
        if word_start {
            return Err(InvalidReasonCode::new("it ends with a dot"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the code is one of the documented ones.
    #[must_use]
    pub fn in_catalogue(&self) -> bool {
        CATALOGUE.iter().any(|(code, _)| *code == self.0)
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ReasonCode {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ReasonCode {
    type Err = InvalidReasonCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for ReasonCode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_codes_pass() {
        for code in ["a", "timeout", "a.b", "aws.s3.slow_down", "x1_.y2", "a__b"] {
            assert_eq!(ReasonCode::parse(code).unwrap().as_str(), code);
        }
        assert!(ReasonCode::parse(&"a".repeat(64)).is_ok());
    }

    #[test]
    fn other_forms_are_refused_with_what_is_wrong() {
        for (text, wrong) in [
            ("", "it is empty"),
            (".a", "empty"),
            ("a.", "ends with a dot"),
            ("a..b", "empty"),
            ("1a", "starts with '1'"),
            ("a._b", "starts with '_'"),
            ("Timeout", "character 0 is 'T'"),
            ("not found", "character 3 is ' '"),
            ("a-b", "character 1 is '-'"),
            ("é", "character 0 is 'é'"),
            ("a\n", "character 1 is '\\n'"),
        ] {
            let message = ReasonCode::parse(text).unwrap_err().to_string();
            assert!(message.contains(wrong), "{text:?}: {message}");
            assert!(message.contains("at most 64 characters"));
        }
        let message = ReasonCode::parse(&"a".repeat(65)).unwrap_err().to_string();
        assert!(message.contains("it has 65 characters"));
    }

    #[test]
    fn json_is_the_bare_text_and_is_checked() {
        let code = ReasonCode::parse("timeout").unwrap();
        assert_eq!(serde_json::to_string(&code).unwrap(), "\"timeout\"");
        assert_eq!(serde_json::from_str::<ReasonCode>("\"timeout\"").unwrap(), code);
        assert!(serde_json::from_str::<ReasonCode>("\"Time out\"").is_err());
    }

    #[test]
    fn the_catalogue_is_well_formed_and_documented() {
        let doc = include_str!("../../docs/reason-codes.md");
        let rows: Vec<String> =
            doc.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
        let wanted: Vec<String> =
            CATALOGUE.iter().map(|(code, meaning)| format!("| `{code}` | {meaning} |")).collect();
        assert_eq!(rows, wanted);
        for (code, _) in CATALOGUE {
            assert!(ReasonCode::parse(code).unwrap().in_catalogue());
        }
        assert!(!ReasonCode::parse("made_up").unwrap().in_catalogue());
    }
}
