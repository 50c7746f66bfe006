//! Compares runs with what was sealed of them, one after another, slowly and for ever.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{RunId, TenantId};
use eventlog::EventLog;
use eventlog::streams::run_stream;
use metrics::{counter, gauge};
use seal::Hash;
use seal::entry::{Salt, Stream};
use seal::heads::{Head, RunHead};
use seal::proof;
use seal::tiles::{Tiles, needed};
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::checkpoint::{self, Prepared, Which, check_note};
use crate::error::{SealError, hash, unsigned};
use crate::findings::{self, Finding};
use crate::integrate::{after, sealable};
use crate::key::KeyFile;
use crate::logs::salt;
use crate::pace::Pace;
use crate::tiles::{self, Tree};

/// How many events of a stream are read at once.
const PAGE: usize = 1_000;

/// How many events a second are compared at most: some hundredths of a core.
const RATE: Option<NonZeroU32> = NonZeroU32::new(2_000);

/// Compares one run after another until it is stopped. (The ledger's own log is made of these tables alone: the audit
/// looks at it.)
pub(crate) async fn sample(
    pool: &PgPool,
    log: &Arc<dyn EventLog>,
    keys: &Path,
    every: Duration,
    stop: &CancellationToken,
) {
    let (runs, failures) =
        (counter!("runledger_seal_samples_total"), counter!("runledger_seal_sample_failures_total"));
    let wrong = gauge!("runledger_seal_findings");
    failures.absolute(0);
    while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        match stop.run_until_cancelled(check_next(pool, &**log, keys)).await {
            None => return,
            Some(Ok((finding, count))) => {
                runs.increment(1);
                #[expect(clippy::cast_precision_loss, reason = "a gauge")]
                wrong.set(count as f64);
                if let Some(finding) = finding {
                    tracing::error!(%finding, "history is not as it was sealed: see `runledger seal audit`");
                }
            }
            Some(Err(error)) => {
                failures.increment(1);
                tracing::warn!(%error, "no run was compared with its seal; the next one is tried");
            }
        }
    }
}

/// A run as it was sealed, taken for comparison.
struct Sample {
    checkpoint: Prepared,
    tenant: TenantId,
    number: u64,
    id: Uuid,
    salt: Salt,
    head: Head,
    /// Whether the tree of heads says the same, and the tree of entries that tree.
    proven: bool,
}

/// Compares the next run. What is wrong with it is kept, what was wrong and is not any more forgotten. With how many
/// findings there are.
pub(crate) async fn check_next(
    pool: &PgPool,
    log: &dyn EventLog,
    keys: &Path,
) -> Result<(Option<Finding>, i64), SealError> {
    // A key that can't be read is told by what signs.
    let keys = KeyFile::read(keys).ok();
    let mut db = database::begin_with(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let sample = take(&mut db, keys.as_ref()).await?;
    db.rollback().await?;
    let Some(sample) = sample else { return Ok((None, findings::count(&mut *pool.acquire().await?).await?)) };
    let number = i64::try_from(sample.number).unwrap_or(i64::MAX);
    sqlx::query!("UPDATE seal.sampler SET log_id = $1, number = $2", sample.checkpoint.log, number)
        .execute(pool)
        .await?;
    let finding = compare(pool, log, &sample).await?;
    let mut db = pool.acquire().await?;
    match &finding {
        Some(finding) => findings::keep(&mut db, sample.checkpoint.log, finding).await?,
        None => findings::clear(&mut db, sample.checkpoint.log, Some(sample.number)).await?,
    }
    Ok((finding, findings::count(&mut db).await?))
}

async fn take(db: &mut PgConnection, keys: Option<&KeyFile>) -> Result<Option<Sample>, SealError> {
    let row = sqlx::query!(
        r#"WITH last AS (SELECT log_id, number FROM seal.sampler), next AS (
               (SELECT r.log_id, r.number, 0 AS round FROM seal.runs AS r JOIN seal.logs AS l USING (log_id), last
                WHERE (r.log_id, r.number) > (last.log_id, last.number) AND r.sealed_count > 0 AND tenant IS NOT NULL
                ORDER BY r.log_id, r.number LIMIT 1)
               UNION ALL
               (SELECT r.log_id, r.number, 1 FROM seal.runs AS r JOIN seal.logs AS l USING (log_id)
                WHERE r.sealed_count > 0 AND tenant IS NOT NULL ORDER BY r.log_id, r.number LIMIT 1)
           )
           SELECT r.log_id, l.tenant, r.number, r.run_id, r.salt, r.sealed_count, r.first, r.sealed_last
           FROM next JOIN seal.runs AS r USING (log_id, number) JOIN seal.logs AS l USING (log_id)
           ORDER BY round LIMIT 1"#
    );
    let Some(row) = row.fetch_optional(&mut *db).await? else { return Ok(None) };
    let tenant = row.tenant.and_then(|tenant| tenant.parse().ok());
    let tenant = tenant.ok_or_else(|| SealError::Damaged("a log is of no tenant".into()))?;
    let Some(checkpoint) = checkpoint::read(&mut *db, Which::NewestOf(row.log_id)).await?.pop() else {
        return Ok(None);
    };
    let last = row.sealed_last.as_deref().map(hash).transpose()?;
    let head = Head {
        count: unsigned(row.sealed_count)?,
        first: hash(&row.first)?,
        last: last.ok_or_else(|| SealError::Damaged("a sealed run has no last entry".into()))?,
    };
    let number = unsigned(row.number)?;
    let leaf = RunHead { number, id: row.run_id, head }.leaf();
    let signed = checkpoint.note.as_ref().is_none_or(|note| check_note(note, &checkpoint, keys).is_ok());
    let proven = signed && is_proven(db, &checkpoint, number, leaf).await?;
    Ok(Some(Sample { checkpoint, tenant, number, id: row.run_id, salt: salt(&row.salt)?, head, proven }))
}

