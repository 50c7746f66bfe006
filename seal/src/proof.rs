//! Proofs: of inclusion and consistency as in RFC 6962, sections 2.1.1 and 2.1.2, and of a range of leaves.
//!
//! A proof is hashes of subtrees, each the root of a range of leaves. So a proof is made in two steps: which ranges,
//! and their roots, from [`Tiles`](crate::tiles::Tiles).

use std::ops::Range;

use crate::hash::{Hash, split};

/// What a proof does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It speaks of leaves that the tree does not have.
    #[error("the proof is about leaves beyond the tree's size")]
    Beyond,
    /// It has too few hashes, or too many.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// It leads to another root.
    #[error("the proof leads to another root than the checkpoint has")]
    OtherRoot,
    /// It begins from another root.
    #[error("the proof begins from another root than the older checkpoint has")]
    OtherOldRoot,
}

/// The subtrees whose roots prove that a leaf is in a tree of `size` leaves, the leaf's sibling first.
///
/// # Errors
/// [`ProofError::Beyond`].
pub fn inclusion(leaf: u64, size: u64) -> Result<Vec<Range<u64>>, ProofError> {
    if leaf >= size {
        return Err(ProofError::Beyond);
    }
    let (mut range, mut siblings) = (0..size, Vec::new());
    while range.end - range.start > 1 {
        let middle = range.start + split(range.end - range.start);
        let (left, right) = (range.start..middle, middle..range.end);
        let (towards, sibling) = if leaf < middle { (left, right) } else { (right, left) };
        siblings.push(sibling);
        range = towards;
    }
    siblings.reverse();
    Ok(siblings)
}

/// The subtrees whose roots prove that the tree of `old` leaves is the beginning of that of `size` leaves.
///
/// # Errors
/// [`ProofError::Beyond`].
pub fn consistency(old: u64, size: u64) -> Result<Vec<Range<u64>>, ProofError> {
    if old > size {
        return Err(ProofError::Beyond);
    }
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let (mut range, mut siblings, mut whole) = (0..size, Vec::new(), true);
    while old != range.end {
        let middle = range.start + split(range.end - range.start);
        if old <= middle {
            siblings.push(middle..range.end);
            range = range.start..middle;
        } else {
            siblings.push(range.start..middle);
            (range, whole) = (middle..range.end, false);
        }
    }
    if !whole {
        siblings.push(range);
    }
    siblings.reverse();
    Ok(siblings)
}

/// The subtrees whose roots prove, with the leaves of a range, what a tree of `size` leaves has there: from left to
/// right, those that lie outside of the range.
///
/// # Errors
/// [`ProofError::Beyond`].
pub fn range(leaves: &Range<u64>, size: u64) -> Result<Vec<Range<u64>>, ProofError> {
    fn walk(tree: Range<u64>, leaves: &Range<u64>, outside: &mut Vec<Range<u64>>) {
        if tree.is_empty() || (leaves.start <= tree.start && tree.end <= leaves.end) {
        } else if tree.end <= leaves.start || leaves.end <= tree.start || leaves.is_empty() {
            outside.push(tree);
        } else {
            let middle = tree.start + split(tree.end - tree.start);
            walk(tree.start..middle, leaves, outside);
            walk(middle..tree.end, leaves, outside);
        }
    }
    if leaves.start > leaves.end || leaves.end > size {
        return Err(ProofError::Beyond);
    }
    let mut outside = Vec::new();
    walk(0..size, leaves, &mut outside);
    Ok(outside)
}

/// Takes hashes from the end of a proof.
struct Rest<'a>(&'a [Hash]);

impl Rest<'_> {
    fn pop(&mut self) -> Result<Hash, ProofError> {
        let (last, rest) = self.0.split_last().ok_or(ProofError::Length)?;
        self.0 = rest;
        Ok(*last)
    }

    fn is_used_up(&self) -> Result<(), ProofError> {
        if self.0.is_empty() { Ok(()) } else { Err(ProofError::Length) }
    }
}

