//! Taking over a run that another system has kept.
//!
//! All of it follows from the row: the run's id and those of its events. So an import may be broken off anywhere and
//! repeated: it appends what is missing. As the run's id is known before anything is written, its reference comes
//! first; a start, which can't know it, has its key first ([`super::start`]).

use domain::{Command, Event, EventBody, Origin, ProposedEvent, Run, RunId, Status, decide, evolve};
use eventlog::fact::Fact;
use eventlog::streams::{Referenced, Reserved, reference_stream, reservation_stream, run_stream};
use eventlog::{AppendError, ExpectedRevision};
use uuid::Uuid;

use super::Commands;
use super::append::Step;
use super::cache::Folded;
use super::changed::Changes;
use super::error::CommandError;
use super::names::{Named, Reservation};
use super::start::StartRequest;

/// A run to take over.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The id that it has, or gets.
    pub run: RunId,
    /// What is said of it. It has a reference, an event id and times of its own; what brings it is the import.
    pub start: StartRequest,
}

/// What became of a row, and what its run is by it.
#[derive(Debug)]
pub struct ImportAnswer {
    /// What was done.
    pub done: Imported,
    /// What the row makes of a run.
    pub rehearsed: Rehearsed,
}

/// What an import has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// The run is new.
    New,
    /// The run was there, and has gone on in the other system since: the rest was appended.
    Further,
    /// All of it was there.
    Known,
    /// Nothing: the reference names another run.
    OtherRun(RunId),
    /// Nothing: the row's work is not done yet, and another run is active that does the same.
    SameWork(RunId),
}

/// What an import makes of a row, in a ledger that does not have its run.
#[derive(Debug)]
pub struct Rehearsed {
    /// The run.
    pub run: Run,
    /// How many events it has.
    pub events: usize,
    /// What of the context is kept otherwise than it was sent.
    pub changes: Changes,
}

/// A request, decided on for a ledger that does not have the run.
struct Prepared {
    command: Command,
    events: Vec<Event>,
    run: Run,
    id: RunId,
    queued_id: Uuid,
    named: Referenced,
    unkeyed: Option<String>,
    changes: Changes,
}

impl Commands {
    /// Says what an import would append to a ledger that does not have the run; asks nobody.
    ///
    /// # Errors
    /// As [`Commands::import`], but for what the log says.
    pub fn rehearse_import(&self, request: ImportRequest) -> Result<Rehearsed, CommandError> {
        Ok(self.prepare_import(request)?.rehearsed())
    }

    /// Takes a run over, or what is missing of it. An active one gets its idempotency key, as if it had been started
    /// here; one that has ended has none. The ledger's age limit does not hold for it.
    ///
    /// # Errors
    /// [`CommandError`]; it may be repeated.
    pub async fn import(&self, request: ImportRequest) -> Result<ImportAnswer, CommandError> {
        let prepared = self.prepare_import(request)?;
        let done = self.import_prepared(&prepared).await?;
        Ok(ImportAnswer { done, rehearsed: prepared.rehearsed() })
    }

    async fn import_prepared(&self, prepared: &Prepared) -> Result<Imported, CommandError> {
        let tenant = &prepared.command.tenant;
        if prepared.is_active()
            && !self.look(tenant, prepared.id, prepared.queued_id).await?.has_event
            && let Some(other) = self.take_key(prepared).await?
        {
            return Ok(Imported::SameWork(other));
        }
        if let Some(other) = self.bind_imported(prepared).await? {
            return Ok(Imported::OtherRun(other));
        }
        let stream = run_stream(tenant, prepared.id);
        let facts = prepared.events.iter().map(Fact::Run);
        match self.write(&stream, ExpectedRevision::NoStream, facts).await? {
            Ok(appended) if appended.duplicate => Ok(Imported::Known),
            Ok(_) => Ok(Imported::New),
            Err(AppendError::Conflict { .. }) => self.import_further(&stream, prepared).await,
            Err(error) => Err(error.into()),
        }
    }

