//! Tiles in their table.

use std::collections::BTreeSet;

use seal::Hash;
use seal::tiles::{TileId, Tiles};
use sqlx::PgConnection;

use crate::error::{SealError, signed, unsigned};

/// Which tree of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tree {
    /// That of the entries.
    Entries,
    /// That of the heads.
    Heads,
}

impl Tree {
    fn number(self) -> i16 {
        match self {
            Self::Entries => 0,
            Self::Heads => 1,
        }
    }
}

/// Adds tiles that are not there yet. One that is not stored either is left out.
pub(crate) async fn load(
    db: &mut PgConnection,
    log: i32,
    tree: Tree,
    wanted: BTreeSet<TileId>,
    tiles: &mut Tiles,
) -> Result<(), SealError> {
    let wanted: Vec<_> = wanted.into_iter().filter(|id| !tiles.contains(*id)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let levels: Vec<i16> = wanted.iter().map(|id| i16::from(id.level)).collect();
    let indexes: Vec<i64> = wanted.iter().map(|id| signed(id.index)).collect::<Result<_, _>>()?;
    let rows = sqlx::query!(
        r#"SELECT t.level, t.index, t.hashes FROM unnest($3::smallint[], $4::bigint[]) AS w (level, index)
           JOIN seal.tiles AS t ON t.log_id = $1 AND t.tree = $2 AND t.level = w.level AND t.index = w.index"#,
        log,
        tree.number(),
        &levels,
        &indexes
    );
    for row in rows.fetch_all(db).await? {
        let level = u8::try_from(row.level).map_err(|_| SealError::Damaged("a tile's level".into()))?;
        let hashes = row.hashes.chunks(32).map(crate::error::hash).collect::<Result<_, _>>()?;
        tiles.insert(TileId { level, index: unsigned(row.index)? }, hashes);
    }
    Ok(())
}

/// Tiles to be written, of any logs.
#[derive(Default)]
pub(crate) struct Changed {
    logs: Vec<i32>,
    trees: Vec<i16>,
    levels: Vec<i16>,
    indexes: Vec<i64>,
    hashes: Vec<Vec<u8>>,
}

impl Changed {
    /// Takes what has changed in a tree.
    pub fn take(&mut self, log: i32, tree: Tree, tiles: &mut Tiles) -> Result<(), SealError> {
        for (id, hashes) in tiles.take_changed() {
            self.logs.push(log);
            self.trees.push(tree.number());
            self.levels.push(i16::from(id.level));
            self.indexes.push(signed(id.index)?);
            self.hashes.push(bytes(&hashes));
        }
        Ok(())
    }

    /// Writes it.
    pub async fn write(self, db: &mut PgConnection) -> Result<(), SealError> {
        if self.logs.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO seal.tiles (log_id, tree, level, index, hashes)
             SELECT * FROM unnest($1::int[], $2::smallint[], $3::smallint[], $4::bigint[], $5::bytea[])
             ON CONFLICT (log_id, tree, level, index) DO UPDATE SET hashes = excluded.hashes",
            &self.logs,
            &self.trees,
            &self.levels,
            &self.indexes,
            &self.hashes
        )
        .execute(db)
        .await?;
        Ok(())
    }
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
