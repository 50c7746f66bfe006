//! A Merkle tree in tiles of 256 hashes, as in C2SP `tlog-tiles`: the tile with index `n` of level 0 holds the hashes
//! of the leaves `256 n` to `256 n + 255`, that of level `k + 1` the roots of 256 full tiles of level `k`. The last tile
//! of a level may hold fewer. Every node of the tree can be computed from one tile, and a proof from a few.

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;
use std::ops::Range;

use crate::hash::{Hash, split};

/// How many hashes a full tile holds: 2 to the power of 8.
pub const WIDTH: usize = 256;
const HEIGHT: u32 = 8;

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// Its level, from 0 at the leaves.
    pub level: u8,
    /// Its index within the level, from the left.
    pub index: u64,
}

/// A tile that is needed has not been loaded, or is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tile {} of level {} is not there, or lacks hashes", .0.index, .0.level)]
pub struct MissingTile(pub TileId);

/// Tiles of one tree, as far as they were loaded. Leaves are hashes, see [`Hash::leaf`].
#[derive(Debug, Clone, Default)]
pub struct Tiles {
    tiles: BTreeMap<TileId, Vec<Hash>>,
    changed: BTreeSet<TileId>,
}

/// The tile of level 0 that a leaf is in, and those above it up to the root of a tree with that many leaves.
fn above(leaf: u64, size: u64) -> impl Iterator<Item = TileId> {
    let last = size.saturating_sub(1);
    let levels = (0..8u8).take_while(move |level| *level == 0 || last >> (HEIGHT * u32::from(*level)) > 0);
    levels.map(move |level| TileId { level, index: leaf >> (HEIGHT * (u32::from(level) + 1)) })
}

impl Tiles {
    /// Adds a tile as it was stored.
    pub fn insert(&mut self, id: TileId, hashes: Vec<Hash>) {
        self.tiles.insert(id, hashes);
    }

    /// Whether the tile is there.
    #[must_use]
    pub fn contains(&self, id: TileId) -> bool {
        self.tiles.contains_key(&id)
    }

    /// The hashes of a tile that is there.
    #[must_use]
    pub fn get(&self, id: TileId) -> Option<&[Hash]> {
        self.tiles.get(&id).map(Vec::as_slice)
    }

    /// The tiles that [`Self::set`] of these leaves, and then [`Self::root`] of a tree with `size` leaves, need of
    /// those that were stored when it had `stored` leaves.
    #[must_use]
    pub fn to_change(leaves: impl IntoIterator<Item = u64>, stored: u64, size: u64) -> BTreeSet<TileId> {
        let mut ids: BTreeSet<_> = leaves.into_iter().flat_map(|leaf| above(leaf, size)).collect();
        ids.extend(needed(once(0..stored)));
        ids.extend(needed(once(0..size)));
        ids.retain(|id| u128::from(id.index) << (HEIGHT * (u32::from(id.level) + 1)) < u128::from(stored));
        // Of a level above the leaves nothing is stored before its first hash is.
        ids.retain(|id| id.level == 0 || stored >> (HEIGHT * u32::from(id.level)) > id.index << HEIGHT);
        ids
    }

    /// Sets the hash of a leaf: an old one, or the next one after the last. The tiles above follow.
    ///
    /// # Errors
    /// [`MissingTile`] where a tile that holds earlier leaves was not loaded; then nothing was changed in it.
    pub fn set(&mut self, leaf: u64, hash: Hash) -> Result<(), MissingTile> {
        let (mut at, mut hash) = (leaf, hash);
        for level in 0..8 {
            let id = TileId { level, index: at >> HEIGHT };
            let place = usize::try_from(at).unwrap_or(usize::MAX) % WIDTH;
            let tile = match self.tiles.entry(id) {
                Entry::Occupied(tile) => tile.into_mut(),
                Entry::Vacant(new) if place == 0 => new.insert(Vec::new()),
                Entry::Vacant(_) => return Err(MissingTile(id)),
            };
            match place.cmp(&tile.len()) {
                Ordering::Less => tile[place] = hash,
                Ordering::Equal => tile.push(hash),
                Ordering::Greater => return Err(MissingTile(id)),
            }
            self.changed.insert(id);
            if tile.len() < WIDTH {
                break;
            }
            (at, hash) = (at >> HEIGHT, Hash::root(tile));
        }
        Ok(())
    }

    /// The root of the leaves in a range, which begins where a subtree does.
    ///
    /// # Errors
    /// [`MissingTile`].
    pub fn root(&self, range: Range<u64>) -> Result<Hash, MissingTile> {
        match perfect(&range) {
            None if range.is_empty() => Ok(Hash::empty()),
            None => {
                let middle = range.start + split(range.end - range.start);
                let (left, right) = (self.root(range.start..middle)?, self.root(middle..range.end)?);
                Ok(Hash::node(&left, &right))
            }
            Some((id, hashes)) => {
                let tile = self.tiles.get(&id).and_then(|tile| tile.get(hashes));
                Ok(Hash::root(tile.ok_or(MissingTile(id))?))
            }
        }
    }

