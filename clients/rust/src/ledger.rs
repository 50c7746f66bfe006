//! The ledger of one tenant, as programs use it that start and work on runs.

use std::fmt::Display;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use domain::RunId;
use serde_json::{Value, json};

use crate::builder::Builder;
use crate::delivery;
use crate::dispatch::Ticket;
use crate::error::Error;
use crate::event;
use crate::open::Open;
use crate::reasons::Reasons;
use crate::run::Run;
use crate::runfile::{Meta, RunFile};
use crate::sender::Sender;
use crate::start::Start;
use crate::thread::Background;

/// The ledger of one tenant. Clones are the same one. When the last of them and of its runs is dropped, what was
/// reported is sent, for [`Limits::exit_timeout`](crate::Limits) at most; what remains stays in the spool.
#[derive(Clone)]
pub struct Ledger(pub(crate) Arc<Core>);

/// What a ledger and its runs share.
pub(crate) struct Core {
    pub sender: Arc<Sender>,
    pub reasons: Reasons,
    pub background: Background,
    worker: String,
}

impl Drop for Core {
    fn drop(&mut self) {
        self.background.end(Arc::clone(&self.sender));
    }
}

/// How a run is claimed. `Claim::default()` promises no heartbeat, and works while the ledger is away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claim {
    /// The longest silence that is promised.
    pub heartbeat: Option<Duration>,
    /// While the ledger is away nobody can know whether another worker has the run. Without this the work is done, and may
    /// be done twice.
    pub fail_if_away: bool,
}

impl Ledger {
    /// Begins to make one.
    pub fn builder(url: &str, token: &str, tenant: &str) -> Builder {
        Builder::new(url, token, tenant)
    }

    /// One from `RUNLEDGER_URL`, `RUNLEDGER_TOKEN`, `RUNLEDGER_TENANT` and `RUNLEDGER_SPOOL`.
    ///
    /// # Errors
    /// [`Error::Setting`] says which is missing, and those of [`Builder::build`].
    pub fn from_env() -> Result<Self, Error> {
        Builder::from_env()?.build()
    }

    pub(crate) fn running(sender: Sender, worker: String, end_on_sigterm: bool) -> Result<Self, Error> {
        let sender = Arc::new(sender);
        let background = Background::start(&sender, end_on_sigterm)?;
        Ok(Self(Arc::new(Core { sender, reasons: Reasons::default(), background, worker })))
    }

    /// Which reason code an error is.
    #[must_use]
    pub fn reasons(&self) -> &Reasons {
        &self.0.reasons
    }

    /// As what this process is shown.
    #[must_use]
    pub fn worker(&self) -> &str {
        &self.0.worker
    }

    // To work on a run.

