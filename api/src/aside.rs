//! Work that takes a processor for a while, done where nobody waits behind it.

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tracing::Span;

use crate::problem::Problem;

/// A request with fewer bytes is worked on where it is: that takes a few milliseconds at most, and less than going
/// elsewhere while much goes on.
const LARGE: usize = 64 * 1024;

/// As many at a time as there are processors. What waits for its turn holds no thread.
static TURNS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))));

/// Does the work on a request of that many bytes: a large one's on a thread of its own, so that `/healthz` and small
/// requests are answered meanwhile.
///
/// # Errors
/// 500 when the work panics.
pub async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if bytes < LARGE {
        return Ok(work());
    }
    let turn = TURNS.clone().acquire_owned().await.map_err(|closed| Problem::internal(&closed))?;
    let span = Span::current();
    let working = tokio::task::spawn_blocking(move || {
        let (_turn, _entered) = (turn, span.enter());
        work()
    });
    working.await.map_err(|panicked| Problem::internal(&panicked))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// On the one thread of this runtime a work that waits for another task would wait for ever.
    #[tokio::test]
    async fn large_work_keeps_nobody_waiting() {
        let (tell, told) = sync_channel(1);
        let working = tokio::spawn(aside(LARGE, move || told.recv().unwrap()));
        tokio::task::yield_now().await;
        tell.send(7).unwrap();
        assert_eq!(working.await.unwrap().unwrap(), 7);
        let here = std::thread::current().id();
        let small = aside(LARGE - 1, move || std::thread::current().id() == here).await;
        assert!(small.unwrap());
    }
}
