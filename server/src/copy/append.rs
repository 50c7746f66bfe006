//! Appending what was read from the other log.

use std::collections::HashMap;

use eventlog::streams::{StreamKind, stream_kind};
use eventlog::{AppendError, ExpectedRevision, NewEvent, RecordedEvent, StreamAppend};
use futures::{TryStreamExt, stream};

use super::{AT_ONCE, Log};
use crate::error::Error;

/// Events of one append.
const MOST_EVENTS: usize = 500;

/// Appends the events of a page: runs first, since other streams speak of them. Each stream's in their order.
pub(super) async fn page(target: &Log, page: Vec<RecordedEvent>) -> Result<(), Error> {
    let (runs, others): (Vec<_>, Vec<_>) =
        page.into_iter().partition(|event| stream_kind(&event.stream) == StreamKind::Run);
    for part in [runs, others] {
        let mut streams: Vec<Vec<RecordedEvent>> = Vec::new();
        let mut places = HashMap::new();
        for event in part {
            let at = *places.entry(event.stream.clone()).or_insert(streams.len());
            match streams.get_mut(at) {
                Some(events) => events.push(event),
                None => streams.push(vec![event]),
            }
        }
        stream::iter(streams.into_iter().map(Ok::<_, Error>))
            .try_for_each_concurrent(AT_ONCE, |events| stream_events(target, events))
            .await?;
    }
    Ok(())
}

async fn stream_events(target: &Log, events: Vec<RecordedEvent>) -> Result<(), Error> {
    let most = target.guarantees().max_append_bytes;
    let mut rest = events.as_slice();
    let mut most_events = MOST_EVENTS;
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let fitting = rest.iter().take(most_events).take_while(|event| {
            bytes += event.data.len() + event.metadata.len();
            bytes <= most
        });
        let count = fitting.count().max(1);
        let (part, after) = rest.split_at(count.min(rest.len()));
        let expected =
            first.revision.checked_sub(1).map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
        let append = StreamAppend {
            stream: first.stream.clone(),
            expected,
            events: part.iter().cloned().map(as_new).collect(),
        };
        match target.append(append).await {
            Ok(_) => (rest, most_events) = (after, MOST_EVENTS),
            // What an append of several may have is the target's own account, or its operator's.
            Err(AppendError::TooLarge { .. }) if part.len() > 1 => most_events = part.len() / 2,
            // A part of them is there, from when a copy was broken off: it goes on behind them. Whether they
            // are the same is compared in the end.
            Err(AppendError::Conflict { .. }) => {
                let there = target.last_event(&first.stream).await?.map(|event| event.revision);
                let known = part.iter().take_while(|event| Some(event.revision) <= there).count();
                if known == 0 {
                    return Err(Error::Usage(format!(
                        "the target's stream {} is not the source's: it ends at {there:?}, before revision {}",
                        first.stream, first.revision
                    )));
                }
                rest = rest.split_at(known).1;
            }
            Err(AppendError::Overloaded) => tokio::task::yield_now().await,
            Err(AppendError::Log(error)) => return Err(error.into()),
            Err(error) => return Err(Error::Usage(format!("stream {}: {error}", first.stream))),
        }
    }
    Ok(())
}

fn as_new(event: RecordedEvent) -> NewEvent {
    NewEvent { id: event.id, event_type: event.event_type, data: event.data, metadata: event.metadata }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use eventlog::contract::Layer;
    use eventlog::memory::MemoryLog;
    use eventlog::{Appended, EventLog, Position};
    use uuid::Uuid;

    use super::*;

    /// A log that takes less than it says.
    struct Small {
        log: MemoryLog,
        most: usize,
    }

    #[async_trait]
    impl Layer for Small {
        fn behind(&self) -> &dyn EventLog {
            &self.log
        }

        async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
            let bytes = append.events.iter().map(|event| event.data.len()).sum();
            if bytes > self.most {
                return Err(AppendError::TooLarge { bytes, most: self.most });
            }
            self.log.append(append).await
        }
    }

    fn events(sizes: &[usize]) -> Vec<RecordedEvent> {
        let event = |(revision, size): (u64, &usize)| RecordedEvent {
            position: Position(revision + 1),
            stream: "run-a".to_owned(),
            revision,
            id: Uuid::new_v4(),
            event_type: "Tried".to_owned(),
            data: vec![b'x'; *size],
            metadata: b"{}".to_vec(),
        };
        (0..).zip(sizes).map(event).collect()
    }

    #[tokio::test]
    async fn a_part_that_is_too_large_is_halved_until_it_fits() {
        let log: Log = Arc::new(Small { log: MemoryLog::new(), most: 100 });
        let given = events(&[10, 90, 90, 1, 1, 1, 100, 40, 40, 40]);
        page(&log, given.clone()).await.unwrap();
        assert_eq!(log.read_stream("run-a", 0, 100).await.unwrap(), given);
    }

    #[tokio::test]
    async fn an_event_that_is_too_large_by_itself_is_told_with_its_stream() {
        let log: Log = Arc::new(Small { log: MemoryLog::new(), most: 100 });
        let error = page(&log, events(&[10, 101, 10])).await.unwrap_err().to_string();
        assert!(error.contains("run-a") && error.contains("101 bytes"), "{error}");
        assert_eq!(log.read_stream("run-a", 0, 100).await.unwrap().len(), 1);
    }
}
