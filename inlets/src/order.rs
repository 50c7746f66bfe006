//! What a report means, by what the log has of its run. Pure: the time is an argument.

use access::Inlet;
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use domain::{EndedAs, EventBody, Progressed, ProposedEvent, Started, Status};

use crate::ids::beside;
use crate::report::{Report, Said};

/// How far ahead of ours an emitter's clock may be; the domain takes as much.
const MAX_AHEAD: TimeDelta = TimeDelta::hours(23);

/// A run as the log has it, as far as a report needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// None where nothing has happened to it.
    pub status: Option<Status>,
    /// Whether it was ever started.
    pub started: bool,
    /// How it ended, if it did.
    pub ended_as: Option<EndedAs>,
    /// Whether its end is only presumed: then it is still open.
    pub presumed: bool,
    /// When it was queued, as its producers say.
    pub queued_at: Option<DateTime<Utc>>,
    /// Whether it has the report's event already.
    pub knows: bool,
}

/// What a report means.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// These events, in order.
    Append(Vec<ProposedEvent>),
    /// Nothing: the run has it already.
    Double,
    /// Nothing: it says nothing new of a run that has gone on since.
    Late,
    /// It can't be an event of the run, and says something that the run does not show.
    Aside(&'static str),
}

impl Seen {
    /// Whether the run has begun and its end was not reported.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.status.is_some_and(Status::is_active) || self.presumed
    }
}

/// Decides what a report of a run means that came in then.
#[must_use]
pub fn step(inlet: &Inlet, seen: Seen, report: &Report, received_at: DateTime<Utc>) -> Step {
    let events = Events { report, at: at(report, seen, received_at) };
    match (&report.said, seen) {
        _ if seen.knows => Step::Double,
        (_, Seen { status: None, .. }) if !report.begins => {
            Step::Aside("It tells of a run that nobody has told the beginning of.")
        }
        (Said::Queued, Seen { status: None, .. }) => Step::Append(vec![events.queued(inlet)]),
        (Said::Event(body @ EventBody::Started(_)), Seen { status: None, .. }) => {
            Step::Append(vec![events.queued(inlet), events.this(body.clone())])
        }
        // Nobody told that it has begun, but it has.
        (Said::Event(body), Seen { status: None, .. }) => {
            Step::Append(vec![events.queued(inlet), events.started(inlet), events.this(body.clone())])
        }
        (said, seen) if !seen.is_open() => after_the_end(said, seen.ended_as),
        (Said::Queued, _) => Step::Late,
        (Said::Event(EventBody::Started(_)), Seen { started: true, .. }) => {
            // Another sign of life.
            let again = Progressed { message: None, items_total: None };
            Step::Append(vec![events.this(EventBody::Progressed(again))])
        }
        (Said::Event(body @ (EventBody::Started(_) | EventBody::Failed(_) | EventBody::Aborted(_))), _)
        | (Said::Event(body), Seen { started: true, .. }) => Step::Append(vec![events.this(body.clone())]),
        (Said::Event(body), _) => Step::Append(vec![events.started(inlet), events.this(body.clone())]),
    }
}

/// What came after the end of its run, and later than it was waited for.
fn after_the_end(said: &Said, ended_as: Option<EndedAs>) -> Step {
    let end = match said {
        Said::Event(EventBody::Completed(_)) => EndedAs::Completed,
        Said::Event(EventBody::Failed(_)) => EndedAs::Failed,
        Said::Event(EventBody::Aborted(_)) => EndedAs::Aborted,
        Said::Event(EventBody::Started(_)) => {
            return Step::Aside(
                "It tells of the beginning of a run that had ended: its times are not shown.",
            );
        }
        Said::Event(EventBody::ItemSucceeded(_) | EventBody::ItemFailed(_) | EventBody::ItemSkipped(_)) => {
            return Step::Aside("It tells of an item of a run that had ended.");
        }
        Said::Queued | Said::Event(_) => return Step::Late,
    };
    if ended_as == Some(end) {
        Step::Late
    } else {
        Step::Aside("It tells of another end of a run that had ended.")
    }
}

/// When it happened: as the emitter says, as far as that can be. A run's events are not before it was queued.
fn at(report: &Report, seen: Seen, received_at: DateTime<Utc>) -> DateTime<Utc> {
    let plausible = |at: &DateTime<Utc>| at.year() >= 2000 && *at <= received_at + MAX_AHEAD;
    let at = report.at.filter(plausible).unwrap_or(received_at);
    seen.queued_at.map_or(at, |queued_at| at.max(queued_at))
}

/// Makes the events of a report.
struct Events<'a> {
    report: &'a Report,
    at: DateTime<Utc>,
}

impl Events<'_> {
    fn this(&self, body: EventBody) -> ProposedEvent {
        ProposedEvent {
            id: self.report.event_id,
            occurred_at: Some(self.at),
            correlation_id: self.report.about.correlation_id.clone(),
            causation_id: None,
            body,
        }
    }

    fn queued(&self, inlet: &Inlet) -> ProposedEvent {
        let queued = self.this(self.report.about.queued(&inlet.kind));
        match self.report.said {
            Said::Queued => queued,
            Said::Event(_) => ProposedEvent { id: beside(self.report.event_id, "queued"), ..queued },
        }
    }

    fn started(&self, inlet: &Inlet) -> ProposedEvent {
        let started = Started { worker: None, heartbeat_seconds: inlet.heartbeat_seconds };
        let id = beside(self.report.event_id, "started");
        ProposedEvent { id, ..self.this(EventBody::Started(started)) }
    }
}
