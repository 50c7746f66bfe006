//! Starting a run: at most one active for the same work, and one for ever for the same reference.
//!
//! Every idempotency key has a reservation stream. Its last event names the run that holds the key. A start appends a
//! reservation with an expected revision, so one of several wins, and then `Queued`, with the run's first events, to
//! the run's own stream. In between a start with a reference appends to that one's stream, once and for ever, which run
//! it names. A process may die between any two of these; a start that finds a reservation or a reference whose run has
//! no `Queued` finishes that one. This needs nothing of the log but expected revisions.
//!
//! A start believes that its key and its reference are new, and looks only where the log says otherwise: so a new one
//! costs its appends and no read.

mod difference;
mod request;
mod started;

use chrono::{DateTime, Utc};
use domain::{Event, Reference, Rejection, Run, RunId, TenantId, decide};
use eventlog::fact::Fact;
use eventlog::streams::{
    Referenced, Reserved, reference_stream, referenced, reserved, run_event, run_stream,
};
use eventlog::{AppendError, ExpectedRevision, RecordedEvent};
use uuid::{NoContext, Timestamp, Uuid};

use super::Commands;
use super::append::{EventResult, Step};
use super::cache::Folded;
use super::error::{CommandError, StartName};
use super::names::{Named, Reservation};

pub use difference::StartDifference;
pub use request::{PreparedStart, StartRequest};
pub use started::Started;
use started::{Found, Holder, Queue};

impl Commands {
    /// Starts a run, or names the one that the start stands for: the run of its reference, or the active one that does
    /// the same work. Of any number of callers at the same time exactly one is told that the run is new.
    ///
    /// # Errors
    /// [`CommandError`]. After [`LogError::Unavailable`](eventlog::LogError::Unavailable) the run may have been
    /// started; asking again then names it.
    pub async fn start(&self, request: StartRequest) -> Result<Started, CommandError> {
        self.start_prepared(self.prepare(request)?).await
    }

    /// Makes the key of the work, and what its run will say of it: what takes long where the context is large, and
    /// waits for nothing.
    ///
    /// # Errors
    /// [`CommandError::Key`].
    pub fn prepare(&self, request: StartRequest) -> Result<PreparedStart, CommandError> {
        Ok(request.prepare(&self.keys)?)
    }

    /// As [`Commands::start`], with what was prepared for it.
    ///
    /// # Errors
    /// As there.
    pub async fn start_prepared(&self, mut start: PreparedStart) -> Result<Started, CommandError> {
        let changes = std::mem::take(&mut start.changes);
        let started = self.find_or_begin(&start).await?;
        Ok(started.telling(changes))
    }

    /// The run that a reference names, where it names any. The run may not be queued yet.
    ///
    /// # Errors
    /// [`CommandError::Unreadable`], or the log's.
    pub async fn run_of_reference(
        &self,
        tenant: &TenantId,
        reference: &Reference,
    ) -> Result<Option<RunId>, CommandError> {
        let stream = reference_stream(tenant, reference);
        Ok(self.named(Some(&stream)).await?.map(|named| named.run))
    }

    async fn find_or_begin(&self, start: &PreparedStart) -> Result<Started, CommandError> {
        let mut run = self.new_id(start)?;
        // What can't be is refused before anything is reserved for it. But a start that was taken in once may be
        // repeated however late it is.
        if let Err(refused) = self.must_be_possible(start, run).await {
            return match self.named(start.references.as_deref()).await? {
                Some(named) => self.of_reference(start, named).await,
                None => Err(refused),
            };
        }
        let mut known = self.names.keys.get(&start.reservations);
        // Until the log says otherwise, nobody has asked for this work before.
        let mut asked_before = known.is_some();
        for _ in 0..self.tries {
            if asked_before && let Some(named) = self.named(start.references.as_deref()).await? {
                return self.of_reference(start, named).await;
            }
            let last = match known.take() {
                Some(last) => Some(last),
                None if asked_before => self.last_reservation(&start.reservations).await?,
                None => None,
            };
            let (expected, held) = match (last, &start.unkeyed) {
                (Some(last), _) => {
                    (ExpectedRevision::Exact(last.revision), self.holder(start, last.run).await?)
                }
                // Since the work has its key of today, what had its old one has ended.
                (None, Some(unkeyed)) => {
                    (ExpectedRevision::NoStream, self.unkeyed_holder(start, unkeyed).await?)
                }
                (None, None) => (ExpectedRevision::NoStream, Holder::Ended),
            };
            if let Holder::Found(started) = held {
                return Ok(started);
            }
            if self.reserve(start, expected, run).await?
                && let Holder::Found(started) = self.begin(start, run).await?
            {
                return Ok(started);
            }
            asked_before = true;
            run = self.new_id(start)?;
        }
        Err(CommandError::Contended)
    }