    /// Works on a run: `work`'s `Ok` completes it, its `Err` fails it and is given back, and so does a panic. What may
    /// be said besides, [`Self::begin`] takes.
    ///
    /// # Errors
    /// Those of `work`, and no others.
    pub async fn run<T, E: Display + 'static>(
        &self,
        kind: &str,
        context: impl Into<Value>,
        work: impl AsyncFnOnce(Run) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin(Start::new(kind, context)).work(work).await
    }

    /// Begins a run that is worked on here, whatever the ledger says: if another worker has the operation, what is
    /// reported here is set aside.
    pub fn begin(&self, mut start: Start) -> Open {
        let (heartbeat, first) = (start.heartbeat, mem::take(&mut start.events));
        let file = self.known(self.claiming(start.body(), None, heartbeat));
        let open = self.open(file, heartbeat);
        first.iter().for_each(|event| open.report_event(event));
        open
    }

    /// As [`Self::begin`], where the operation is free.
    ///
    /// # Errors
    /// [`Error::AlreadyTaken`], [`Error::Away`] where nobody can know, and [`Error::Io`] where the spool can't be written.
    pub async fn exclusive(&self, mut start: Start) -> Result<Open, Error> {
        let (heartbeat, first) = (start.heartbeat, mem::take(&mut start.events));
        let file = Arc::new(self.claiming(start.body(), None, heartbeat)?);
        let open = self.take(file, heartbeat, true).await?;
        first.iter().for_each(|event| open.report_event(event));
        Ok(open)
    }

    /// Takes a run that was dispatched. A run whose worker has broken its heartbeat is taken over.
    ///
    /// # Errors
    /// [`Error::AlreadyTaken`] where another worker has it or it has ended, and [`Error::Away`] by [`Claim::fail_if_away`].
    pub async fn claim(&self, ticket: &Ticket, how: Claim) -> Result<Open, Error> {
        let file = self.claiming(ticket.start.clone(), ticket.run_id, how.heartbeat);
        match self.known(file) {
            Some(file) => self.take(file, how.heartbeat, how.fail_if_away).await,
            None => Ok(self.open(None, how.heartbeat)),
        }
    }

    /// Reports to a run that another process works on and will end. Drop it, and [`flush`](Self::flush), before the other
    /// one ends it, or what comes later is refused.
    #[must_use]
    pub fn join(&self, run: RunId, heartbeat: Option<Duration>) -> Run {
        let meta = Meta { start: None, run_id: Some(run), started: None, claimed: true };
        let file = self.known(self.0.sender.spool.create(meta));
        if let Some(file) = &file {
            self.0.sender.notice(file);
        }
        Run::new(&self.0, file, heartbeat, true)
    }

    fn claiming(
        &self,
        start: Value,
        run_id: Option<RunId>,
        heartbeat: Option<Duration>,
    ) -> io::Result<RunFile> {
        let started = Some(json!(event::started(&self.0.worker, heartbeat)));
        self.0.sender.spool.create(Meta { start: Some(start), run_id, started, claimed: false })
    }

    /// A run that nobody can write down is worked on all the same, and that is told.
    pub(crate) fn known(&self, file: io::Result<RunFile>) -> Option<Arc<RunFile>> {
        file.map(Arc::new).inspect_err(|error| self.0.sender.lost(error, None)).ok()
    }

    fn open(&self, file: Option<Arc<RunFile>>, heartbeat: Option<Duration>) -> Open {
        let run = Run::new(&self.0, file.clone(), heartbeat, false);
        if let Some(file) = &file {
            self.0.sender.opened(file, Arc::downgrade(&run.0));
            self.0.sender.notice(file);
        }
        Open::new(run)
    }

    async fn take(
        &self,
        file: Arc<RunFile>,
        heartbeat: Option<Duration>,
        fail_if_away: bool,
    ) -> Result<Open, Error> {
        // Should the caller let go of the question, the ledger may have been asked: then it is told that it was for nothing.
        struct Asking<'l>(&'l Ledger, Option<Arc<RunFile>>);
        impl Drop for Asking<'_> {
            fn drop(&mut self) {
                if let Some(file) = self.1.take() {
                    drop(self.0.open(Some(file), None));
                }
            }
        }
        let mut asking = Asking(self, Some(Arc::clone(&file)));
        let (sender, asked) = (Arc::clone(&self.0.sender), Arc::clone(&file));
        let answer = self
            .ask(
                async move { delivery::claim(&sender.transport, &asked, sender.limits.answer_timeout).await },
            )
            .await;
        asking.1 = None;
        let refused = match answer {
            Err(Error::Unclear { run }) => Error::AlreadyTaken { run, status: "running".to_owned() },
            Err(error @ Error::AlreadyTaken { .. }) => error,
            Err(error @ Error::Away { .. }) if fail_if_away => error,
            // Otherwise the sender asks again, and tells what is wrong.
            _ => return Ok(self.open(Some(file), heartbeat)),
        };
        file.remove();
        Err(refused)
    }

    /// The ledger's answer, where it is likely to give one at once.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let sender = &self.0.sender;
        if sender.is_away() {
            return Err(Error::away("it did not answer a moment ago"));
        }
        let answer = self.0.background.does(question).await?;
        match &answer {
            Ok(_) => sender.answered(),
            Err(Error::Away { of_one_run: false, retry_after, .. }) => sender.silent(*retry_after),
            Err(_) => {}
        }
        answer
    }

    // The end.

    /// Waits until the ledger has all that was reported; whether it has. What it has not stays in the spool.
    pub async fn flush(&self, time: Duration) -> bool {
        let sender = Arc::clone(&self.0.sender);
        self.0.background.does(async move { sender.flush(time).await }).await.unwrap_or(false)
    }

    /// [`flush`](Self::flush) for [`Limits::exit_timeout`](crate::Limits). For asynchronous programs as their last act, and
    /// for ledgers in statics, which nobody drops.
    pub async fn close(&self) -> bool {
        self.flush(self.0.sender.limits.exit_timeout).await
    }

    /// Sends what processes that have died left in the spool; how many runs are still not sent to their end.
    pub async fn send_left(&self, time: Duration) -> usize {
        self.0.sender.adopt_now();
        self.flush(time).await;
        self.0.sender.left()
    }

    /// Ends the runs of this process, and waits until that is told.
    pub async fn abort_all(&self, why: &str) -> bool {
        self.0.sender.abort_all(why);
        self.close().await
    }
}
