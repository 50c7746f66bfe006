//! Events that wait to become leaves. They are taken from the log soon after they were appended, when its memory still
//! has them, and become leaves many at a time: reading them back from the database would cost appends more than
//! all the hashing.

use std::pin::Pin;
use std::time::Duration;

use eventlog::{LogError, RecordedEvent, Subscription};
use tokio::time::{Instant, sleep_until};

/// How many bytes wait at most before they are due.
const MOST_BYTES: usize = 16 << 20;

/// The pauses between looks at the log. What it has in memory is some thousand events: 10,000 a second are looked for
/// often, and few of them seldom.
const OFTEN: Duration = Duration::from_millis(10);
const SELDOM: Duration = Duration::from_millis(100);
const MANY: usize = 100;

/// Events in the order of the log.
pub(crate) struct Gathered {
    events: Vec<RecordedEvent>,
    bytes: usize,
    /// When the first of them came.
    since: Instant,
    most: usize,
    wait: Duration,
}

impl Gathered {
    /// Nothing yet. So many are due at once, fewer after that time.
    pub fn new(most: usize, wait: Duration) -> Self {
        Self { events: Vec::new(), bytes: 0, since: Instant::now(), most: most.max(1), wait }
    }

    /// For how many more there is room, at least one.
    pub fn room(&self) -> usize {
        self.most.saturating_sub(self.events.len()).max(1)
    }

    /// Whether they are due at once, and no more are to be read before.
    pub fn is_full(&self) -> bool {
        self.events.len() >= self.most || self.bytes >= MOST_BYTES
    }

    /// Adds what was read, and reads on when it pays.
    pub fn read(&mut self, (subscription, batch): Read) -> Result<Reading, LogError> {
        let look = Instant::now() + self.add(batch?);
        Ok(read_on(subscription, look, self.room()))
    }

    /// Adds what came next, and says how long it pays to wait until the next look.
    fn add(&mut self, mut batch: Vec<RecordedEvent>) -> Duration {
        let (room, count) = (self.room(), batch.len());
        if self.events.is_empty() {
            self.since = Instant::now();
        }
        self.bytes += batch.iter().map(|event| event.data.len() + event.metadata.len()).sum::<usize>();
        self.events.append(&mut batch);
        match count {
            _ if count >= room => Duration::ZERO,
            MANY.. => OFTEN,
            _ => SELDOM,
        }
    }

    /// Waits until they should become leaves; for ever while there are none.
    pub async fn due(&self) {
        if self.events.is_empty() {
            std::future::pending::<()>().await;
        }
        if !self.is_full() {
            sleep_until(self.since + self.wait).await;
        }
    }

    /// Takes them all.
    pub fn take(&mut self) -> Vec<RecordedEvent> {
        self.bytes = 0;
        std::mem::take(&mut self.events)
    }
}

/// The next events, with what reads on.
pub(crate) type Read = (Box<dyn Subscription>, Result<Vec<RecordedEvent>, LogError>);

/// The reading of them, of a moment that may lie ahead.
pub(crate) type Reading = Pin<Box<dyn Future<Output = Read> + Send>>;

/// Reads the next events after a moment.
pub(crate) fn read_on(mut subscription: Box<dyn Subscription>, look: Instant, limit: usize) -> Reading {
    Box::pin(async move {
        sleep_until(look).await;
        let batch = subscription.next_batch(limit).await;
        (subscription, batch)
    })
}
