//! Heads: how far each stream of a tenant has come, so that no end of a run can be cut off unnoticed, and no run left
//! out.
//!
//! The heads of the runs are the leaves of a tree of their own, run number `k` at `k`. Before each checkpoint with news,
//! its size and root become an entry of the tenant's tree, the last one, with the head of the administration's stream.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::checkpoint::decimal;
use crate::hash::Hash;

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many events it has.
    pub count: u64,
    /// The leaf hash of its first event's entry: with it, one event shows what a run is without all that followed.
    pub first: Hash,
    /// The leaf hash of its last event's entry.
    pub last: Hash,
}

/// The head of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunHead {
    /// Its number within the tenant.
    pub number: u64,
    /// Its id.
    pub id: Uuid,
    /// How far it has come.
    pub head: Head,
}

impl RunHead {
    /// The hash of the leaf: of the text `runledger/head/1`, and `<number> <id> <count> <first> <last>`, two lines.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        let Self { number, id, head } = self;
        Hash::leaf(format!("runledger/head/1\n{number} {id} {head}\n").as_bytes())
    }
}

/// The entry that says all heads of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// How many runs the tenant has.
    pub runs: u64,
    /// The root of the tree of their heads.
    pub root: Hash,
    /// How far the administration's stream has come; none where it has no events.
    pub administration: Option<Head>,
}

impl Heads {
    /// The text: `runledger/heads/1`, `runs <number> <root>`, `admin <count> <first> <last>` or `admin 0 - -`; three lines.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { runs, root, administration } = self;
        let admin = administration.map_or_else(|| "0 - -".to_owned(), |head| head.to_string());
        format!("runledger/heads/1\nruns {runs} {root}\nadmin {admin}\n")
    }

    /// The hash of the leaf that holds it.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        Hash::leaf(self.text().as_bytes())
    }
}

/// A text that does not say the heads of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("heads are three lines: runledger/heads/1, runs <number> <root>, admin <count> <first> <last>")]
pub struct NoHeads;

impl FromStr for Heads {
    type Err = NoHeads;

    /// There is one spelling only, that of [`Heads::text`].
    fn from_str(text: &str) -> Result<Self, NoHeads> {
        let read = || {
            let mut lines = text.split('\n').skip(1);
            let (runs, root) = lines.next()?.strip_prefix("runs ")?.split_once(' ')?;
            let admin: Vec<&str> = lines.next()?.strip_prefix("admin ")?.split(' ').collect();
            let administration = match admin.as_slice() {
                ["0", "-", "-"] => None,
                [count, first, last] => Some(Head {
                    count: decimal(count).filter(|count| *count > 0)?,
                    first: first.parse().ok()?,
                    last: last.parse().ok()?,
                }),
                _ => return None,
            };
            Some(Self { runs: decimal(runs)?, root: root.parse().ok()?, administration })
        };
        read().filter(|heads| heads.text() == text).ok_or(NoHeads)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.count, self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_these_lines() {
        let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let mut heads = Heads { runs: 0, root: Hash::empty(), administration: None };
        assert_eq!(heads.text(), format!("runledger/heads/1\nruns 0 {empty}\nadmin 0 - -\n"));
        heads.administration = Some(Head { count: 2, first: Hash::empty(), last: Hash::empty() });
        assert_eq!(heads.text(), format!("runledger/heads/1\nruns 0 {empty}\nadmin 2 {empty} {empty}\n"));
    }

    #[test]
    fn heads_have_one_spelling() {
        let empty = Hash::empty();
        for administration in [None, Some(Head { count: 2, first: empty, last: empty })] {
            let heads = Heads { runs: 17, root: empty, administration };
            assert_eq!(heads.text().parse(), Ok(heads));
        }
        let text = format!("runledger/heads/1\nruns 17 {empty}\nadmin 2 {empty} {empty}\n");
        for (from, to) in
            [("17", "017"), ("admin 2", "admin 0"), ("heads/1", "heads/2"), ("=\n", "="), ("2 ", "2  ")]
        {
            assert_eq!(text.replace(from, to).parse::<Heads>(), Err(NoHeads), "{from} {to}");
        }
        assert_eq!(format!("{text}\n").parse::<Heads>(), Err(NoHeads));
        assert_eq!("runledger/heads/1\nruns 0".parse::<Heads>(), Err(NoHeads));
    }
}
