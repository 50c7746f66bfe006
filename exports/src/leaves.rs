//! Which leaf of a tenant's tree an event is. Nothing keeps that for each event: where it lies is known nearly, from the
//! positions of checkpoints, and between two of them the tree is looked through.

use std::collections::HashMap;
use std::ops::Range;

use futures::TryStreamExt;
use seal::Hash;
use seal::tiles::WIDTH;

use crate::error::ExportError;
use crate::snapshot::{Snapshot, bigint, unsigned};

/// Leaves in a tile.
const TILE: u64 = WIDTH as u64;

impl Snapshot {
    /// The indexes of these leaves, of which the first one's event is at that position of the log; none of those that
    /// the signed tree does not have. With `everywhere` they are looked for also where they should not be.
    pub async fn indexes(
        &mut self,
        log: i32,
        (position, everywhere): (u64, bool),
        leaves: &[Hash],
    ) -> Result<Vec<Option<u64>>, ExportError> {
        let sealed = sqlx::query!(
            r#"SELECT COALESCE((SELECT max(size) FROM seal.checkpoints WHERE log_id = $1 AND note IS NOT NULL), 0) AS "size!",
                   (SELECT size FROM seal.checkpoints WHERE log_id = $1 AND position < $2
                    ORDER BY position DESC, size DESC LIMIT 1) AS before,
                   (SELECT size FROM seal.checkpoints WHERE log_id = $1 AND position >= $2
                    ORDER BY position, size LIMIT 1) AS by"#,
            log,
            bigint(position)
        )
        .fetch_one(self.conn())
        .await?;
        let size = unsigned(sealed.size)?;
        let number = |size: Option<i64>| size.map(unsigned).transpose();
        let near = number(sealed.before)?.unwrap_or(0)..number(sealed.by)?.unwrap_or(size).min(size);
        let mut found = HashMap::new();
        self.look_through(log, near.clone(), leaves, &mut found).await?;
        // In a copy of a log events have other positions than when they were sealed.
        if everywhere && found.len() < leaves.len() && near != (0..size) {
            self.look_through(log, 0..size, leaves, &mut found).await?;
        }
        Ok(leaves.iter().map(|leaf| found.get(leaf).copied()).collect())
    }

    async fn look_through(
        &mut self,
        log: i32,
        range: Range<u64>,
        leaves: &[Hash],
        found: &mut HashMap<Hash, u64>,
    ) -> Result<(), ExportError> {
        let wanted: HashMap<&[u8], Hash> = leaves.iter().map(|leaf| (&leaf.0[..], *leaf)).collect();
        let mut tiles = sqlx::query!(
            "SELECT index, hashes FROM seal.tiles
             WHERE log_id = $1 AND tree = 0 AND level = 0 AND index >= $2 AND index < $3 ORDER BY index",
            log,
            bigint(range.start / TILE),
            bigint(range.end.div_ceil(TILE))
        )
        .fetch(self.conn());
        while let Some(tile) = tiles.try_next().await? {
            let first = unsigned(tile.index)? * TILE;
            for (index, hash) in (first..).zip(tile.hashes.chunks(32)) {
                if let Some(leaf) = wanted.get(hash).filter(|_| range.contains(&index)) {
                    found.insert(*leaf, index);
                }
            }
            if found.len() == wanted.len() {
                break;
            }
        }
        Ok(())
    }
}
