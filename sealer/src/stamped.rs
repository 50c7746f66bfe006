//! Whether the time stamps that are kept are of what was signed: for the audit.

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use seal::Hash;
use seal::note::SignedNote;
use seal::time_stamp::claimed;
use sqlx::{Connection, PgConnection};

use crate::checkpoint::{self, Prepared, Which, check_note};
use crate::error::{SealError, unsigned};
use crate::findings::Finding;
use crate::key::KeyFile;

/// What was found of the time stamps.
pub(crate) struct Stamped {
    /// How many there are.
    pub count: u64,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
}

/// Looks at all time stamps of the ledger's own log: each must be about the note that is kept with it, and that note one of a
/// checkpoint which the log has. Whether the checkpoints' roots are those of the tree, the audit of the log says. With the
/// keys, signatures too. Whether the authorities have signed is for those to say who believe them.
pub(crate) async fn check(
    db: &mut PgConnection,
    log: i32,
    keys: Option<&KeyFile>,
) -> Result<Stamped, SealError> {
    // Both as they are at one moment: those who serve go on stamping.
    let mut tx = db.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let checkpoints = checkpoint::read(&mut tx, Which::StampedOf(log)).await?;
    let mut stamps = sqlx::query!(
        "SELECT log_id, size, note, response, claimed_at, authority FROM seal.time_stamps ORDER BY log_id, size"
    )
    .fetch(&mut *tx);
    let mut found = Stamped { count: 0, findings: Vec::new() };
    while let Some(row) = stamps.try_next().await? {
        let size = unsigned(row.size)?;
        let of = checkpoints.binary_search_by_key(&size, |one| one.size);
        let of = of.ok().and_then(|place| checkpoints.get(place)).filter(|_| row.log_id == log);
        let stamp = Stamp { note: &row.note, response: &row.response, claimed_at: row.claimed_at };
        found.count += 1;
        if let Err(wrong) = stamp.check(of, keys) {
            let (at, authority) = (row.claimed_at.format("%F %T UTC"), row.authority);
            let what = format!(
                "the time stamp of {at} by {authority}, over a checkpoint of {size} entries: {wrong}"
            );
            let position = of.map(|of| of.position).filter(|position| *position > 0);
            found.findings.push(Finding { tenant: None, run: None, revision: None, position, what });
        }
    }
    drop(stamps);
    tx.commit().await?;
    Ok(found)
}

/// A time stamp as it is kept.
struct Stamp<'s> {
    note: &'s str,
    response: &'s [u8],
    claimed_at: DateTime<Utc>,
}

impl Stamp<'_> {
    /// Checks it against the checkpoint of its size.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn check(&self, of: Option<&Prepared>, keys: Option<&KeyFile>) -> Result<(), String> {
        let of = of.ok_or("the ledger's own log has no checkpoint of that size")?;
        // Cosignatures may have come to the checkpoint's own note since, so the two need not be the same.
        check_note(self.note, of, keys).map_err(|wrong| format!("its note: {wrong}"))?;
        let same_log = of.note.as_ref().is_none_or(|note| origin(note) == origin(self.note));
        if !same_log {
            return Err("its note: it is of another log".to_owned());
        }
        let said = claimed(self.response).map_err(|error| format!("its answer: {error}"))?;
        if said.imprint != Hash::of(&[self.note.as_bytes()]) {
            return Err("it is about another text than the note that is kept with it".to_owned());
        }
        let at =
            DateTime::parse_from_rfc3339(&said.at).map_err(|_| format!("it claims no time: {}", said.at))?;
        // The table has microseconds, and authorities may say more.
        if (at.to_utc() - self.claimed_at).abs() > TimeDelta::microseconds(1) {
            return Err(format!("it claims {}", said.at));
        }
        Ok(())
    }
}

/// The log that a note is of, as its first line says.
fn origin(note: &str) -> Option<String> {
    let note: SignedNote = note.parse().ok()?;
    note.text.lines().next().map(ToOwned::to_owned)
}