/// Checks that a leaf is in the tree of that size and root.
///
/// # Errors
/// [`ProofError`].
pub fn verify_inclusion(
    leaf: u64,
    hash: Hash,
    size: u64,
    root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let siblings = inclusion(leaf, size)?;
    if siblings.len() != proof.len() {
        return Err(ProofError::Length);
    }
    let found = siblings.iter().zip(proof).fold(hash, |below, (sibling, hash)| {
        if sibling.start > leaf { Hash::node(&below, hash) } else { Hash::node(hash, &below) }
    });
    if found == root { Ok(()) } else { Err(ProofError::OtherRoot) }
}

/// Checks that the tree with the older size and root is the beginning of the one with the newer.
///
/// # Errors
/// [`ProofError`].
pub fn verify_consistency(
    (old_size, old_root): (u64, Hash),
    (size, root): (u64, Hash),
    proof: &[Hash],
) -> Result<(), ProofError> {
    /// The roots of the old and the new tree, as far as they are within the range.
    fn roots(
        range: Range<u64>,
        old: u64,
        known: Option<Hash>,
        proof: &mut Rest<'_>,
    ) -> Result<(Hash, Hash), ProofError> {
        if old == range.end {
            let whole = known.map_or_else(|| proof.pop(), Ok)?;
            return Ok((whole, whole));
        }
        let middle = range.start + split(range.end - range.start);
        let sibling = proof.pop()?;
        if old <= middle {
            let (before, now) = roots(range.start..middle, old, known, proof)?;
            return Ok((before, Hash::node(&now, &sibling)));
        }
        let (before, now) = roots(middle..range.end, old, None, proof)?;
        Ok((Hash::node(&sibling, &before), Hash::node(&sibling, &now)))
    }
    if old_size > size {
        return Err(ProofError::Beyond);
    }
    let mut rest = Rest(proof);
    if old_size == 0 {
        rest.is_used_up()?;
        return if old_root == Hash::empty() { Ok(()) } else { Err(ProofError::OtherOldRoot) };
    }
    let (before, now) = roots(0..size, old_size, Some(old_root), &mut rest)?;
    rest.is_used_up()?;
    match (before == old_root, now == root) {
        (false, _) => Err(ProofError::OtherOldRoot),
        (_, false) => Err(ProofError::OtherRoot),
        _ => Ok(()),
    }
}

/// The leaves of a range, taken one after another: of them no more is kept than the roots of the largest subtrees.
#[derive(Debug, Clone)]
pub struct RangeLeaves {
    first: u64,
    next: u64,
    /// Perfect subtrees, each a number of leaves, from left to right: first leaf, leaves, root.
    roots: Vec<(u64, u64, Hash)>,
}

impl RangeLeaves {
    /// A range that begins there, and has no leaves yet.
    #[must_use]
    pub fn new(first: u64) -> Self {
        Self { first, next: first, roots: Vec::new() }
    }

    /// Adds the next leaf.
    ///
    /// # Errors
    /// [`ProofError::Beyond`] where there can't be another one.
    pub fn push(&mut self, leaf: Hash) -> Result<(), ProofError> {
        let (mut start, mut leaves, mut root) = (self.next, 1, leaf);
        self.next = self.next.checked_add(1).ok_or(ProofError::Beyond)?;
        while let Some((left_start, left_leaves, left)) = self.roots.last().copied()
            && left_leaves == leaves
            && left_start.is_multiple_of(2 * leaves)
        {
            self.roots.pop();
            (start, leaves, root) = (left_start, 2 * leaves, Hash::node(&left, &root));
        }
        self.roots.push((start, leaves, root));
        Ok(())
    }

    /// Checks that the tree of that size and root has these leaves there.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, size: u64, root: Hash, proof: &[Hash]) -> Result<(), ProofError> {
        if self.next > size {
            return Err(ProofError::Beyond);
        }
        let mut outside = Rest(proof);
        let found = if size == 0 { Hash::empty() } else { self.walk(0..size, &mut outside)? };
        outside.is_used_up()?;
        if found == root { Ok(()) } else { Err(ProofError::OtherRoot) }
    }

    /// The root of a subtree. What lies outside of the range is taken from right to left.
    fn walk(&self, tree: Range<u64>, outside: &mut Rest<'_>) -> Result<Hash, ProofError> {
        if tree.end <= self.first || self.next <= tree.start || self.first == self.next {
            return outside.pop();
        }
        let leaves = tree.end - tree.start;
        let known = |(start, of, _): &&(u64, u64, Hash)| *start == tree.start && *of == leaves;
        if let Some((_, _, root)) = self.roots.iter().find(known) {
            return Ok(*root);
        }
        if leaves < 2 {
            return Err(ProofError::Length);
        }
        let middle = tree.start + split(leaves);
        let right = self.walk(middle..tree.end, outside)?;
        let left = self.walk(tree.start..middle, outside)?;
        Ok(Hash::node(&left, &right))
    }
}

