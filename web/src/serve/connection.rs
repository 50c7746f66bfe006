//! What a connection and its requests know of each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::strangers::Guest;

/// A connection, as its requests find it among their extensions.
#[derive(Debug)]
pub(crate) struct Connection {
    begun: Instant,
    guest: Guest,
    /// Requests whose answers are not yet out to the end.
    open: AtomicUsize,
    has_requested: AtomicBool,
    /// When the last of them ended, in milliseconds since the beginning.
    quiet_since: AtomicU64,
    /// Whether something was refused of which more may still come.
    left_unread: AtomicBool,
    /// Whether nothing but the first line of a head has come since the last answer.
    on_first_line: AtomicBool,
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
pub(super) struct RequestInFlight(Arc<Connection>);

impl Connection {
    pub(super) fn new(guest: Guest) -> Self {
        Self {
            begun: Instant::now(),
            guest,
            open: AtomicUsize::new(0),
            has_requested: AtomicBool::new(false),
            quiet_since: AtomicU64::new(0),
            left_unread: AtomicBool::new(false),
            on_first_line: AtomicBool::new(true),
        }
    }

    /// Its requests have shown a good token: from now on the connection makes way for no other.
    pub(crate) fn is_known(&self) {
        self.guest.is_known();
    }

    /// Begins a request, which is under way until the returned guard is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> RequestInFlight {
        self.open.fetch_add(1, Ordering::AcqRel);
        self.has_requested.store(true, Ordering::Release);
        RequestInFlight(self.clone())
    }

    /// Whether a request has ever come.
    pub(super) fn has_requested(&self) -> bool {
        self.has_requested.load(Ordering::Acquire)
    }

    /// Whether nothing is under way on it.
    pub(super) fn is_quiet(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Something of a request is left that will not be read.
    pub(super) fn leave_unread(&self) {
        self.left_unread.store(true, Ordering::Release);
    }

    pub(super) fn has_left_unread(&self) -> bool {
        self.left_unread.load(Ordering::Acquire)
    }

    /// Something has come in.
    pub(super) fn received(&self, bytes: &[u8]) {
        if self.on_first_line.load(Ordering::Acquire) && bytes.contains(&b'\n') {
            self.on_first_line.store(false, Ordering::Release);
        }
    }

    pub(super) fn is_on_first_line(&self) -> bool {
        self.on_first_line.load(Ordering::Acquire)
    }

    /// Resolves when no request has come for so long: at first, or since the last answer.
    pub(super) async fn falls_silent(&self, at_first: Duration, between: Duration) {
        loop {
            let now = Instant::now();
            let until = match (self.has_requested(), self.is_quiet()) {
                (false, _) => self.begun + at_first,
                (true, true) => {
                    let since = Duration::from_millis(self.quiet_since.load(Ordering::Acquire));
                    self.begun + since + between
                }
                (true, false) => now + between,
            };
            if until <= now {
                return;
            }
            // Requests come by the thousand, and do not wake this task: it looks again when it may be time.
            tokio::time::sleep_until(until.min(now + between)).await;
        }
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.quiet_since.store(now, Ordering::Release);
        self.0.on_first_line.store(true, Ordering::Release);
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}
