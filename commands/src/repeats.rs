//! Events that a run has already: does the producer that sends them again say the same?
//!
//! The fold keeps their ids only, so what they say is read from the log, and only when a repeat comes.

use std::collections::HashMap;

use domain::{Command, Event, Run};
use eventlog::streams;

use super::cache::RunCache;
use super::error::CommandError;

/// Events that are read at once, at most.
const PAGE: u64 = 1_000;

/// Repeats that are no further apart than this many revisions are read together.
const NEAR: u64 = 16;

/// The repeats of a command that were looked at: a command may be decided several times.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// The events that they repeat, by revision.
    known: HashMap<u64, Event>,
}

impl Repeats {
    /// Refuses a command that uses the id of an event of the run for something else.
    ///
    /// # Errors
    /// [`CommandError::EventIdTaken`]; [`CommandError::Unreadable`] where the run's own event can't be read; the log's.
    pub(super) async fn must_say_the_same(
        &mut self,
        runs: &RunCache,
        stream: &str,
        run: &Run,
        command: &Command,
    ) -> Result<(), CommandError> {
        let of_run = |id| run.event_ids.get(id).copied();
        let mut wanted: Vec<u64> = command.events.iter().filter_map(|event| of_run(&event.id)).collect();
        wanted.retain(|revision| !self.known.contains_key(revision));
        if wanted.is_empty() {
            return Ok(());
        }
        wanted.sort_unstable();
        for (first, last) in spans(&wanted) {
            self.read(runs, stream, first, last).await?;
        }
        for (index, proposed) in command.events.iter().enumerate() {
            let Some(revision) = of_run(&proposed.id) else { continue };
            let event = (self.known.get(&revision))
                .ok_or_else(|| runs.broken(stream, revision, "it was there and is gone".to_owned()))?;
            if !proposed.repeats(event) {
                return Err(CommandError::EventIdTaken { index, id: proposed.id, revision });
            }
        }
        Ok(())
    }

    async fn read(
        &mut self,
        runs: &RunCache,
        stream: &str,
        first: u64,
        last: u64,
    ) -> Result<(), CommandError> {
        let count = usize::try_from(last - first + 1).unwrap_or(usize::MAX);
        for record in runs.log().read_stream(stream, first, count).await? {
            let event = streams::run_event(&record)
                .map_err(|error| runs.broken(stream, record.revision, error.to_string()))?;
            self.known.insert(record.revision, event);
        }
        Ok(())
    }
}

/// The first and last of each part that is read at once. `wanted` is in order.
fn spans(wanted: &[u64]) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for &revision in wanted {
        match spans.last_mut() {
            Some((first, last)) if revision - *last <= NEAR && revision - *first < PAGE => *last = revision,
            _ => spans.push((revision, revision)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_read_together() {
        assert_eq!(spans(&[]), []);
        assert_eq!(spans(&[7]), [(7, 7)]);
        assert_eq!(spans(&[3, 3, 4, 20, 37, 38]), [(3, 20), (37, 38)]);
        let many: Vec<u64> = (0..2_500).collect();
        assert_eq!(spans(&many), [(0, 999), (1_000, 1_999), (2_000, 2_499)]);
    }
}
