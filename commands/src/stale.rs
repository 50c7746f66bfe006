//! Presuming a run failed that has been silent for too long.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::reason::ReasonCode;
use domain::{
    Command, EventBody, Failed, Origin, PrincipalId, ProposedEvent, Run, RunId, Status, TenantId, decide,
};
use eventlog::streams;
use redaction::CleanText;
use uuid::Uuid;

use super::Commands;
use super::append::Step;
use super::cache::Folded;
use super::error::CommandError;

/// For how long a run may be silent before it is presumed failed.
#[derive(Debug, Clone, Copy)]
pub struct StaleLimits {
    /// How long it may wait in the queue; for ever where it is none.
    pub queued_limit: Option<TimeDelta>,
    /// How long it may be stalled.
    pub grace: TimeDelta,
}

impl Commands {
    /// Appends a presumed `Failed` to a run that has been stalled for longer than the grace, as the log has
    /// the run now. Says whether it did.
    ///
    /// The event names the revision that was looked at: if the run has moved on meanwhile, or another sweeper was
    /// faster, nothing is appended, and the run is looked at anew. The event's id is random, so that no producer can use
    /// it up before.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn presume_failed(
        &self,
        tenant: &TenantId,
        run: RunId,
        limits: StaleLimits,
    ) -> Result<bool, CommandError> {
        let stream = streams::run_stream(tenant, run);
        let presume = async |folded: &mut Folded| {
            for _ in 0..self.tries {
                self.runs.catch_up(&stream, folded).await?;
                let now = self.now();
                let Some((revision, failed)) = presumed_failure(&folded.run, limits, now)? else {
                    return Ok(false);
                };
                let command = command(tenant, run, revision, failed)?;
                let events = decide(&folded.run, command, now).map_err(|rejection| {
                    let (revision, status) = (folded.run.revision, folded.run.status);
                    CommandError::Rejected { rejection, revision, status }
                })?;
                if let Step::Done = self.append_decided(&stream, folded, &events).await? {
                    return Ok(true);
                }
            }
            Err(CommandError::Contended)
        };
        self.runs.locked(&stream, presume).await
    }
}

/// The failure that is presumed of the run, and at which revision, if the run has been stalled for too long.
///
/// # Errors
/// [`CommandError::Internal`] where the reason code is malformed, which it is not.
fn presumed_failure(
    run: &Run,
    limits: StaleLimits,
    now: DateTime<Utc>,
) -> Result<Option<(u64, Failed)>, CommandError> {
    // Of another system's queue nobody knows whether it is still worked on; it was kept on purpose.
    if run.imported && run.status == Some(Status::Queued) {
        return Ok(None);
    }
    let stalled_since = run.due_at(limits.queued_limit);
    let lost = stalled_since.and_then(|since| since.checked_add_signed(limits.grace));
    let (Some(revision), Some(lost)) = (run.revision, lost) else { return Ok(None) };
    if now <= lost {
        return Ok(None);
    }
    let at = |time: Option<DateTime<Utc>>| {
        time.map_or_else(String::new, |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
    };
    let message = match run.status {
        Some(Status::Queued) => {
            let limit = limits.queued_limit.unwrap_or_default().num_seconds();
            format!("queued since {} and not started within {limit} s", at(run.queued_at))
        }
        _ => {
            let promised = run.heartbeat_seconds.unwrap_or_default();
            format!("no sign of life since {}, promised every {promised} s", at(run.last_event_at))
        }
    };
    let reason_code =
        ReasonCode::parse("stale").map_err(|error| CommandError::Internal(error.to_string()))?;
    Ok(Some((revision, Failed { reason_code, message: CleanText::new(&message), presumed: true })))
}

fn command(tenant: &TenantId, run: RunId, revision: u64, failed: Failed) -> Result<Command, CommandError> {
    let actor = PrincipalId::try_from(PrincipalId::SYSTEM.to_owned());
    let proposed = ProposedEvent {
        id: Uuid::new_v4(),
        occurred_at: None,
        correlation_id: None,
        causation_id: None,
        body: EventBody::Failed(failed),
    };
    Ok(Command {
        tenant: tenant.clone(),
        run,
        actor: actor.map_err(|error| CommandError::Internal(error.to_string()))?,
        origin: Some(Origin::Sweeper),
        expected_revision: Some(vec![revision]),
        max_age: None,
        events: vec![proposed],
    })
}
