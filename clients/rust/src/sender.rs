//! What takes what is in the spool to the ledger, run by run, each in its order.

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use domain::RunId;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::delivery;
use crate::error::{Error, Problem, Trouble, TroubleKind};
use crate::event::Event;
use crate::limits::Limits;
use crate::run::Run;
use crate::runfile::{RunFile, lock};
use crate::spool::Spool;
use crate::transport::Transport;
use crate::troubles::Troubles;
use crate::ways::{Ways, key};

/// Where many runs have something to say, so many requests are made at once.
const LANES: usize = 4;
/// Batches of one run that may follow each other while others wait.
const FAIR: usize = 10;

pub(crate) struct Sender {
    pub transport: Transport,
    pub spool: Spool,
    pub limits: Limits,
    troubles: Troubles,
    /// The runs that a signal has to end.
    open: Mutex<HashMap<usize, Weak<crate::run::Inner>>>,
    ways: Ways,
    used: AtomicU64,
    link: Mutex<Link>,
    /// When it is looked for what others have left.
    look_at: Mutex<Instant>,
    /// Rung by the job: there is something to say.
    bell: Notify,
    /// How many wait for the last of it.
    waiting: AtomicUsize,
    /// Moves as each round is over.
    rounds: watch::Sender<u64>,
}

/// What is known of the ledger.
#[derive(Default)]
struct Link {
    away: bool,
    unauthorized: bool,
    failures: u32,
    not_before: Option<Instant>,
}

impl Sender {
    pub fn new(transport: Transport, spool: Spool, limits: Limits, troubles: Troubles) -> Self {
        Self {
            transport,
            spool,
            limits,
            troubles,
            open: Mutex::default(),
            ways: Ways::default(),
            used: AtomicU64::new(0),
            link: Mutex::default(),
            look_at: Mutex::new(Instant::now()),
            bell: Notify::new(),
            waiting: AtomicUsize::new(0),
            rounds: watch::Sender::new(0),
        }
    }

    // Called by the job.

    /// A run to send from now on, or one that has something to say.
    pub fn notice(&self, file: &Arc<RunFile>) {
        if self.ways.notice(file, self.limits.linger, file.closed()) {
            self.bell.notify_one();
        }
    }

    /// Writes an event to the spool, where there is room for it.
    ///
    /// # Errors
    /// What the disk does.
    pub fn report(&self, file: &Arc<RunFile>, event: &Event, last: bool) -> io::Result<()> {
        if file.closed() {
            return Ok(());
        }
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let full = self.used.load(Ordering::Relaxed) + line.len() as u64;
        let room = if event.is_progress() { self.limits.spool_bytes / 2 } else { self.limits.spool_bytes };
        if full > room && !last {
            self.lost(&"the spool is full: the ledger does not take what is reported", file.run_id());
            return Ok(());
        }
        self.used.fetch_add(file.append(&line, last)?, Ordering::Relaxed);
        self.notice(file);
        Ok(())
    }

    pub fn opened(&self, file: &Arc<RunFile>, run: Weak<crate::run::Inner>) {
        lock(&self.open).insert(key(file), run);
    }

    pub fn ended(&self, file: &Arc<RunFile>) {
        lock(&self.open).remove(&key(file));
    }

    /// Ends the runs of this process.
    pub fn abort_all(&self, why: &str) {
        let runs: Vec<_> = lock(&self.open).values().filter_map(Weak::upgrade).collect();
        for run in runs {
            Run(run).abort("cancelled", why);
        }
    }

    /// Whether the ledger did not answer a moment ago: nobody needs to wait for it.
    pub fn is_away(&self) -> bool {
        let link = lock(&self.link);
        link.away && link.not_before.is_some_and(|at| Instant::now() < at)
    }

    pub fn is_busy(&self) -> bool {
        self.ways.are_waiting()
    }

    /// How many runs are not yet sent to their end.
    pub fn left(&self) -> usize {
        self.ways.len()
    }

    /// Takes over, at the next turn, what processes that have died left.
    pub fn adopt_now(&self) {
        *lock(&self.look_at) = Instant::now();
    }

