//! Heads: how far each stream of a tenant has come, so that no end of a run can be cut off unnoticed, and no run left
//! out.
//!
//! The heads of the runs are the leaves of a tree of their own, run number `k` at `k`. Before each checkpoint with news,
//! its size and root become an entry of the tenant's tree, the last one, with the head of the administration's stream.

use std::fmt;

use uuid::Uuid;

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
}
