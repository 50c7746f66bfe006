//! Shapes of tokens: classes of bytes in a row. No shape can make its matcher go back.

/// A set of ASCII bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class(u128);

impl Class {
    /// The bytes of the text, with ranges as in `0-9A-F`; a dash at the end is itself.
    pub(crate) const fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut set = 0u128;
        let mut at = 0;
        while at < bytes.len() {
            let (from, to) = if at + 2 < bytes.len() && bytes[at + 1] == b'-' {
                (bytes[at], bytes[at + 2])
            } else {
                (bytes[at], bytes[at])
            };
            let mut byte = from;
            while byte <= to {
                set |= 1 << byte;
                byte += 1;
            }
            at += if at + 2 < bytes.len() && bytes[at + 1] == b'-' { 3 } else { 1 };
        }
        Self(set)
    }

    pub(crate) const fn has(self, byte: u8) -> bool {
        byte < 128 && self.0 >> byte & 1 == 1
    }
}

/// Decimal digits.
pub(crate) const D: Class = Class::of("0-9");
/// Hex digits in lower case.
pub(crate) const H: Class = Class::of("0-9a-f");
/// Hex digits in any case.
pub(crate) const X: Class = Class::of("0-9a-fA-F");
/// Small letters and digits.
pub(crate) const L: Class = Class::of("0-9a-z");
/// Capitals and digits.
pub(crate) const U: Class = Class::of("0-9A-Z");
/// Letters and digits.
pub(crate) const A: Class = Class::of("0-9A-Za-z");
/// Base64 for URLs (RFC 4648, 5).
pub(crate) const W: Class = Class::of("0-9A-Za-z_-");
/// Base64, either alphabet, with its padding.
pub(crate) const B: Class = Class::of("0-9A-Za-z+/_=-");
/// What stands in URLs and dotted tokens.
pub(crate) const T: Class = Class::of("0-9A-Za-z_.~-");
/// Letters, digits and `_`.
pub(crate) const G: Class = Class::of("0-9A-Za-z_");
/// Capitals, digits and dashes.
pub(crate) const UD: Class = Class::of("0-9A-Z-");
/// What follows the beginning of Slack's tokens.
pub(crate) const S: Class = Class::of("0-9A-Za-z%-");
/// Letters and digits, percent-encoded where need be.
pub(crate) const PCT: Class = Class::of("0-9A-Za-z%");
/// Small letters and digits in parts that `$` joins.
pub(crate) const DOL: Class = Class::of("0-9a-z$");
/// Names and passwords that `:` joins.
pub(crate) const K: Class = Class::of("0-9A-Za-z:._-");
/// Hashes of passwords, with their salts and settings.
pub(crate) const HASH: Class = Class::of("0-9A-Za-z./+$=,:-");
/// A path.
pub(crate) const P: Class = Class::of("0-9A-Za-z_/-");

/// A piece of a shape.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// So many bytes of a class, or more.
    Least(Class, usize),
    /// So many, and no more of the class after them.
    Exact(Class, usize),
    /// This text.
    Text(&'static str),
}

pub(crate) use Part::{Exact, Least, Text};

/// The longest part, in bytes, that is looked at before a decision.
const LONGEST_PART: usize = 512;

/// Matches at the start of the window: the length, if the shape fits. The last part may go on after the window.
pub(crate) fn length(parts: &[Part], window: &str) -> Option<usize> {
    let bytes = window.as_bytes();
    let mut at = 0;
    for part in parts {
        match *part {
            Text(text) => {
                at += window.get(at..)?.starts_with(text).then_some(text.len())?;
            }
            Least(class, least) => {
                let run = run(bytes.get(at..)?, class);
                at += (run >= least).then_some(run)?;
            }
            Exact(class, count) => {
                let run = run(bytes.get(at..)?, class);
                at += (run == count).then_some(run)?;
            }
        }
    }
    Some(at)
}

/// The class that a find goes on in after the shape.
pub(crate) fn tail(parts: &[Part]) -> Option<Class> {
    match parts.last()? {
        Least(class, _) => Some(*class),
        Exact(..) | Text(_) => None,
    }
}

fn run(bytes: &[u8], class: Class) -> usize {
    bytes.iter().take(LONGEST_PART).take_while(|b| class.has(**b)).count()
}
