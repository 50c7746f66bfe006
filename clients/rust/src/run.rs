//! A run, as the worker sees it: everything here only writes a line to the spool, and never fails.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domain::RunId;
use domain::reason::InvalidReasonCode;
use serde_json::json;

use crate::error::Problem;
use crate::event::{self, Event};
use crate::ledger::Core;
use crate::runfile::{RunFile, lock};

/// Messages of `progress` that may come at once; then one a second.
const BURST: f64 = 10.0;

/// A run that this program works on. Clones are the same run: give them to threads and tasks.
#[derive(Clone)]
pub struct Run(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    core: Arc<Core>,
    file: Option<Arc<RunFile>>,
    /// Signs of life come that often.
    beat: Option<Duration>,
    clock: Mutex<Clock>,
    ended: AtomicBool,
    /// Another process ends it.
    joined: bool,
}

struct Clock {
    alive_at: Instant,
    counted_at: Instant,
    allowance: f64,
    /// What `progress` said, and was not written yet.
    pending: Option<(String, Option<u64>)>,
}

impl Run {
    /// `heartbeat`: as it was promised; signs of life come three times as often. `joined`: another process ends it.
    pub(crate) fn new(
        core: &Arc<Core>,
        file: Option<Arc<RunFile>>,
        heartbeat: Option<Duration>,
        joined: bool,
    ) -> Self {
        let now = Instant::now();
        Self(Arc::new(Inner {
            core: Arc::clone(core),
            file,
            beat: heartbeat.map(|heartbeat| heartbeat / 3),
            clock: Mutex::new(Clock { alive_at: now, counted_at: now, allowance: BURST, pending: None }),
            ended: AtomicBool::new(false),
            joined,
        }))
    }

    /// The run's id, once the ledger has told it.
    #[must_use]
    pub fn id(&self) -> Option<RunId> {
        self.0.file.as_ref()?.run_id()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }

    // What becomes of items.

    /// An item whose work begins: what becomes of it is said with the answer.
    #[must_use = "say what becomes of the item: `record`, `pass`, `succeeded`, `failed`, `skipped`"]
    pub fn item(&self, name: impl Display) -> Item<'_> {
        self.tick();
        Item { run: self, name: name.to_string(), label: None, namespace: None }
    }

    /// An item was done.
    pub fn succeeded(&self, item: impl Display) {
        self.report(&event::succeeded(item, None), false);
    }

    /// An item could not be done, for this [reason code](domain::reason::CATALOGUE).
    pub fn failed(&self, item: impl Display, reason: &str, why: impl Display) {
        self.item(item).failed(reason, why);
    }

    /// An item was left alone on purpose.
    pub fn skipped(&self, item: impl Display, reason: Option<&str>) {
        self.item(item).skipped(reason);
    }

    // Signs of life.

    /// The work advances. To be called in long loops that report nothing, as often as they like: only when a sign of life is
    /// due, one is written. There is no timer, so a worker that hangs falls silent.
    pub fn tick(&self) {
        let Some(beat) = self.0.beat else { return };
        let mut clock = lock(&self.0.clock);
        if clock.alive_at.elapsed() < beat {
            return;
        }
        let pending = clock.pending.take();
        drop(clock);
        let (message, total) = pending.map_or((None, None), |(message, total)| (Some(message), total));
        self.report(&event::progressed(message.as_deref(), total), false);
    }

    /// Tells people how far it is: some at once, then one a second; of those between the last one counts.
    pub fn progress(&self, message: impl Display) {
        self.progress_of(message, None);
    }

    /// As [`Self::progress`], with a better estimate of the number of items.
    pub fn progress_of(&self, message: impl Display, items_total: impl Into<Option<u64>>) {
        let message = message.to_string();
        let mut clock = lock(&self.0.clock);
        clock.allowance = BURST.min(clock.allowance + clock.counted_at.elapsed().as_secs_f64());
        clock.counted_at = Instant::now();
        let total = items_total.into().or(clock.pending.take().and_then(|(_, total)| total));
        if clock.allowance < 1.0 {
            clock.pending = Some((message, total));
            return;
        }
        clock.allowance -= 1.0;
        drop(clock);
        self.report(&event::progressed(Some(&message), total), false);
    }

    // The end. The first one counts.

    /// The run went through all it had to do.
    pub fn complete(&self) {
        self.end(&event::completed(None));
    }

    /// As [`Self::complete`], with a closing word.
    pub fn complete_with(&self, message: impl Display) {
        self.end(&event::completed(Some(&message.to_string())));
    }

    /// The run could not proceed.
    pub fn fail(&self, reason: &str, why: impl Display) {
        self.end_for(reason, |code| event::failed(code, &why));
    }

    /// The run was stopped.
    pub fn abort(&self, reason: &str, why: impl Display) {
        self.end_for(reason, |code| event::aborted(code, &why));
    }

    /// The end that an error is.
    pub fn fail_by<E: Display + 'static>(&self, error: &E) {
        let (code, why) = (self.0.core.reasons.of(error), self.0.core.reasons.told(error));
        if code == "cancelled" { self.abort(&code, why) } else { self.fail(&code, why) }
    }

    /// An event of your own making, such as one that happened earlier.
    pub fn report_event(&self, event: &Event) {
        if event.is_end() { self.end(event) } else { self.report(event, false) }
    }

    /// A run ends also where the code of it is none: as `unknown`, and what was meant is told.
    fn end_for(&self, reason: &str, end: impl Fn(&str) -> Result<Event, InvalidReasonCode>) {
        let end = end(reason).or_else(|error| {
            self.refused(json!({"reason_code": reason}), &error);
            end("unknown")
        });
        if let Ok(end) = end {
            self.end(&end);
        }
    }

    /// What has no form that the ledger takes is set aside as if it had said so.
    fn refused(&self, event: serde_json::Value, why: &InvalidReasonCode) {
        let problem = Problem::new("validation_failed", why.to_string());
        self.0.core.sender.refused(self.id(), event, &problem);
    }

    fn end(&self, end: &Event) {
        if self.0.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        let pending = lock(&self.0.clock).pending.take();
        if let Some((message, total)) = pending {
            self.report(&event::progressed(Some(&message), total), false);
        }
        self.report(end, true);
        if let Some(file) = &self.0.file {
            self.0.core.sender.ended(file);
        }
    }

    fn report(&self, event: &Event, last: bool) {
        let Some(file) = &self.0.file else { return };
        let sender = &self.0.core.sender;
        if let Err(error) = sender.report(file, event, last) {
            sender.lost(&error, self.id()); // whatever it is, it is not the work's trouble
        }
        lock(&self.0.clock).alive_at = Instant::now();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(file) = self.file.as_ref().filter(|_| self.joined) {
            file.close();
            self.core.sender.notice(file);
        }
    }
}

