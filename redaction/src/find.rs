//! What rules find.

/// How exactly a rule knows what it has found: the more exact one names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// The token's own shape.
    Shape,
    /// What a word announces.
    Phrase,
    /// The name of the value.
    Name,
    /// Its look alone.
    Look,
}

/// One secret: where it is, and what kind it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Find {
    pub start: usize,
    pub end: usize,
    pub kind: &'static str,
    pub rank: Rank,
}