/// Checks that the tree of that size and root has these leaves from `first` on.
///
/// # Errors
/// [`ProofError`].
pub fn verify_range(
    first: u64,
    leaves: &[Hash],
    size: u64,
    root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let mut range = RangeLeaves::new(first);
    leaves.iter().try_for_each(|leaf| range.push(*leaf))?;
    range.verify(size, root, proof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| Hash::leaf(&n.to_be_bytes())).collect()
    }

    fn roots(leaves: &[Hash], ranges: &[Range<u64>]) -> Vec<Hash> {
        let at = |leaf: u64| usize::try_from(leaf).unwrap();
        ranges.iter().map(|range| Hash::root(&leaves[at(range.start)..at(range.end)])).collect()
    }

    /// Each hash of a good proof changed, left out and doubled.
    fn spoilt(proof: &[Hash]) -> Vec<Vec<Hash>> {
        let mut all = vec![[proof, &[Hash::empty()]].concat()];
        for n in 0..proof.len() {
            let mut changed = proof.to_vec();
            changed[n].0[31] ^= 1;
            let mut without = proof.to_vec();
            without.remove(n);
            all.extend([changed, without]);
        }
        all
    }

    proptest! {
        #[test]
        fn inclusion_is_proven_and_nothing_else(size in 1u64..600, leaf in 0u64..600) {
            let leaf = leaf % size;
            let all = leaves(size);
            let (hash, root) = (all[usize::try_from(leaf).unwrap()], Hash::root(&all));
            let proof = roots(&all, &inclusion(leaf, size).unwrap());
            verify_inclusion(leaf, hash, size, root, &proof).unwrap();
            verify_inclusion(leaf, Hash::empty(), size, root, &proof).unwrap_err();
            verify_inclusion(size, hash, size, root, &proof).unwrap_err();
            for proof in spoilt(&proof) {
                verify_inclusion(leaf, hash, size, root, &proof).unwrap_err();
            }
        }

        #[test]
        fn consistency_is_proven_and_nothing_else(size in 1u64..600, old in 0u64..600) {
            let old = old % (size + 1);
            let all = leaves(size);
            let old_root = Hash::root(&all[..usize::try_from(old).unwrap()]);
            let root = Hash::root(&all);
            let proof = roots(&all, &consistency(old, size).unwrap());
            verify_consistency((old, old_root), (size, root), &proof).unwrap();
            let other = Hash::leaf(b"other");
            verify_consistency((old, other), (size, root), &proof).unwrap_err();
            if old > 0 {
                verify_consistency((old, old_root), (size, other), &proof).unwrap_err();
            }
            for proof in spoilt(&proof) {
                verify_consistency((old, old_root), (size, root), &proof).unwrap_err();
            }
        }

        #[test]
        fn a_range_is_proven_and_nothing_else(size in 0u64..300, first in 0u64..300, count in 0u64..300) {
            let first = first.min(size);
            let end = (first + count).min(size);
            let all = leaves(size);
            let root = Hash::root(&all);
            let part = &all[usize::try_from(first).unwrap()..usize::try_from(end).unwrap()];
            let proof = roots(&all, &range(&(first..end), size).unwrap());
            verify_range(first, part, size, root, &proof).unwrap();
            for proof in spoilt(&proof) {
                verify_range(first, part, size, root, &proof).unwrap_err();
            }
            if let [_, rest @ ..] = part {
                verify_range(first, rest, size, root, &proof).unwrap_err();
                verify_range(first, &[rest, &[Hash::empty()]].concat(), size, root, &proof).unwrap_err();
            }
        }
    }
}
