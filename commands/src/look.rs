//! Looking at a run as the log has it now, for what decides on it before it asks for anything.

use chrono::{DateTime, Utc};
use domain::{EndedAs, RunId, Status, TenantId};
use eventlog::streams;
use uuid::Uuid;

use super::Commands;
use super::cache::Folded;
use super::error::CommandError;

/// A run as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// None where nothing has happened to it: there is no such run.
    pub status: Option<Status>,
    /// Whether it was ever started.
    pub started: bool,
    /// How it ended, if it did.
    pub ended_as: Option<EndedAs>,
    /// Whether its end is only presumed.
    pub presumed: bool,
    /// When it was queued, as its producers say.
    pub queued_at: Option<DateTime<Utc>>,
    /// Whether it has the event that was asked for.
    pub has_event: bool,
}

impl Commands {
    /// Looks at a run, and whether it has an event of that id.
    ///
    /// # Errors
    /// [`CommandError::Unreadable`], or the log's.
    pub async fn look(&self, tenant: &TenantId, run: RunId, event: Uuid) -> Result<Looked, CommandError> {
        let stream = streams::run_stream(tenant, run);
        let look = async |folded: &mut Folded| {
            self.runs.catch_up(&stream, folded).await?;
            let run = &folded.run;
            Ok(Looked {
                status: run.status,
                started: run.started_at.is_some(),
                ended_as: run.ended_as,
                presumed: run.presumed,
                queued_at: run.queued_at,
                has_event: run.event_ids.contains_key(&event),
            })
        };
        self.runs.locked(&stream, look).await
    }
}