/// Whether the head is in the tree of heads of the checkpoint, and that tree's root in the tree of entries.
async fn is_proven(
    db: &mut PgConnection,
    checkpoint: &Prepared,
    number: u64,
    leaf: Hash,
) -> Result<bool, SealError> {
    let heads = checkpoint.heads;
    let of_head = proof_of(db, checkpoint.log, Tree::Heads, number, heads.runs).await?;
    let last = checkpoint.size.saturating_sub(1);
    let of_heads = proof_of(db, checkpoint.log, Tree::Entries, last, checkpoint.size).await?;
    let (Some(of_head), Some(of_heads)) = (of_head, of_heads) else { return Ok(false) };
    Ok(proof::verify_inclusion(number, leaf, heads.runs, heads.root, &of_head).is_ok()
        && proof::verify_inclusion(last, heads.leaf(), checkpoint.size, checkpoint.root, &of_heads).is_ok())
}

/// The hashes that prove a leaf; none where the tables lack them.
async fn proof_of(
    db: &mut PgConnection,
    log: i32,
    tree: Tree,
    leaf: u64,
    size: u64,
) -> Result<Option<Vec<Hash>>, SealError> {
    let Ok(ranges) = proof::inclusion(leaf, size) else { return Ok(None) };
    let mut loaded = Tiles::default();
    tiles::load(db, log, tree, needed(ranges.iter().cloned()), &mut loaded).await?;
    Ok(ranges.into_iter().map(|range| loaded.root(range)).collect::<Result<_, _>>().ok())
}

/// What is wrong with a run, if anything is. A long one takes long, and holds no connection meanwhile.
async fn compare(pool: &PgPool, log: &dyn EventLog, sample: &Sample) -> Result<Option<Finding>, SealError> {
    let Sample { checkpoint, tenant, number, id, head, .. } = sample;
    let finding = |what: String, revision, position| {
        let (tenant, run) = (Some(tenant.to_string()), Some((*number, *id)));
        Ok(Some(Finding { tenant, run, revision, position, what }))
    };
    if !sample.proven {
        let what = "the tables of the seal do not say of it what was signed".to_owned();
        return finding(what, None, None);
    }
    let run = RunId::new(*id).map_err(|error| SealError::Damaged(error.to_string()))?;
    let stream = run_stream(tenant, run);
    let (mut chain, mut leaves, mut from, mut pace) = (None, Vec::new(), 0, Pace::new(RATE));
    while from < head.count {
        let limit = usize::try_from(head.count - from).map_or(PAGE, |rest| rest.min(PAGE));
        let page = log.read_stream(&stream, from, limit).await?;
        let Some(last) = page.last() else { break };
        from = last.revision + 1;
        for record in &page {
            let Some(event) = sealable(record) else { continue };
            let stream = Stream::Run { number: *number, id: *id };
            let leaf = event.leaf(stream, &sample.salt, chain);
            chain = Some(after(chain, leaf));
            leaves.push((leaf, record.revision, record.position.0));
        }
        if from < head.count {
            pace.after(page.len()).await;
        }
    }
    if chain == Some(*head) {
        return Ok(None);
    }
    let good = sealed_leaves(&mut *pool.acquire().await?, checkpoint.log, &leaves).await?;
    match leaves.get(good) {
        Some((_, revision, position)) => {
            finding("this event is not the one that was sealed".to_owned(), Some(*revision), Some(*position))
        }
        None => {
            let missing = head.count.saturating_sub(leaves.len() as u64);
            finding(format!("{missing} of its events are missing from here on"), Some(from), None)
        }
    }
}

/// How many of a run's leaves, from the first one on, are in the tree. Each commits to those before it, so from the first
/// one that is not, none is.
async fn sealed_leaves(
    db: &mut PgConnection,
    log: i32,
    leaves: &[(Hash, u64, u64)],
) -> Result<usize, SealError> {
    let (mut good, mut bad) = (0, leaves.len() + 1);
    while good + 1 < bad {
        let middle = usize::midpoint(good, bad);
        let leaf = leaves[middle - 1].0;
        let known = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM seal.tiles WHERE log_id = $1 AND tree = 0 AND level = 0
                   AND position($2::bytea IN hashes) > 0) AS "known!""#,
            log,
            &leaf.0[..]
        );
        if known.fetch_one(&mut *db).await? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Ok(good)
}