    /// The tiles that changed since they were taken last, in order.
    pub fn take_changed(&mut self) -> Vec<(TileId, Vec<Hash>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|id| self.tiles.get(&id).map(|tile| (id, tile.clone()))).collect()
    }

    /// Forgets all tiles but those that a tree with that many leaves is gone on from.
    pub fn keep_edge(&mut self, size: u64) {
        let edge = needed(once(0..size));
        self.tiles.retain(|id, tile| tile.len() < WIDTH || edge.contains(id));
    }
}

/// The tile of a perfect subtree, and where in it its hashes are; none where the range is no perfect subtree.
fn perfect(range: &Range<u64>) -> Option<(TileId, Range<usize>)> {
    let leaves = range.end.checked_sub(range.start).filter(|leaves| leaves.is_power_of_two())?;
    if !range.start.is_multiple_of(leaves) {
        return None;
    }
    let level = leaves.ilog2() / HEIGHT;
    let count = 1usize << (leaves.ilog2() % HEIGHT);
    let first = range.start >> (HEIGHT * level);
    let place = usize::try_from(first % WIDTH as u64).ok()?;
    let id = TileId { level: u8::try_from(level).ok()?, index: first >> HEIGHT };
    Some((id, place..place + count))
}

/// The tiles that the roots of these ranges are computed from.
#[must_use]
pub fn needed(ranges: impl IntoIterator<Item = Range<u64>>) -> BTreeSet<TileId> {
    fn add(range: Range<u64>, ids: &mut BTreeSet<TileId>) {
        match perfect(&range) {
            None if range.is_empty() => {}
            None => {
                let middle = range.start + split(range.end - range.start);
                add(range.start..middle, ids);
                add(middle..range.end, ids);
            }
            Some((id, _)) => {
                ids.insert(id);
            }
        }
    }
    let mut ids = BTreeSet::new();
    ranges.into_iter().for_each(|range| add(range, &mut ids));
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| Hash::leaf(&n.to_be_bytes())).collect()
    }

    fn filled(leaves: &[Hash]) -> Tiles {
        let mut tiles = Tiles::default();
        for (n, leaf) in (0..).zip(leaves) {
            tiles.set(n, *leaf).unwrap();
        }
        tiles
    }

    #[test]
    fn a_tree_in_tiles_has_the_root_of_the_tree() {
        let all = leaves(70_000);
        for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000] {
            let tiles = filled(&all[..size]);
            assert_eq!(tiles.root(0..size as u64).unwrap(), Hash::root(&all[..size]), "{size}");
        }
    }

    #[test]
    fn what_was_not_loaded_is_told() {
        let mut tiles = filled(&leaves(300));
        tiles.tiles.remove(&TileId { level: 0, index: 1 });
        assert_eq!(tiles.root(0..300), Err(MissingTile(TileId { level: 0, index: 1 })));
        assert_eq!(tiles.set(300, Hash::empty()), Err(MissingTile(TileId { level: 0, index: 1 })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// From what was stored, a tree goes on, and old leaves are changed, with the tiles that `to_change` names.
        #[test]
        fn a_tree_goes_on_from_a_few_tiles(
            stored in 0u64..70_000, more in 0u64..600, old in prop::collection::vec(0u64..70_000, 0..5)
        ) {
            let mut all = leaves(stored);
            let store = filled(&all);
            let old: Vec<u64> = old.into_iter().filter(|leaf| *leaf < stored).collect();
            let changed = || old.iter().copied().chain(stored..stored + more);
            let mut few = Tiles::default();
            for id in Tiles::to_change(changed(), stored, stored + more) {
                few.insert(id, store.tiles[&id].clone());
            }
            all.resize(usize::try_from(stored + more).unwrap(), Hash::empty());
            for leaf in changed() {
                let hash = Hash::leaf(&(leaf * 7).to_be_bytes());
                few.set(leaf, hash).unwrap();
                all[usize::try_from(leaf).unwrap()] = hash;
            }
            prop_assert_eq!(few.root(0..stored + more).unwrap(), Hash::root(&all));
            // What is written makes the store the same tree.
            let mut store = store;
            for (id, tile) in few.take_changed() {
                store.insert(id, tile);
            }
            prop_assert_eq!(store.root(0..stored + more).unwrap(), Hash::root(&all));
            few.keep_edge(stored + more);
            few.set(stored + more, Hash::empty()).unwrap();
        }
    }
}