    /// The events of a start, as the rules take them for a run.
    fn decided(&self, start: &PreparedStart, run: &Run, id: RunId) -> Result<Vec<Event>, CommandError> {
        let decided = decide(run, start.command(id, self.max_age), self.now());
        decided.map_err(|rejection| match rejection {
            // It begins with Queued, so it is the run that was wanted empty.
            Rejection::NotFound => CommandError::Internal(rejection.to_string()),
            rejection => CommandError::StartRejected(rejection),
        })
    }

    async fn must_be_possible(&self, start: &PreparedStart, run: RunId) -> Result<(), CommandError> {
        // That a run is queued now is always possible.
        if !start.events.is_empty() || start.occurred_at.is_some() {
            self.decided(start, &Run::default(), run)?;
        }
        for (link, run) in start.links() {
            let stream = run_stream(&start.tenant, run);
            if !self.runs.knows(&stream) && self.log.read_stream(&stream, 0, 1).await?.is_empty() {
                return Err(CommandError::NoSuchRun { link, run });
            }
        }
        Ok(())
    }

    /// Looks at the run that holds the key of the time before there was a secret. Nothing is reserved by that
    /// any more; a start that was begun by it is finished.
    async fn unkeyed_holder(&self, start: &PreparedStart, stream: &str) -> Result<Holder, CommandError> {
        match self.log.last_event(stream).await? {
            Some(record) => self.holder(start, self.reserved_for(&record)?).await,
            None => Ok(Holder::Ended),
        }
    }

    fn reserved_for(&self, record: &RecordedEvent) -> Result<RunId, CommandError> {
        match reserved(record) {
            Ok(reserved) => Ok(reserved.run_id),
            Err(error) => Err(self.runs.broken(&record.stream, record.revision, error.to_string())),
        }
    }

    pub(super) async fn last_reservation(&self, stream: &str) -> Result<Option<Reservation>, CommandError> {
        let Some(record) = self.log.last_event(stream).await? else { return Ok(None) };
        let last = Reservation { revision: record.revision, run: self.reserved_for(&record)? };
        self.names.keys.insert(stream.to_owned(), last);
        Ok(Some(last))
    }

    /// What the reference of that stream stands for, where it does.
    pub(super) async fn named(&self, stream: Option<&str>) -> Result<Option<Named>, CommandError> {
        let Some(stream) = stream else { return Ok(None) };
        if let Some(named) = self.names.references.get(stream) {
            return Ok(Some(named));
        }
        let first = self.log.read_stream(stream, 0, 1).await?;
        let Some(record) = first.first() else { return Ok(None) };
        let Referenced { run_id: run, idempotency_key: key, .. } = referenced(record)
            .map_err(|error| self.runs.broken(stream, record.revision, error.to_string()))?;
        self.names.references.insert(stream.to_owned(), Named { run, key });
        Ok(Some(Named { run, key }))
    }

