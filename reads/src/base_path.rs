//! The path under which a server is seen from outside, for the links of what is read.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longer than anybody's.
const LONGEST: usize = 200;

/// Under which path the server is seen: none, or such as `/ledger`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(Arc<str>);

/// What is no path to be seen under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a base path is / and words of letters, digits, -, ., _ and ~, such as /ledger or /tools/ledger, with at most \
     {LONGEST} characters"
)]
pub struct InvalidBasePath;

impl FromStr for BasePath {
    type Err = InvalidBasePath;

    /// Only what can stand in a URL, a header and a cookie as it is. No part of it is empty: `//` would begin the
    /// name of a server.
    fn from_str(text: &str) -> Result<Self, InvalidBasePath> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() {
            return Ok(Self::default());
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        let word = |word: &str| !["", ".", ".."].contains(&word) && word.bytes().all(plain);
        let words = text.strip_prefix('/').ok_or(InvalidBasePath)?;
        if text.len() > LONGEST || !words.split('/').all(word) {
            return Err(InvalidBasePath);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BasePath {
    /// The path; empty at the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A path of ours as it is seen from outside.
    #[must_use]
    pub fn to(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether the server is seen at the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// A path that is seen from outside as it is ours; none where it does not lie under this one.
    #[must_use]
    pub fn of<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(&*self.0) {
            Some("") => Some("/"),
            rest => rest.filter(|rest| rest.starts_with('/')),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_leads_nowhere_else() {
        for (text, is) in [("", ""), ("/", ""), ("/ledger", "/ledger"), ("/a/b.c~d_e-f/", "/a/b.c~d_e-f")] {
            assert_eq!(text.parse::<BasePath>().unwrap().to("/x"), format!("{is}/x"), "{text}");
        }
        let long = format!("/{}", "x".repeat(LONGEST));
        for bad in [
            "ledger",
            "//evil.example",
            "/a//b",
            "/a//",
            "/..",
            "/a/./b",
            "/a b",
            "/a;b",
            "/%2f",
            "/ä",
            "/a\\b",
            "/a?b",
            "/a#b",
            "/\"",
            "https://evil.example",
            long.as_str(),
        ] {
            assert!(bad.parse::<BasePath>().is_err(), "{bad}");
        }
    }
}
