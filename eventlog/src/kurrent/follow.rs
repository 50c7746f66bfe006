//! Following the log.
//!
//! By reading again, not by the client's subscription: that one never gives its thread back once the server
//! has ended it well, so it could neither be timed nor dropped. An idle follower reads one event a turn, and one
//! that is behind goes on from page to page, whether there is anything of ours in them or not.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::Inner;
use super::all::Look;
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
    look: Look,
    ready: VecDeque<RecordedEvent>,
    pause: Duration,
}

impl Follower {
    pub(super) fn new(inner: Arc<Inner>, after: Position) -> Self {
        let look = Look::after(&inner, after);
        Self { inner, look, ready: VecDeque::new(), pause: SHORTEST }
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
            // What was looked through is kept in the look: a caller that drops the future loses nothing.
            if let Some(events) = self.look.page(&inner, AHEAD).await? {
                if !events.is_empty() {
                    self.ready = events.into();
                    self.pause = SHORTEST;
                }
                continue;
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
