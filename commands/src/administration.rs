//! Appending what was done to a tenant's administration: each event once, however often it is tried.

use std::collections::HashSet;

use domain::TenantId;
use domain::admin::AdminEvent;
use eventlog::fact::Fact;
use eventlog::streams::admin_stream;
use eventlog::{AppendError, ExpectedRevision};
use uuid::Uuid;

use super::Commands;
use super::error::CommandError;

/// How many events of a stream are read at once.
const PAGE: usize = 500;

impl Commands {
    /// Appends events to the stream of a tenant's administration, those left out that it has already from revision
    /// `next` on. Gives the revision that comes after the stream's last one.
    ///
    /// What an earlier try has appended is known by its id, and what two processes append at once is refused to one of
    /// them, which then looks again: so nothing is in the stream twice.
    ///
    /// # Errors
    /// [`CommandError`].
    pub(super) async fn append_administration(
        &self,
        tenant: &TenantId,
        next: u64,
        events: &[AdminEvent],
    ) -> Result<u64, CommandError> {
        let stream = admin_stream(tenant);
        for _ in 0..self.tries {
            let last = self.log.last_event(&stream).await?.map(|event| event.revision);
            let known = match last {
                Some(last) if last >= next => self.ids_of(&stream, next).await?,
                _ => HashSet::new(),
            };
            let new: Vec<&AdminEvent> = events.iter().filter(|event| !known.contains(&event.id)).collect();
            if new.is_empty() {
                return Ok(last.map_or(0, |last| last + 1));
            }
            let expected = last.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
            match self.write(&stream, expected, new.into_iter().map(Fact::Admin)).await? {
                Ok(appended) => return Ok(appended.revision + 1),
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommandError::Contended)
    }

    async fn ids_of(&self, stream: &str, from: u64) -> Result<HashSet<Uuid>, CommandError> {
        let (mut ids, mut from) = (HashSet::new(), from);
        loop {
            let page = self.log.read_stream(stream, from, PAGE).await?;
            let Some(last) = page.last() else { return Ok(ids) };
            from = last.revision + 1;
            ids.extend(page.into_iter().map(|record| record.id));
        }
    }
}
