//! Following the log.
//!
//! By reading again, not by the client's subscription: that one never gives its thread back once the server
//! has ended it well, so it could neither be timed nor dropped. An idle follower reads one event a turn.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use eventstore::Position as Theirs;
use tokio::time::sleep;

use super::Inner;
use super::read::News;
use crate::error::LogError;
use crate::port::{Position, RecordedEvent, Subscription};

/// Events that are read ahead.
const AHEAD: usize = 5_000;

/// The pause between two looks: short after something was found, then longer. What is appended through this
/// log is looked for at once.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(160);

/// A reader that follows the log.
pub(super) struct Follower {
    inner: Arc<Inner>,
    /// The last event that was read.
    at: Position,
    /// From where to look on.
    from: Option<Theirs>,
    ready: VecDeque<RecordedEvent>,
    pause: Duration,
}

impl Follower {
    pub(super) fn new(inner: Arc<Inner>, after: Position) -> Self {
        Self { inner, at: after, from: None, ready: VecDeque::new(), pause: SHORTEST }
    }
}

#[async_trait]
impl Subscription for Follower {
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        while self.ready.is_empty() {
            let inner = self.inner.clone();
            let appended = inner.appended.notified();
            tokio::pin!(appended);
            // From now on an append is noticed, also while we look.
            appended.as_mut().enable();
            let News { events, from } = inner.news(self.at, self.from, AHEAD).await?;
            // Nothing is awaited between what changes here: whoever drops us loses nothing.
            self.from = from;
            if let Some(last) = events.last() {
                self.at = last.position;
                self.ready = events.into();
                self.pause = SHORTEST;
                break;
            }
            tokio::select! {
                () = appended => {}
                () = sleep(self.pause) => self.pause = (self.pause * 2).min(LONGEST),
            }
        }
        let count = limit.min(self.ready.len());
        Ok(self.ready.drain(..count).collect())
    }
}
