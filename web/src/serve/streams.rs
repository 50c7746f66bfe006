//! The streams of HTTP/2: each is a task of its own, and is given up when the client takes nothing of it.
//!
//! On HTTP/1.1 a client that takes nothing stops the socket, which is noticed there. On HTTP/2 it only opens no
//! window for the one stream, while all others go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::rt::Executor;

tokio::task_local! {
    static PROGRESS: Progress;
}

/// How far a stream's answer has gone to its client.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

/// Runs streams.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    /// How long a client may take nothing of one.
    pub(super) unread: Duration,
}

impl Progress {
    /// That of the stream whose task this is; none on HTTP/1.1.
    pub(super) fn here() -> Option<Self> {
        PROGRESS.try_with(Clone::clone).ok()
    }

    /// The client has taken what was there, and more is asked for: now it is our turn.
    pub(super) fn wanted(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// A piece is there to be taken.
    pub(super) fn offered(&self, piece: u64) {
        self.0.store(piece, Ordering::Release);
    }

    /// The number of the piece that is to be taken; 0 where it is our turn.
    fn waits_with(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl<S> Executor<S> for Streams
where
    S: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: S) {
        let (unread, progress) = (self.unread, Progress::default());
        tokio::spawn(async move {
            let mut stream = Box::pin(PROGRESS.scope(progress.clone(), stream));
            let mut waited_with = 0;
            loop {
                tokio::select! {
                    biased;
                    _ = stream.as_mut() => return,
                    () = tokio::time::sleep(unread) => {
                        let waits_with = progress.waits_with();
                        if waits_with != 0 && waits_with == waited_with {
                            // Dropped, it is reset; the connection goes on.
                            tracing::debug!("a client takes nothing of an answer");
                            return;
                        }
                        waited_with = waits_with;
                    }
                }
            }
        });
    }
}
