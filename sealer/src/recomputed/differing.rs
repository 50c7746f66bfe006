//! What is told of a log at the end: which of its streams are not as they were sealed.

use std::collections::BTreeMap;

use seal::heads::Head;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Recomputed;
use crate::error::{SealError, unsigned};
use crate::findings::Finding;
use crate::integrate::Source;

impl Recomputed {
    /// What is missing at the end, and which runs differ.
    pub async fn end(&mut self, db: &mut PgConnection) -> Result<Vec<Finding>, SealError> {
        self.take(&mut *db, 0).await?;
        self.put_in();
        if self.lost > 0 {
            self.streams_that_differ(db).await?;
            if self.findings.is_empty() {
                let what = format!("{} sealed entries have no event in the event log", self.lost);
                self.found(None, None, None, what);
            }
        }
        Ok(std::mem::take(&mut self.findings))
    }

    /// Whether an event before that position is not sealed.
    pub fn has_unsealed_before(&self, position: u64) -> bool {
        self.pending.values().any(|pending| pending.position < position)
    }

    /// Events that were read, belong to runs that are sealed, and are asked for by no leaf though later ones were sealed.
    fn put_in(&mut self) {
        if !self.same_log || self.lost > 0 {
            return;
        }
        let mut extra: Vec<_> =
            self.pending.values().filter(|pending| pending.position <= self.goal).collect();
        extra.sort_by_key(|pending| pending.position);
        let extra: Vec<_> =
            extra.iter().map(|pending| (pending.source, pending.revision, pending.position)).collect();
        for (source, revision, position) in extra {
            let run = match source {
                Source::Run(id) => self.runs.get(&id).map(|chain| (chain.number, id)),
                Source::Administration => None,
            };
            let what = "this event was never sealed, though later ones were".to_owned();
            self.found(run, Some(revision), Some(position), what);
        }
    }

    /// Names the streams whose events are not those that were sealed, and the first event of each that is not.
    async fn streams_that_differ(&mut self, db: &mut PgConnection) -> Result<(), SealError> {
        let mut first: BTreeMap<Option<Uuid>, (u64, u64)> = BTreeMap::new();
        for pending in self.pending.values() {
            let run = match pending.source {
                Source::Run(id) => Some(id),
                Source::Administration => None,
            };
            let known = first.entry(run).or_insert((pending.revision, pending.position));
            *known = (*known).min((pending.revision, pending.position));
        }
        let rows = sqlx::query!(
            "SELECT number, run_id, sealed_count FROM seal.runs WHERE log_id = $1 AND sealed_count > 0 ORDER BY number",
            self.id
        );
        for row in rows.fetch_all(db).await? {
            let (run, sealed) = ((unsigned(row.number)?, row.run_id), unsigned(row.sealed_count)?);
            let chain = self.runs.get(&row.run_id);
            let (read, good) = chain.map_or((0, 0), |chain| {
                let count = |head: Option<Head>| head.map_or(0, |head| head.count);
                (count(chain.read), count(chain.sealed))
            });
            match first.get(&Some(row.run_id)) {
                Some((revision, position)) if good < sealed => {
                    let what = "this event is not the one that was sealed".to_owned();
                    self.found(Some(run), Some(*revision), Some(*position), what);
                }
                _ if read < sealed => {
                    let what =
                        format!("{} of its {sealed} sealed events are missing from here on", sealed - read);
                    self.found(Some(run), Some(read), None, what);
                }
                _ => {}
            }
        }
        if let Some((revision, position)) = first.get(&None) {
            let what = "this event of the administration is not the one that was sealed".to_owned();
            self.found(None, Some(*revision), Some(*position), what);
        }
        Ok(())
    }
}
