//! The port: what every event log can do, whatever keeps it.

use async_trait::async_trait;
use uuid::Uuid;

use crate::error::{AppendError, LogError};

/// A place in the whole log. Positions grow in commit order: a reader that has read position p will never
/// see an event appear at or before p. On the Postgres log they are dense (1, 2, 3, ...); callers must
/// not assume that of every log. Position 0 is before the first event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub u64);

/// What a writer knows of a stream it appends to. The log refuses the append when it is not so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedRevision {
    /// The stream has no events.
    NoStream,
    /// The stream's last event has exactly this revision.
    Exact(u64),
}

impl ExpectedRevision {
    /// The last revision that is expected; none of a stream without events.
    pub(crate) fn last(self) -> Option<u64> {
        match self {
            Self::NoStream => None,
            Self::Exact(revision) => Some(revision),
        }
    }

    /// Where the first event goes; none where that is beyond all numbers.
    pub(crate) fn next(self) -> Option<u64> {
        self.last().map_or(Some(0), |last| last.checked_add(1))
    }
}

/// An event to append: opaque bytes to the log, which gives back exactly these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// By which a repeat is known. In another stream it means nothing.
    pub id: Uuid,
    /// The wire name.
    pub event_type: String,
    /// The event's own fields.
    pub data: Vec<u8>,
    /// What is said about it.
    pub metadata: Vec<u8>,
}

/// Events for one stream, with what the writer expects of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamAppend {
    /// The stream's name, see [`crate::streams`].
    pub stream: String,
    /// Must hold, or nothing is appended.
    pub expected: ExpectedRevision,
    /// At least one.
    pub events: Vec<NewEvent>,
}

/// Where an append has its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its revision in its stream, from 0.
    pub revision: u64,
    /// Its position in the log.
    pub position: Position,
    /// The events were there already: an earlier append of the same events had succeeded.
    pub duplicate: bool,
}

/// An event as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place in the whole log.
    pub position: Position,
    /// The stream it belongs to.
    pub stream: String,
    /// Its place in the stream, from 0, without gaps.
    pub revision: u64,
    /// See [`NewEvent::id`].
    pub id: Uuid,
    /// The wire name.
    pub event_type: String,
    /// The bytes that were appended.
    pub data: Vec<u8>,
    /// The bytes that were appended.
    pub metadata: Vec<u8>,
}

/// What a log promises beyond what every log does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarantees {
    /// Positions are 1, 2, 3 and so on, so that their difference is a number of events. Without it they are places,
    /// such as bytes: a caller that wants to know how many events lie between two of them counts.
    pub dense_positions: bool,
    /// The most bytes of data and metadata that an append of one event may have. With more events it may be
    /// somewhat less: a log that counts differently refuses what is too large.
    pub max_append_bytes: usize,
}

/// An append-only log of events in streams.
///
/// Every adapter passes the suite in [`crate::contract`].
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// What this log promises beyond what every log does.
    fn guarantees(&self) -> Guarantees {
        Guarantees { dense_positions: true, max_append_bytes: usize::MAX }
    }

    /// Appends to a stream: all of it is durable when this returns, or none.
    ///
    /// Idempotent by event id: when the expectation does not hold because the events are there already, by their
    /// ids and in this order, just behind the revision that was expected, the answer is where they are, with
    /// `duplicate` set. So a writer that repeats an append repeats its expectation too. Ids are compared nowhere
    /// else: not with other streams, and not where the expectation holds, for a writer that knows the last revision of
    /// a stream knows what is in it.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] when the expected revision does not hold (with the actual one),
    /// [`AppendError::Overloaded`] when the queue is full (nothing was taken in), or any other.
    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError>;

    /// Reads a stream forwards: at most `limit` events from revision `from` on. A stream without
    /// events reads as empty.
    ///
    /// # Errors
    /// [`LogError`].
    async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError>;

    /// The last event of a stream, if it has any.
    ///
    /// # Errors
    /// [`LogError`].
    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError>;

    /// Reads the whole log in order: at most `limit` events after a position, and fewer where they are large,
    /// but at least one while there is more. A caller that wants all reads until nothing comes.
    ///
    /// # Errors
    /// [`LogError`].
    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError>;

    /// How many events follow a position, counted up to `most` where positions do not tell.
    ///
    /// # Errors
    /// [`LogError`].
    async fn count_after(&self, after: Position, most: usize) -> Result<u64, LogError> {
        let head = self.head().await?;
        if self.guarantees().dense_positions {
            return Ok(head.0.saturating_sub(after.0));
        }
        let (mut at, mut count) = (after, 0);
        while at < head && count < most {
            let page = self.read_all(at, most - count).await?;
            let Some(last) = page.last() else { break };
            (at, count) = (last.position, count + page.len());
        }
        Ok(count as u64)
    }

    /// The position of the last event.
    ///
    /// # Errors
    /// [`LogError`].
    async fn head(&self) -> Result<Position, LogError>;

    /// Whether the log answers. That it does is soon told, also where its last event is long looked for.
    ///
    /// # Errors
    /// [`LogError`].
    async fn check(&self) -> Result<(), LogError> {
        self.head().await.map(drop)
    }

    /// Follows the log after a position: first what is there, then what comes, without gap or double.
    ///
    /// # Errors
    /// [`LogError`].
    async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError>;

    /// Whether appends are taken. A log that had to refuse one since it last took one tries how it is now, and
    /// leaves nothing behind; others say yes.
    ///
    /// # Errors
    /// [`LogError`]: why none is taken.
    async fn takes_appends(&self) -> Result<(), LogError> {
        Ok(())
    }

    /// Finishes what was taken in, and takes in no more.
    async fn shutdown(&self) {}
}

/// A reader that follows the log.
#[async_trait]
pub trait Subscription: Send {
    /// The next events in order, at least one and at most `limit`, and fewer where they are large; waits while
    /// there is none. Dropping the future loses nothing. After an error it may be called again and goes on where it
    /// was.
    ///
    /// # Errors
    /// [`LogError`].
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, LogError>;
}
