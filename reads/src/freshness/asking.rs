//! Asking the log where it ends, for callers that bring a position beyond what is known.
//!
//! However many callers ask at once, and however often, the log is asked a few dozen times a second at most: a caller
//! gets the first answer of the log to a question that began after the caller's.

use std::time::Duration;

use eventlog::{LogError, Position};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};

use super::Freshness;

/// The time between the beginnings of two questions.
const GAP: Duration = Duration::from_millis(20);

/// When the log was asked last for a caller, and what it answered.
#[derive(Debug, Default)]
pub(super) struct LastAnswer(Mutex<Option<(Instant, Result<Position, LogError>)>>);

impl Freshness {
    /// Makes sure that the log reaches `position`; asks it where what is known does not suffice. A log that does
    /// not answer within `limit` is given the benefit of the doubt.
    ///
    /// # Errors
    /// Where the log ends, if that is before.
    pub(super) async fn head_beyond(&self, position: Position, limit: Duration) -> Result<(), Position> {
        if self.has(position) {
            return Ok(());
        }
        match timeout(limit, self.fresh_head()).await {
            Ok(Ok(head)) if head < position => Err(head),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "whether the log reaches a position is not known");
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// Where the log ends, by a question that begins after this call.
    async fn fresh_head(&self) -> Result<Position, LogError> {
        let came = Instant::now();
        let mut last = self.shared.last_answer.0.lock().await;
        if let Some((begun, answer)) = &*last {
            if *begun >= came {
                return answer.clone();
            }
            // Callers that come meanwhile share the answer.
            sleep_until(*begun + GAP).await;
        }
        let begun = Instant::now();
        let answer = self.sample().await;
        *last = Some((begun, answer.clone()));
        answer
    }

    /// Asks the log where it ends, and takes note of it.
    pub(super) async fn sample(&self) -> Result<Position, LogError> {
        let known = self.heads().known();
        let head = self.shared.log.head().await?;
        if self.heads().answered(known, head, Instant::now()) {
            tracing::error!(
                head = head.0,
                known = known.0,
                "the event log ends before what it had: it was restored, or has lost events. Stop the processes \
                 of the ledger, and see docs/restoring.md"
            );
        }
        Ok(head)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use eventlog::memory::MemoryLog;
    use eventlog::{
        AppendError, Appended, EventLog, ExpectedRevision, NewEvent, RecordedEvent, StreamAppend,
        Subscription,
    };
    use uuid::Uuid;

    use super::*;
    use crate::ledger::Ledger;

    /// Counts how often it is asked for its head, which takes a while.
    #[derive(Clone, Default)]
    struct Slow {
        log: MemoryLog,
        asked: Arc<AtomicU64>,
    }

    #[async_trait::async_trait]
    impl EventLog for Slow {
        async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
            self.log.append(append).await
        }

        async fn read_stream(
            &self,
            of: &str,
            from: u64,
            most: usize,
        ) -> Result<Vec<RecordedEvent>, LogError> {
            self.log.read_stream(of, from, most).await
        }

        async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
            self.log.last_event(stream).await
        }

        async fn read_all(&self, after: Position, most: usize) -> Result<Vec<RecordedEvent>, LogError> {
            self.log.read_all(after, most).await
        }

        async fn head(&self) -> Result<Position, LogError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let head = self.log.head().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            head
        }

        async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError> {
            self.log.subscribe(after).await
        }
    }

    async fn append(log: &MemoryLog) {
        let event = NewEvent { id: Uuid::new_v4(), event_type: "A".into(), data: vec![], metadata: vec![] };
        let stream = Uuid::new_v4().to_string();
        let append = StreamAppend { stream, expected: ExpectedRevision::NoStream, events: vec![event] };
        log.append(append).await.unwrap();
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn thousands_who_ask_at_once_are_a_few_questions() {
        let slow = Slow::default();
        append(&slow.log).await;
        let ledger = Ledger { id: Uuid::nil(), epoch: 1 };
        let freshness = Freshness::unfed(Arc::new(slow.clone()), ledger);
        let ask = || freshness.head_beyond(Position(2), LONG);
        let answers = futures::future::join_all((0..2_100).map(|_| ask())).await;
        assert!(answers.iter().all(|answer| *answer == Err(Position(1))));
        assert!(slow.asked.load(Ordering::SeqCst) <= 2, "{}", slow.asked.load(Ordering::SeqCst));
        // One after another, they are as many as there is time for.
        let begun = Instant::now();
        for _ in 0..10 {
            ask().await.unwrap_err();
        }
        assert!(begun.elapsed() >= GAP * 9);
        // What was appended before somebody asks is in the answer, also while a question is on its way.
        let before = slow.asked.load(Ordering::SeqCst);
        let early = freshness.clone();
        let early = tokio::spawn(async move { early.head_beyond(Position(2), LONG).await });
        while slow.asked.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
        append(&slow.log).await;
        assert_eq!((ask().await, early.await.unwrap()), (Ok(()), Err(Position(1))));
        let asked = slow.asked.load(Ordering::SeqCst);
        // And known from then on.
        assert_eq!((ask().await, slow.asked.load(Ordering::SeqCst)), (Ok(()), asked));
    }
}
