//! Work that is handed to others.

use std::fmt::Display;
use std::panic::resume_unwind;
use std::sync::Arc;

use domain::RunId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::delivery;
use crate::event::{self, Event};
use crate::ledger::Ledger;
use crate::open::{caught, said};
use crate::runfile::Meta;
use crate::start::Start;

/// What the worker needs to know of a run that was dispatched: plain JSON, for any queue, and the same in every client.
/// `start` finds the run, or makes it, where the ledger was away and the id is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// The run, where the ledger has named it.
    pub run_id: Option<RunId>,
    /// As it is sent.
    pub start: Value,
    /// What the outbox knows it by.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// What became of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatched {
    /// The run; none while the ledger is away.
    pub run: Option<RunId>,
    /// The operation is active already: nothing was sent.
    pub reused: bool,
}

impl Ledger {
    /// Starts a run on which nobody works here, with its first [`events`](Start::events): all of it is recorded, or nothing.
    /// Waits for nobody, as a report does. Gives its ticket.
    ///
    /// Where another start has made the run already, the events are not in it: they are set aside, and that is told.
    pub fn start(&self, start: Start) -> Ticket {
        let start = start.body();
        self.say(start.clone(), None, None);
        Ticket { run_id: None, start, reference: None }
    }

    /// Starts a run and sends its ticket to a worker, by `send`. An error or a panic of `send` fails the run at once, and
    /// goes on. An operation that is active already is not sent again.
    ///
    /// # Errors
    /// Those of `send`, and no others.
    pub async fn dispatch<E: Display + 'static>(
        &self,
        start: Start,
        send: impl AsyncFnOnce(Ticket) -> Result<(), E>,
    ) -> Result<Dispatched, E> {
        let start = start.body();
        let (sender, body) = (Arc::clone(&self.0.sender), start.clone());
        // Without an answer it is dispatched without the ledger: the sender tries again, and tells what is wrong.
        let run = match self
            .ask(async move { delivery::start(&sender.transport, &body, sender.limits.answer_timeout).await })
            .await
        {
            Ok(answer) if answer.reused => return Ok(Dispatched { run: Some(answer.run_id), reused: true }),
            answer => answer.ok().map(|answer| answer.run_id),
        };
        let failed = |why: String| event::failed("dispatch_failed", why).ok();
        match caught(send(Ticket { run_id: run, start: start.clone(), reference: None })).await {
            Ok(Ok(())) => {
                if run.is_none() {
                    self.say(start, None, None);
                }
                Ok(Dispatched { run, reused: false })
            }
            Ok(Err(error)) => {
                self.say(start, run, failed(self.0.reasons.told(&error)));
                Err(error)
            }
            Err(panic) => {
                self.say(start, run, failed(format!("the dispatch panicked: {}", said(&*panic))));
                resume_unwind(panic)
            }
        }
    }

    /// Has the sender say that there is a run, and how it ended.
    fn say(&self, start: Value, run_id: Option<RunId>, end: Option<Event>) {
        let sender = &self.0.sender;
        let meta = Meta { start: Some(start), run_id, started: None, claimed: true };
        let Some(file) = self.known(sender.spool.create(meta)) else { return };
        if let Some(end) = end
            && let Err(error) = sender.report(&file, &end, true)
        {
            sender.lost(&error, run_id);
        }
        file.close();
        sender.notice(&file);
    }
}
