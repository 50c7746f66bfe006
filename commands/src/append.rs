//! Appending a run's events: decide on the folded run, append with its revision, fold what was taken.

use domain::{Command, Event, Origin, PrincipalId, ProposedEvent, RunId, Status, TenantId, decide};
use eventlog::fact::Fact;
use eventlog::{AppendError, ExpectedRevision, Position, streams};
use uuid::Uuid;

use super::Commands;
use super::cache::Folded;
use super::error::CommandError;
use super::repeats::Repeats;

/// Events that a producer wants appended to a run, all or none.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// Whose run.
    pub tenant: TenantId,
    /// Which run.
    pub run: RunId,
    /// The caller's principal.
    pub actor: PrincipalId,
    /// What brings it.
    pub origin: Option<Origin>,
    /// The revisions of which the run must be at one, where the producer insists on any.
    pub expected_revision: Option<Vec<u64>>,
    /// What happened, in order.
    pub events: Vec<ProposedEvent>,
}

/// Where a run is after an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendedEvents {
    /// The run's last revision that is known.
    pub revision: u64,
    /// A position at which all of the events can be seen.
    pub position: Position,
    /// The run's status.
    pub status: Status,
    /// One entry for each proposed event, in the same order.
    pub events: Vec<EventResult>,
}

/// What became of a proposed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventResult {
    /// Its id.
    pub id: Uuid,
    /// Where it is in the run.
    pub revision: u64,
    /// Whether this append brought it; otherwise it was there before.
    pub created: bool,
}

impl Commands {
    /// Appends events to a run that exists.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was appended, unless it is
    /// [`LogError::Unavailable`](eventlog::LogError::Unavailable).
    pub async fn append(&self, request: AppendRequest) -> Result<AppendedEvents, CommandError> {
        let AppendRequest { tenant, run, actor, origin, expected_revision, events } = request;
        let stream = streams::run_stream(&tenant, run);
        let command =
            Command { tenant, run, actor, origin, expected_revision, max_age: self.max_age, events };
        let append = async |folded: &mut Folded| self.append_locked(&stream, folded, &command).await;
        self.runs.locked(&stream, append).await
    }

    async fn append_locked(
        &self,
        stream: &str,
        folded: &mut Folded,
        command: &Command,
    ) -> Result<AppendedEvents, CommandError> {
        let mut read = folded.run.revision.is_none();
        if read {
            self.runs.catch_up(stream, folded).await?;
        }
        let mut repeats = Repeats::default();
        for _ in 0..self.tries {
            repeats.must_say_the_same(&self.runs, stream, &folded.run, command).await?;
            let before = folded.run.next_revision();
            let step = match decide(&folded.run, command.clone(), self.now()) {
                Ok(events) if events.is_empty() => return answer(folded, command, before),
                Ok(events) => self.append_decided(stream, folded, &events).await,
                Err(rejection) if read => {
                    let (revision, status) = (folded.run.revision, folded.run.status);
                    return Err(CommandError::Rejected { rejection, revision, status });
                }
                Err(_) => Ok(Step::ReadOn),
            };
            match step {
                Ok(Step::Done) => return answer(folded, command, before),
                Ok(Step::ReadOn) => {}
                Err(error) => return Err(error),
            }
            self.runs.catch_up(stream, folded).await?;
            read = true;
        }
        Err(CommandError::Contended)
    }

    /// Appends events that were decided on `folded`, and folds them if the log says yes.
    pub(super) async fn append_decided(
        &self,
        stream: &str,
        folded: &mut Folded,
        events: &[Event],
    ) -> Result<Step, CommandError> {
        let expected = folded.run.revision.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
        let appended = match self.write(stream, expected, events.iter().map(Fact::Run)).await? {
            Ok(appended) if !appended.duplicate => appended,
            // Another writer has appended: other events, or these.
            Ok(_) | Err(AppendError::Conflict { .. }) => {
                metrics::counter!("runledger_command_conflicts_total").increment(1);
                return Ok(Step::ReadOn);
            }
            Err(error) => return Err(error.into()),
        };
        // No await from here on: what the log took is folded, whatever becomes of the request.
        for event in events {
            folded.push(event, appended.position).map_err(CommandError::Internal)?;
        }
        Ok(Step::Done)
    }
}

/// How an append went.
pub(super) enum Step {
    /// The log took it and it is folded.
    Done,
    /// The run has moved on: read the rest and decide again.
    ReadOn,
}

/// The answer to a command, all of whose events are in the run now; those from revision `before` on are new.
fn answer(folded: &Folded, command: &Command, before: u64) -> Result<AppendedEvents, CommandError> {
    let lost = || CommandError::Internal("an event that was appended is not in the run".into());
    let (Some(revision), Some(status)) = (folded.run.revision, folded.run.status) else {
        return Err(lost());
    };
    let mut events = Vec::with_capacity(command.events.len());
    let mut next_new = before;
    for proposed in &command.events {
        let at = *folded.run.event_ids.get(&proposed.id).ok_or_else(lost)?;
        // New ones come in order; an id for the second time in one command is a duplicate of the first.
        let created = at == next_new;
        next_new += u64::from(created);
        events.push(EventResult { id: proposed.id, revision: at, created });
    }
    Ok(AppendedEvents { revision, position: folded.position, status, events })
}
