//! The runs of logs: numbers, salts and chains.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use seal::entry::Salt;
use seal::heads::Head;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{SealError, hash, signed, unsigned};
use crate::logs::salt;

/// A run's chain.
#[derive(Debug, Clone)]
pub(crate) struct RunChain {
    pub number: u64,
    pub salt: Salt,
    /// How far it has come; none before its first event.
    pub head: Option<Head>,
    /// When its first event was recorded.
    pub began_at: Option<DateTime<Utc>>,
}

/// The runs that a batch touches, by log and id.
pub(crate) type Chains = HashMap<(i32, Uuid), RunChain>;

/// Loads those of these runs that there are.
pub(crate) async fn load(db: &mut PgConnection, wanted: &[(i32, Uuid)]) -> Result<Chains, SealError> {
    let (logs, ids): (Vec<i32>, Vec<Uuid>) = wanted.iter().copied().unzip();
    let rows = sqlx::query!(
        "SELECT r.log_id, r.number, r.run_id, r.salt, r.count, r.first, r.last, r.began_at
         FROM unnest($1::int[], $2::uuid[]) AS w (log_id, run_id)
         JOIN seal.runs AS r ON r.log_id = w.log_id AND r.run_id = w.run_id",
        &logs,
        &ids
    );
    let mut chains = Chains::new();
    for row in rows.fetch_all(db).await? {
        let head = Head { count: unsigned(row.count)?, first: hash(&row.first)?, last: hash(&row.last)? };
        let chain = RunChain {
            number: unsigned(row.number)?,
            salt: salt(&row.salt)?,
            head: Some(head),
            began_at: row.began_at,
        };
        chains.insert((row.log_id, row.run_id), chain);
    }
    Ok(chains)
}

/// Writes runs that are new, or have come further.
pub(crate) async fn write(db: &mut PgConnection, chains: &Chains) -> Result<(), SealError> {
    let (mut logs, mut numbers, mut ids, mut began) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut salts, mut counts) = (Vec::new(), Vec::new());
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for ((log, id), chain) in chains {
        let Some(head) = chain.head else { continue };
        logs.push(*log);
        numbers.push(signed(chain.number)?);
        ids.push(*id);
        began.push(chain.began_at);
        salts.push(chain.salt.bytes().to_vec());
        counts.push(signed(head.count)?);
        firsts.push(head.first.0.to_vec());
        lasts.push(head.last.0.to_vec());
    }
    sqlx::query!(
        "INSERT INTO seal.runs AS known (log_id, number, run_id, began_at, salt, count, first, last)
         SELECT * FROM unnest($1::int[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::bytea[], $6::bigint[],
             $7::bytea[], $8::bytea[])
         ON CONFLICT (log_id, number) DO UPDATE SET count = excluded.count, last = excluded.last",
        &logs,
        &numbers,
        &ids,
        &began as &[Option<DateTime<Utc>>],
        &salts,
        &counts,
        &firsts,
        &lasts
    )
    .execute(db)
    .await?;
    Ok(())
}