    /// Takes the key for a run. False when another start took the key first.
    async fn reserve(
        &self,
        start: &PreparedStart,
        expected: ExpectedRevision,
        run: RunId,
    ) -> Result<bool, CommandError> {
        let (id, reserved) = (Uuid::new_v4(), Reserved { run_id: run });
        let facts = std::iter::once(Fact::Reserved(id, &reserved, start.origin.as_ref()));
        match self.write(&start.reservations, expected, facts).await? {
            Ok(appended) => {
                let last = Reservation { revision: appended.revision, run };
                self.names.keys.insert(start.reservations.clone(), last);
                Ok(true)
            }
            Err(AppendError::Conflict { .. }) => {
                self.names.keys.forget(&start.reservations);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Binds the start's reference to a run, if it has one and that is free. Gives what it stands for where that is
    /// another run, or was asked for with other work.
    async fn bind(&self, start: &PreparedStart, run: RunId) -> Result<Option<Named>, CommandError> {
        let (Some(stream), Some(reference)) = (&start.references, &start.queued.reference) else {
            return Ok(None);
        };
        let ours = Named { run, key: start.key };
        let what = Referenced {
            tenant: start.tenant.clone(),
            reference: reference.clone(),
            run_id: run,
            idempotency_key: start.key,
        };
        let facts = std::iter::once(Fact::Referenced(Uuid::new_v4(), &what, start.origin.as_ref()));
        match self.write(stream, ExpectedRevision::NoStream, facts).await? {
            Ok(_) => {
                self.names.references.insert(stream.clone(), ours);
                Ok(None)
            }
            Err(AppendError::Conflict { .. }) => {
                Ok(self.named(Some(stream)).await?.filter(|named| *named != ours))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The run that the start's reference stands for; one that was only begun is queued.
    async fn of_reference(&self, start: &PreparedStart, named: Named) -> Result<Started, CommandError> {
        let found = self.found(start, named.run).await?;
        if named.key != start.key {
            let run = found.map(|_| named.run);
            return Err(self.differs(start, StartName::Reference, run, false).await?);
        }
        match found {
            Some(found) if found.is_of(start) => self.repeated(start, found, StartName::Reference).await,
            Some(found) => Ok(found.reused()),
            None => match self.queue(start, named.run).await? {
                Queue::Done(started) => Ok(started),
                Queue::There(found) if found.is_of(start) => {
                    self.repeated(start, found, StartName::Reference).await
                }
                Queue::There(found) => Ok(found.reused()),
            },
        }
    }

    /// Looks at the run that holds the key, and queues it if that is not done yet.
    async fn holder(&self, start: &PreparedStart, run: RunId) -> Result<Holder, CommandError> {
        match self.found(start, run).await? {
            None => self.begin(start, run).await,
            Some(found) if found.is_made_by(start) => self.made_before(start, found).await,
            Some(found) if !found.status.is_active() => Ok(Holder::Ended),
            Some(found) => Ok(Holder::Found(match self.bind(start, run).await? {
                Some(named) => self.of_reference(start, named).await?,
                None => found.reused(),
            })),
        }
    }

    /// Queues the run that the key was reserved for.
    async fn begin(&self, start: &PreparedStart, run: RunId) -> Result<Holder, CommandError> {
        if let Some(named) = self.bind(start, run).await? {
            return Ok(Holder::Found(self.of_reference(start, named).await?));
        }
        match self.queue(start, run).await? {
            Queue::Done(started) => Ok(Holder::Found(started)),
            Queue::There(found) if found.is_made_by(start) => self.made_before(start, found).await,
            // Its reference is bound to it, whatever has become of it since.
            Queue::There(found) if found.status.is_active() || start.references.is_some() => {
                Ok(Holder::Found(found.reused()))
            }
            Queue::There(_) => Ok(Holder::Ended),
        }
    }

    async fn made_before(&self, start: &PreparedStart, found: Found) -> Result<Holder, CommandError> {
        let by = if found.is_of(start) { StartName::Reference } else { StartName::EventId };
        Ok(Holder::Found(self.repeated(start, found, by).await?))
    }

    /// The run as the log has it now; none where it has no events.
    async fn found(&self, start: &PreparedStart, run: RunId) -> Result<Option<Found>, CommandError> {
        let stream = run_stream(&start.tenant, run);
        let find = async |folded: &mut Folded| {
            // What has ended is not active again, whatever follows.
            let ended = folded.run.status.is_some_and(|status| !status.is_active());
            if !ended {
                self.runs.catch_up(&stream, folded).await?;
            }
            Ok(Found::of(run, folded))
        };
        self.runs.locked(&stream, find).await
    }

    /// Appends the start's events to a run that is believed to have none.
    async fn queue(&self, start: &PreparedStart, run: RunId) -> Result<Queue, CommandError> {
        let stream = run_stream(&start.tenant, run);
        let queue = async |folded: &mut Folded| {
            let mut ours = false;
            if folded.run.revision.is_none() {
                let events = self.decided(start, &folded.run, run)?;
                ours = true;
                if let Step::ReadOn = self.append_decided(&stream, folded, &events).await? {
                    self.runs.catch_up(&stream, folded).await?;
                    // An id that we have made up ourselves is nobody else's.
                    ours = !start.id_given && folded.opening.as_ref().is_some_and(|it| it.id == start.id);
                }
            }
            let found = Found::of(run, folded);
            let found =
                found.ok_or_else(|| CommandError::Internal("a run that was queued is empty".into()))?;
            if !ours {
                return Ok(Queue::There(found));
            }
            let place = |id: Uuid| {
                let revision = folded.run.event_ids.get(&id).copied();
                revision.map(|revision| EventResult { id, revision, created: true })
            };
            let events = start.events.iter().filter_map(|event| place(event.id)).collect();
            Ok(Queue::Done(found.started(false, false, events)))
        };
        self.runs.locked(&stream, queue).await
    }

    /// The answer to a start that has made the run before, if it still says the same.
    async fn repeated(
        &self,
        start: &PreparedStart,
        found: Found,
        by: StartName,
    ) -> Result<Started, CommandError> {
        let first = self.first_events(start, found.run).await?;
        let differences = difference::differences(start, &first, true).map_err(unwritable)?;
        if !differences.is_empty() {
            return Err(CommandError::StartDiffers { by, run: Some(found.run), differences });
        }
        let events = first.iter().skip(1).take(start.events.len());
        let events =
            events.map(|event| EventResult { id: event.id, revision: event.revision, created: false });
        let events = events.collect();
        Ok(found.started(false, true, events))
    }

    /// How the start differs from the run that its name stands for.
    async fn differs(
        &self,
        start: &PreparedStart,
        by: StartName,
        run: Option<RunId>,
        same_work: bool,
    ) -> Result<CommandError, CommandError> {
        let first = match run {
            Some(run) => self.first_events(start, run).await?,
            None => Vec::new(),
        };
        let differences = difference::differences(start, &first, same_work).map_err(unwritable)?;
        Ok(CommandError::StartDiffers { by, run, differences })
    }

    /// `Queued` and as many events behind it as the start has.
    async fn first_events(&self, start: &PreparedStart, run: RunId) -> Result<Vec<Event>, CommandError> {
        let stream = run_stream(&start.tenant, run);
        let records = self.log.read_stream(&stream, 0, 1 + start.events.len()).await?;
        let read = |record: &RecordedEvent| {
            run_event(record).map_err(|error| self.runs.broken(&stream, record.revision, error.to_string()))
        };
        records.iter().map(read).collect()
    }

    /// A new UUIDv7: a run's id tells when it was queued.
    fn new_id(&self, start: &PreparedStart) -> Result<RunId, CommandError> {
        let id = id_at(start.occurred_at.unwrap_or_else(|| self.now()));
        RunId::new(id).map_err(|error| CommandError::Internal(error.to_string()))
    }
}

fn unwritable(error: serde_json::Error) -> CommandError {
    CommandError::Internal(error.to_string())
}

fn id_at(time: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, time.timestamp_subsec_nanos()))
}
