//! One who listens: which messages it gets, in which form.

use std::collections::VecDeque;
use std::time::Duration;

use access::Ended;
use domain::{PrincipalId, RunId};
use eventlog::Position;
use reads::BasePath;
use reads::Ledger;
use reads::live::{RunChange, Turn};
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::seen::Seen;

/// For whom the messages are.
#[derive(Debug, Clone)]
pub(super) struct Audience {
    /// The principal that listens: notifications are told to nobody else.
    pub(super) principal: PrincipalId,
    /// The token behind it, which may be revoked.
    pub(super) token_id: Uuid,
    /// Only this run.
    pub(super) run: Option<RunId>,
    /// Under which path the listener sees the server.
    pub(super) base: BasePath,
}

/// One who listens.
pub(super) struct Listener {
    ledger: Ledger,
    audience: Audience,
    turns: broadcast::Receiver<Turn>,
    ended: broadcast::Receiver<Ended>,
    /// What happened up to here was told.
    told: Position,
    ready: VecDeque<String>,
    heartbeat: Duration,
    until: Instant,
    stop: CancellationToken,
}

/// What a listener is joined to.
pub(super) struct Sources {
    /// What changes.
    pub(super) turns: broadcast::Receiver<Turn>,
    /// Whose right to listen has ended.
    pub(super) ended: broadcast::Receiver<Ended>,
    /// The end of all streams.
    pub(super) stop: CancellationToken,
}

/// Why all must be read anew, where it is more than that the tables were mended or that much was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// The listener comes from a position that the log does not have.
    PositionAhead,
    /// The listener comes from another epoch: the ledger was restored since.
    EpochChanged,
}

/// Where the stream stands.
#[derive(Serialize)]
struct At {
    position: u64,
    epoch: u64,
    /// The code of the problem that another request would be answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Why>,
    /// After how long at most something is heard again. A listener that hears nothing for much longer is cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_ms: Option<u64>,
}

impl Listener {
    /// One who was told everything up to `position`, and is now told so. `lasts` bounds the stream: who
    /// goes on listening comes again and shows that it still may.
    pub(super) fn new(
        ledger: Ledger,
        audience: Audience,
        sources: Sources,
        position: Position,
        (heartbeat, lasts): (Duration, Duration),
    ) -> Self {
        Self {
            ledger,
            audience,
            turns: sources.turns,
            ended: sources.ended,
            told: position,
            ready: VecDeque::new(),
            heartbeat,
            until: Instant::now() + lasts,
            stop: sources.stop,
        }
    }

    /// Puts messages about these runs in line, whatever was told before.
    pub(super) fn say_runs(&mut self, runs: &[RunChange]) {
        for change in runs {
            if self.audience.run.is_none_or(|run| run == change.run_id) {
                let mut change = change.clone();
                if change.recipient.as_deref() != Some(self.audience.principal.as_str()) {
                    change.notification = None;
                }
                change.links = change.links.under(&self.audience.base);
                // Of one run nothing more of the same position comes.
                let heard = if self.audience.run.is_some() { change.position } else { change.heard };
                let message = self.message("run", heard, &change);
                self.ready.push_back(message);
            }
        }
    }

    /// Puts in line how far the stream has come, so that who breaks off before anything happens can go on
    /// from there, and hears that the stream is still there.
    pub(super) fn say_position(&mut self) {
        let heartbeat_ms = u64::try_from(self.heartbeat.as_millis()).ok();
        let at = At { position: self.told.0, epoch: self.ledger.epoch, code: None, heartbeat_ms };
        let message = self.message("position", self.told.0, &at);
        self.ready.push_back(message);
    }

    /// Puts in line that all of it must be read anew.
    pub(super) fn say_reset(&mut self, code: Option<Why>) {
        let at = At { position: self.told.0, epoch: self.ledger.epoch, code, heartbeat_ms: None };
        let message = self.message("reset", self.told.0, &at);
        self.ready.push_back(message);
    }

    /// The next part of the stream; none at its end. What a broken connection loses is not lost: it is told
    /// again to the listener that comes back with the last `id`.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if !self.ready.is_empty() {
                return Some(self.ready.drain(..).collect());
            }
            let now = Instant::now();
            if now >= self.until {
                return None;
            }
            let quiet = (now + self.heartbeat).min(self.until);
            tokio::select! {
                () = self.stop.cancelled() => return None,
                ended = self.ended.recv() => match ended {
                    Ok(Ended::Token(token)) if token != self.audience.token_id => {}
                    // A listener that still may come in comes back.
                    Ok(Ended::Token(_) | Ended::Any) | Err(_) => return None,
                },
                turn = timeout_at(quiet, self.turns.recv()) => match turn {
                    Ok(Ok(Turn::Runs(runs))) => self.take(&runs),
                    Ok(Ok(Turn::Reset(position))) => {
                        self.told = position;
                        self.say_reset(None);
                    }
                    // Too slow: what was missed is gone. The next turn goes on after it.
                    Ok(Err(RecvError::Lagged(_))) => self.say_reset(None),
                    Ok(Err(RecvError::Closed)) => return None,
                    // The comment is for whatever is in between; a script can't hear it, but the message.
                    Err(_) => {
                        self.ready.push_back(": heartbeat\n\n".to_owned());
                        self.say_position();
                    }
                },
            }
        }
    }

    fn take(&mut self, runs: &[RunChange]) {
        let new = runs.partition_point(|change| change.position <= self.told.0);
        let news = runs.get(new..).unwrap_or_default();
        if let Some(last) = news.last() {
            self.told = Position(last.position);
            self.say_runs(news);
        }
    }

    /// A message in the form of the HTML standard, section 9.2 (server-sent events).
    fn message(&self, event: &str, position: u64, data: &impl Serialize) -> String {
        let id = Seen { position: Position(position), epoch: Some(self.ledger.epoch) };
        match serde_json::to_string(data) {
            // JSON in one line has no line breaks of its own.
            Ok(data) => format!("event: {event}\nid: {id}\ndata: {data}\n\n"),
            Err(error) => {
                tracing::error!(%error, "a message has no form in JSON");
                String::new()
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_too_slow_starts_over_and_goes_on() {
        let (turns, ended, stop) =
            (broadcast::Sender::new(2), broadcast::Sender::new(2), CancellationToken::new());
        let sources = Sources { turns: turns.subscribe(), ended: ended.subscribe(), stop: stop.clone() };
        let principal = "slow".parse().unwrap();
        let audience = Audience { principal, token_id: Uuid::nil(), run: None, base: BasePath::default() };
        let long = Duration::from_secs(3600);
        let ledger = Ledger { id: Uuid::nil(), epoch: 5 };
        let mut listener = Listener::new(ledger, audience, sources, Position(7), (long, long));
        // More than are kept: the first are gone before they are heard.
        for position in [8, 9, 10] {
            turns.send(Turn::Reset(Position(position))).unwrap();
        }
        let reset = |id| format!("event: reset\nid: {id}-5\ndata: {{\"position\":{id},\"epoch\":5}}\n\n");
        for told in [7, 9, 10] {
            assert_eq!(listener.next().await, Some(reset(told)));
        }
        stop.cancel();
        assert_eq!(listener.next().await, None);
    }
}