/// One item of a run. What becomes of it is said once.
#[must_use = "say what becomes of the item: `record`, `pass`, `succeeded`, `failed`, `skipped`"]
pub struct Item<'run> {
    run: &'run Run,
    name: String,
    label: Option<String>,
    namespace: Option<String>,
}

impl Item<'_> {
    /// The name people know it by.
    pub fn label(mut self, label: impl Display) -> Self {
        self.label = Some(label.to_string());
        self
    }

    /// In which one of the directory it is an id. It is then shown by the name of today.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// An `Ok` is the item's success, an `Err` its failure. The error is told and goes no further, so that the next item has
    /// its turn.
    pub fn record<T, E: Display + 'static>(self, result: Result<T, E>) -> Option<T> {
        self.pass(result).ok()
    }

    /// As [`Self::record`], and the error goes on: `run.item(id).pass(work())?`.
    ///
    /// # Errors
    /// That of `result`.
    pub fn pass<T, E: Display + 'static>(self, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.succeeded(),
            Err(error) => {
                let reasons = &self.run.0.core.reasons;
                let (code, why) = (reasons.of(error), reasons.told(error));
                self.failed(&code, why);
            }
        }
        result
    }

    /// It was done.
    pub fn succeeded(self) {
        self.report(event::succeeded(&self.name, self.label.as_deref()));
    }

    /// It could not be done, for this [reason code](domain::reason::CATALOGUE).
    pub fn failed(self, reason: &str, why: impl Display) {
        match event::failed_item(&self.name, reason, &why, self.label.as_deref()) {
            Ok(event) => self.report(event),
            Err(error) => {
                let meant = json!({"type": "ItemFailed", "item": self.name, "label": self.label,
                    "namespace": self.namespace, "reason_code": reason, "message": event::text(&why)});
                self.run.refused(meant, &error);
            }
        }
    }

    /// It was left alone on purpose.
    pub fn skipped(self, reason: Option<&str>) {
        match event::skipped(&self.name, reason, self.label.as_deref()) {
            Ok(event) => self.report(event),
            Err(error) => {
                let meant = json!({"type": "ItemSkipped", "item": self.name, "label": self.label,
                    "namespace": self.namespace, "reason_code": reason});
                self.run.refused(meant, &error);
            }
        }
    }

    fn report(&self, event: Event) {
        let event = match &self.namespace {
            Some(namespace) => event.within(namespace),
            None => event,
        };
        self.run.report(&event, false);
    }
}
