//! Reading what a call answers, as far as one wants it.

use std::time::Duration;

use eventstore::{Error, ReadStream, ResolvedEvent};
use tokio::time::{Instant, timeout_at};

/// Whether to read on after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Yes, and with this one the call has got somewhere.
    On,
    /// Yes; this one was known.
    Known,
    /// That was the last one that is wanted.
    Stop,
}

/// Why reading is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The reader had enough.
    Stopped,
    /// The server has ended it.
    Ended,
    /// The time was up, or it broke off after it had got somewhere. What came is right.
    Cut,
}

/// Opens a read and gives its events to `take` until that has enough, the server ends it, or the time is up.
///
/// A reader that has enough must not wait for the end: a server that reads all events with a filter ends its answer
/// only when it has found one event more than it was asked for, or nothing up to the end of the log. Others it
/// ends at once, and they are read to their end: calls that are reset all the time are taken for an attack. What came
/// before a failure is kept, so that each call that gets anywhere is progress; if something is wrong, the next
/// call tells.
pub(super) async fn drain<O>(
    open: O,
    within: Duration,
    mut take: impl FnMut(ResolvedEvent) -> Then,
) -> Result<Over, Error>
where
    O: Future<Output = Result<ReadStream, Error>>,
{
    let late = Instant::now() + within;
    let Ok(opened) = timeout_at(late, open).await else { return Ok(Over::Cut) };
    let mut read = opened?;
    let mut progress = false;
    // A server that always has a next event ready would never let the time be up.
    while Instant::now() < late {
        match timeout_at(late, read.next()).await {
            Err(_late) => break,
            Ok(Err(error)) if !progress => return Err(error),
            Ok(Err(_)) => break,
            Ok(Ok(None)) => return Ok(Over::Ended),
            Ok(Ok(Some(event))) => match take(event) {
                Then::Stop => return Ok(Over::Stopped),
                Then::On => progress = true,
                Then::Known => {}
            },
        }
    }
    Ok(Over::Cut)
}
