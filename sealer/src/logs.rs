//! The logs: one a tenant, and the ledger's own. Kept in memory while they are worked on.

use std::collections::HashMap;

use rand::rand_core::TryRngCore;
use rand::rngs::OsRng;
use seal::Hash;
use seal::entry::Salt;
use seal::heads::Head;
use seal::tiles::{Tiles, needed};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{SealError, hash, signed, unsigned};
use crate::tiles::{self, Tree};

/// How many logs are kept. Each holds some tiles, 8 KiB at most each.
const KEPT: usize = 4_096;

/// A log as it is gone on with.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub id: i32,
    /// Leaves so far.
    pub size: u64,
    /// Runs so far.
    pub runs: u64,
    pub admin_salt: Salt,
    /// How far the administration's stream has come.
    pub admin: Option<Head>,
    /// The edge of the tree of entries.
    pub entries: Tiles,
    /// Whether it differs from its row.
    pub changed: bool,
}

/// Logs that were opened.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    /// The ledger's own.
    ledger: Option<Log>,
    tenants: HashMap<String, Log>,
}

/// 32 random bytes from the system.
pub(crate) fn random_salt() -> Result<[u8; 32], SealError> {
    let mut salt = [0; 32];
    OsRng.try_fill_bytes(&mut salt).map_err(|error| SealError::NoRandomness(error.to_string()))?;
    Ok(salt)
}

/// The head that a row has, if it has one.
pub(crate) fn head(count: i64, first: Option<&[u8]>, last: Option<&[u8]>) -> Result<Option<Head>, SealError> {
    let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
    Ok(Some(Head { count: unsigned(count)?, first: hash(first)?, last: hash(last)? }))
}

impl Logs {
    /// Makes sure that these tenants' logs are known; those that are new are made.
    pub async fn open(
        &mut self,
        db: &mut PgConnection,
        tenants: impl IntoIterator<Item = Option<&str>>,
    ) -> Result<(), SealError> {
        let missing: Vec<Option<String>> = tenants
            .into_iter()
            .filter(|tenant| self.known(*tenant).is_none())
            .map(|tenant| tenant.map(ToOwned::to_owned))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (mut suffixes, mut salts) = (Vec::new(), Vec::new());
        for _ in &missing {
            suffixes.push(Uuid::new_v4().simple().to_string());
            salts.push(random_salt()?.to_vec());
        }
        // Tenants in the order of their names: two that make them at once do not lock each other out.
        sqlx::query!(
            "INSERT INTO seal.logs (tenant, suffix, admin_salt)
             SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) AS n (tenant, suffix, salt) ORDER BY tenant
             ON CONFLICT DO NOTHING",
            &missing as &[Option<String>],
            &suffixes,
            &salts
        )
        .execute(&mut *db)
        .await?;
        let rows = sqlx::query!(
            "SELECT log_id, tenant, size, runs, admin_salt, admin_count, admin_first, admin_last FROM seal.logs
             WHERE tenant = ANY($1) OR ($2 AND tenant IS NULL)",
            &missing as &[Option<String>],
            missing.contains(&None)
        )
        .fetch_all(&mut *db)
        .await?;
        for row in rows {
            let size = unsigned(row.size)?;
            let mut entries = Tiles::default();
            tiles::load(db, row.log_id, Tree::Entries, needed(std::iter::once(0..size)), &mut entries)
                .await?;
            let admin = head(row.admin_count, row.admin_first.as_deref(), row.admin_last.as_deref())?;
            let log = Log {
                id: row.log_id,
                size,
                runs: unsigned(row.runs)?,
                admin_salt: salt(&row.admin_salt)?,
                admin,
                entries,
                changed: false,
            };
            match row.tenant {
                Some(tenant) => {
                    self.tenants.insert(tenant, log);
                }
                None => self.ledger = Some(log),
            }
        }
        Ok(())
    }

    fn known(&self, tenant: Option<&str>) -> Option<&Log> {
        tenant.map_or(self.ledger.as_ref(), |tenant| self.tenants.get(tenant))
    }

    /// A log that was opened.
    pub fn get(&mut self, tenant: Option<&str>) -> Result<&mut Log, SealError> {
        let log = match tenant {
            Some(name) => self.tenants.get_mut(name),
            None => self.ledger.as_mut(),
        };
        log.ok_or_else(|| SealError::Damaged(format!("the log of tenant {tenant:?} is missing")))
    }

    /// Writes what has changed, tiles too.
    pub async fn write(&mut self, db: &mut PgConnection) -> Result<(), SealError> {
        let mut changed = tiles::Changed::default();
        let (mut ids, mut sizes, mut runs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut counts, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        for log in self.tenants.values_mut().chain(self.ledger.as_mut()).filter(|log| log.changed) {
            changed.take(log.id, Tree::Entries, &mut log.entries)?;
            ids.push(log.id);
            sizes.push(signed(log.size)?);
            runs.push(signed(log.runs)?);
            counts.push(signed(log.admin.map_or(0, |head| head.count))?);
            firsts.push(log.admin.map(|head| head.first.0.to_vec()));
            lasts.push(log.admin.map(|head| head.last.0.to_vec()));
            log.entries.keep_edge(log.size);
            log.changed = false;
        }
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE seal.logs AS l SET size = n.size, runs = n.runs, admin_count = n.count, admin_first = n.first,
                 admin_last = n.last
             FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])
                 AS n (id, size, runs, count, first, last)
             WHERE l.log_id = n.id",
            &ids,
            &sizes,
            &runs,
            &counts,
            &firsts as &[Option<Vec<u8>>],
            &lasts as &[Option<Vec<u8>>]
        )
        .execute(&mut *db)
        .await?;
        changed.write(db).await
    }

    /// Forgets what may differ from the tables, or all of it where it is too much.
    pub fn forget(&mut self, all: bool) {
        if all || self.tenants.len() > KEPT {
            *self = Self::default();
        }
    }
}

impl Log {
    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) -> Result<(), SealError> {
        self.entries.set(self.size, leaf)?;
        self.size += 1;
        self.changed = true;
        Ok(())
    }
}

/// A salt of the database.
pub(crate) fn salt(bytes: &[u8]) -> Result<Salt, SealError> {
    Ok(Salt::new(hash(bytes)?.0))
}

/// A suffix of the database.
pub(crate) fn suffix(text: &str) -> Result<Uuid, SealError> {
    Uuid::try_parse(text).map_err(|_| SealError::Damaged(format!("{text:?} is no end of an origin")))
}
