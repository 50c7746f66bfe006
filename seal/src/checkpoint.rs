//! Checkpoints (C2SP `tlog-checkpoint`): origin, size and root of a tree, as the text of a signed note.

use std::fmt;
use std::str::FromStr;

use crate::hash::Hash;

/// What a log says of its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log. Also the name of its key.
    pub origin: String,
    /// How many leaves its tree has.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
}

/// A text that is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a checkpoint is three lines: origin, size, and root in base64")]
pub struct NoCheckpoint;

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        write!(f, "{origin}\n{size}\n{root}\n")
    }
}

impl FromStr for Checkpoint {
    type Err = NoCheckpoint;

    /// Extension lines are refused: this ledger writes none, and nobody may add one.
    fn from_str(text: &str) -> Result<Self, NoCheckpoint> {
        let mut lines = text.strip_suffix('\n').ok_or(NoCheckpoint)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(NoCheckpoint);
        };
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: decimal(size).ok_or(NoCheckpoint)?,
            root: root.parse().map_err(|_| NoCheckpoint)?,
        };
        // One spelling only.
        if origin.is_empty() || checkpoint.to_string() != text { Err(NoCheckpoint) } else { Ok(checkpoint) }
    }
}

impl Checkpoint {
    /// Reads a checkpoint of any log. Lines after the third are extensions, which say nothing of the tree and are
    /// signed along; none of them may be empty.
    ///
    /// # Errors
    /// [`NoCheckpoint`].
    pub fn of_any_log(text: &str) -> Result<Self, NoCheckpoint> {
        let three = text.match_indices('\n').nth(2).map(|(end, _)| text.split_at(end + 1));
        let (checkpoint, more) = three.ok_or(NoCheckpoint)?;
        let ends_well = more.is_empty() || more.ends_with('\n') && !more.starts_with('\n');
        if !ends_well || more.contains("\n\n") { Err(NoCheckpoint) } else { checkpoint.parse() }
    }
}

/// A number as C2SP writes it: digits without a zero in front.
#[must_use]
pub fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_has_one_spelling() {
        let text = "example.org/log\n17\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        assert_eq!(text.parse::<Checkpoint>().unwrap().to_string(), text);
        for (from, to) in [
            ("17", "017"),
            ("17", "+17"),
            ("17", "x"),
            ("example.org/log", ""),
            ("FU=\n", "FU="),
            ("FU=", "FU"),
        ] {
            assert_eq!(text.replace(from, to).parse::<Checkpoint>(), Err(NoCheckpoint), "{from} {to}");
        }
        let more = format!("{text}more\n");
        assert_eq!(more.parse::<Checkpoint>(), Err(NoCheckpoint));
        assert_eq!(Checkpoint::of_any_log(&more), text.parse());
        assert_eq!(Checkpoint::of_any_log(text), text.parse());
        for more in ["more", "\n", "\nmore\n", "more\n\nmore\n"] {
            assert_eq!(Checkpoint::of_any_log(&format!("{text}{more}")), Err(NoCheckpoint), "{more:?}");
        }
    }
}