    fn prepare_import(&self, request: ImportRequest) -> Result<Prepared, CommandError> {
        let lacks = |what: &str| CommandError::Internal(format!("an import has {what}"));
        let ImportRequest { run: id, mut start } = request;
        let reference = start.reference.clone().ok_or_else(|| lacks("a reference"))?;
        let queued_id = start.event_id.ok_or_else(|| lacks("an event id"))?;
        let (tenant, actor) = (start.tenant.clone(), start.actor.clone());
        let key = start.key(&self.keys.secret)?;
        let (occurred_at, correlation_id) = (start.occurred_at, start.correlation_id.take());
        let events = std::mem::take(&mut start.events);
        let unfinished = !events.iter().any(|event| event.body.is_terminal());
        let unkeyed = (unfinished && self.keys.unkeyed_before).then(|| start.unkeyed()).transpose()?;
        let (mut queued, changes) = start.queued(key);
        if !unfinished {
            // What has ended holds no key, and is found by none.
            queued.idempotency_key = None;
        }
        let body = EventBody::Queued(Box::new(queued));
        let queued = ProposedEvent { id: queued_id, occurred_at, correlation_id, causation_id: None, body };
        let command = Command {
            tenant: tenant.clone(),
            run: id,
            actor,
            origin: Some(Origin::Import),
            expected_revision: None,
            max_age: None,
            events: std::iter::once(queued).chain(events).collect(),
        };
        let events = decide(&Run::default(), command.clone(), self.now());
        let events = events.map_err(CommandError::StartRejected)?;
        let run = events.iter().fold(Run::default(), evolve);
        let named = Referenced { tenant, reference, run_id: id, idempotency_key: key };
        let unkeyed = unkeyed.map(|key| reservation_stream(&key));
        Ok(Prepared { command, events, run, id, queued_id, named, unkeyed, changes })
    }

    /// Takes the key of the row's work. Gives the run that has it, where that is another one.
    async fn take_key(&self, prepared: &Prepared) -> Result<Option<RunId>, CommandError> {
        if let Some(stream) = &prepared.unkeyed
            && let Some(last) = self.last_reservation(stream).await?
            && self.may_hold(prepared, last.run).await?
        {
            return Ok(Some(last.run));
        }
        let stream = reservation_stream(&prepared.named.idempotency_key);
        for _ in 0..self.tries {
            let expected = match self.last_reservation(&stream).await? {
                None => ExpectedRevision::NoStream,
                Some(last) if last.run == prepared.id => return Ok(None),
                Some(last) if self.may_hold(prepared, last.run).await? => return Ok(Some(last.run)),
                Some(last) => ExpectedRevision::Exact(last.revision),
            };
            let reserved = Reserved { run_id: prepared.id };
            let id = Uuid::new_v5(&prepared.id.uuid(), b"reserved");
            let facts = std::iter::once(Fact::Reserved(id, &reserved, Some(&Origin::Import)));
            match self.write(&stream, expected, facts).await? {
                Ok(appended) => {
                    let last = Reservation { revision: appended.revision, run: prepared.id };
                    self.names.keys.insert(stream, last);
                    return Ok(None);
                }
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommandError::Contended)
    }

    /// Whether that run is active, or may be in a moment: its start may stand between reservation and `Queued`.
    async fn may_hold(&self, prepared: &Prepared, run: RunId) -> Result<bool, CommandError> {
        let looked = self.look(&prepared.command.tenant, run, Uuid::nil()).await?;
        Ok(looked.status.is_none_or(Status::is_active))
    }

    /// Binds the row's reference to its run. Gives the run that it names, where that is another one.
    async fn bind_imported(&self, prepared: &Prepared) -> Result<Option<RunId>, CommandError> {
        let named = &prepared.named;
        let stream = reference_stream(&named.tenant, &named.reference);
        // Of the run: the same reference for another one is no repeat.
        let id = Uuid::new_v5(&prepared.id.uuid(), b"reference");
        let facts = std::iter::once(Fact::Referenced(id, named, Some(&Origin::Import)));
        match self.write(&stream, ExpectedRevision::NoStream, facts).await? {
            Ok(_) => Ok(None),
            Err(AppendError::Conflict { .. }) => {
                let there = self.named(Some(&stream)).await?;
                Ok(there.map(|Named { run, .. }| run).filter(|run| *run != prepared.id))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Appends what is missing of a run that has events.
    async fn import_further(&self, stream: &str, prepared: &Prepared) -> Result<Imported, CommandError> {
        let go_on = async |folded: &mut Folded| {
            for _ in 0..self.tries {
                self.runs.catch_up(stream, folded).await?;
                let (revision, status) = (folded.run.revision, folded.run.status);
                let events = decide(&folded.run, prepared.command.clone(), self.now())
                    .map_err(|rejection| CommandError::Rejected { rejection, revision, status })?;
                if events.is_empty() {
                    return Ok(Imported::Known);
                }
                if let Step::Done = self.append_decided(stream, folded, &events).await? {
                    return Ok(Imported::Further);
                }
            }
            Err(CommandError::Contended)
        };
        self.runs.locked(stream, go_on).await
    }
}

impl Prepared {
    fn rehearsed(self) -> Rehearsed {
        Rehearsed { run: self.run, events: self.events.len(), changes: self.changes }
    }

    fn is_active(&self) -> bool {
        self.run.status.is_some_and(Status::is_active)
    }
}