    /// Waits until the ledger has all that was reported; whether it has.
    pub async fn flush(&self, time: Duration) -> bool {
        struct Waits<'s>(&'s AtomicUsize);
        impl Drop for Waits<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        let deadline = Instant::now() + time;
        lock(&self.link).not_before = None;
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waits = Waits(&self.waiting);
        let mut rounds = self.rounds.subscribe();
        while self.ways.are_waiting() || self.looks(Instant::now()) {
            self.bell.notify_one();
            if timeout_at(deadline, rounds.changed()).await.is_err() {
                return !self.ways.are_waiting();
            }
        }
        true
    }

    /// An event could not even be written.
    pub fn lost(&self, why: &dyn Display, run: Option<RunId>) {
        self.troubles.lost(why, run);
    }

    /// Kept for people to look at, and told.
    pub fn refused(&self, run: Option<RunId>, event: Value, problem: &Problem) {
        self.spool.set_aside(run, &event, problem);
        let detail = problem.to_string();
        self.troubles.tell(&Trouble {
            kind: TroubleKind::Refused,
            detail,
            run,
            event: Some(event),
            count: 1,
        });
    }

    // The turns.

    /// Sends, for ever.
    pub async fn serve(&self) {
        loop {
            let hurry = self.waiting.load(Ordering::Acquire) > 0;
            match self.next(hurry) {
                Some(at) if at <= Instant::now() => {}
                Some(at) => {
                    tokio::select! {
                        () = sleep_until(at) => {}
                        () = self.bell.notified() => {}
                    }
                    continue;
                }
                None => {
                    self.bell.notified().await;
                    continue;
                }
            }
            self.round(hurry).await;
            self.rounds.send_modify(|round| *round += 1);
        }
    }

    fn next(&self, hurry: bool) -> Option<Instant> {
        let not_before = lock(&self.link).not_before;
        let turn = self.ways.next(hurry).map(|turn| not_before.map_or(turn, |at| turn.max(at)));
        // While runs are open it is looked around once in a while.
        let look = (hurry || self.ways.len() > 0).then(|| *lock(&self.look_at));
        turn.into_iter().chain(look).min()
    }

    fn looks(&self, now: Instant) -> bool {
        *lock(&self.look_at) <= now
    }

    fn may_send(&self) -> bool {
        lock(&self.link).not_before.is_none_or(|at| at <= Instant::now())
    }

    async fn round(&self, hurry: bool) {
        if self.looks(Instant::now()) {
            *lock(&self.look_at) = Instant::now() + self.limits.adopt_every;
            for file in self.spool.adopt() {
                self.ways.notice(&Arc::new(file), Duration::ZERO, true);
            }
            self.spool.tidy(&self.ways.folders());
        }
        if self.may_send() {
            let queue = Mutex::new(VecDeque::from(self.ways.take(hurry)));
            let lane = async || {
                while let Some(file) = { lock(&queue).pop_front() } {
                    if self.may_send() {
                        self.send(&file).await;
                    } else {
                        self.ways.again(&file, Duration::ZERO);
                    }
                }
            };
            let lanes: [_; LANES] = std::array::from_fn(|_| lane());
            let [a, b, c, d] = lanes;
            tokio::join!(a, b, c, d);
        }
        self.troubles.tell_lost();
        self.used.store(self.ways.bytes(), Ordering::Relaxed);
    }

    async fn send(&self, file: &Arc<RunFile>) {
        match self.deliver(file).await {
            Ok(more) => {
                self.answered();
                // What is written last is written before it is closed.
                let closed = file.closed();
                let more = more || closed && file.lines(1, 1).is_ok_and(|lines| !lines.is_empty());
                if closed && !more {
                    self.ways.remove(file);
                } else {
                    self.ways.done(file, more);
                }
            }
            Err(Error::Away { of_one_run: true, retry_after, .. }) => {
                self.ways.wait(file, &self.limits, retry_after);
                file.sync();
            }
            Err(Error::Unclear { .. }) => self.ways.wait(file, &self.limits, None),
            Err(Error::Away { retry_after, why, .. }) => {
                tracing::debug!(why, "the ledger is away");
                self.silent(retry_after);
                self.ways.again(file, Duration::ZERO);
                file.sync();
            }
            Err(Error::AlreadyTaken { run, status }) => self.taken(file, run, &status),
            Err(error) if error.is_unauthorized() => self.unauthorized(file, &error),
            Err(Error::Refused { problem, .. }) => self.refuse_run(file, &problem),
            Err(error) => {
                tracing::warn!(%error, "a run's reports wait");
                self.ways.again(file, self.limits.retry_most);
            }
        }
    }

    /// Sends what a run has to say; whether there is more of it, after a fair share of time.
    async fn deliver(&self, file: &RunFile) -> Result<bool, Error> {
        let Limits { batch_events, batch_bytes, request_timeout: time, .. } = self.limits;
        let run = delivery::resolve(&self.transport, file, time).await?;
        let meta = file.meta();
        if let Some(started) = meta.started.filter(|_| !meta.claimed) {
            // `Started` goes with the first events. Where it is refused, it is asked why, and these follow later.
            let lines = file.lines(batch_events.saturating_sub(1), batch_bytes)?;
            let all: Vec<String> =
                std::iter::once(started.to_string()).chain(lines.iter().cloned()).collect();
            match delivery::post(&self.transport, run, &all, time, Some(0)).await {
                Ok(()) => {
                    file.sent(&lines)?;
                    file.know(|meta| meta.claimed = true)?;
                }
                Err(Error::Refused { .. }) => delivery::claim(&self.transport, file, time).await?,
                Err(error) => return Err(error),
            }
        }
        for _ in 0..FAIR {
            let lines = file.lines(batch_events, batch_bytes)?;
            if lines.is_empty() {
                return Ok(false);
            }
            let rejected = delivery::append(&self.transport, run, lines.clone(), time).await?;
            file.sent(&lines)?;
            for delivery::Rejected { line, problem } in rejected {
                self.refused(Some(run), shown(&line), &problem);
            }
        }
        Ok(true)
    }

    // What goes wrong.

    /// The ledger is there.
    pub fn answered(&self) {
        *lock(&self.link) = Link::default();
    }

    /// The ledger is not: nothing is sent for a while, longer each time, and never all at the same moment.
    pub fn silent(&self, asked: Option<Duration>) {
        let mut link = lock(&self.link);
        link.away = true;
        link.failures += 1;
        link.not_before = Some(Instant::now() + self.limits.pause(link.failures, asked));
    }

    /// Not about this run: all waits until there is a token that is taken.
    fn unauthorized(&self, file: &Arc<RunFile>, error: &Error) {
        let mut link = lock(&self.link);
        let news = !std::mem::replace(&mut link.unauthorized, true);
        link.away = true;
        link.not_before = Some(Instant::now() + self.limits.pause(8, None));
        drop(link);
        self.ways.again(file, Duration::ZERO);
        if news {
            let (kind, detail) = (TroubleKind::Unauthorized, error.to_string());
            self.troubles.tell(&Trouble { kind, detail, run: file.run_id(), event: None, count: 1 });
        }
    }

    /// Told once; what was reported is kept for people to look at.
    fn taken(&self, file: &Arc<RunFile>, run: RunId, status: &str) {
        file.close();
        let detail = Error::AlreadyTaken { run, status: status.to_owned() }.to_string();
        let problem = Problem::new("already_taken", &detail);
        let count = self.rest(file, |event| self.spool.set_aside(Some(run), &event, &problem));
        self.troubles.tell(&Trouble { kind: TroubleKind::Taken, detail, run: Some(run), event: None, count });
        self.ways.remove(file);
    }

    /// The run itself is refused: its start is wrong, or the ledger has no such run.
    fn refuse_run(&self, file: &Arc<RunFile>, problem: &Problem) {
        file.close();
        let meta = file.meta();
        if meta.run_id.is_none() {
            self.refused(None, json!({"start": meta.start}), problem);
        }
        self.rest(file, |event| self.refused(meta.run_id, event, problem));
        self.ways.remove(file);
    }

    /// Does something with each event that is not sent; how many.
    fn rest(&self, file: &RunFile, each: impl Fn(Value)) -> u64 {
        let mut count = 0;
        while let Ok(lines) = file.lines(1_000, 1 << 20)
            && !lines.is_empty()
        {
            lines.iter().for_each(|line| each(shown(line)));
            count += lines.len() as u64;
            if file.sent(&lines).is_err() {
                break;
            }
        }
        count
    }
}

/// A line as an event, or as it is where it is none.
fn shown(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| json!({"unreadable": line}))
}
