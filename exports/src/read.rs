//! The events of an export, read from the event log stream by stream.

use std::sync::Arc;

use eventlog::streams::admin_stream;
use eventlog::{EventLog, LogError, RecordedEvent};
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::error::ExportError;
use crate::prepare::Export;
use crate::select::stream_of;

/// How many events are read at once. But for a run's first one, an event has a few hundred bytes.
const PAGE: u64 = 1_000;

/// How many streams are begun ahead of the one that is written.
const AHEAD: usize = 4;

/// Whose events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Administration,
    /// The run at this place in [`Export::runs`].
    Run(usize),
}

/// What is read of an export.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The next events of a stream.
    Events(Of, Vec<RecordedEvent>),
    /// A stream has no more, or no more of it was sealed.
    EndOf(Of),
    /// Everything was read.
    End,
}

/// A stream with how many of its events are wanted.
struct Wanted {
    of: Of,
    stream: String,
    count: u64,
}

/// Reads all that the export wants, and sends it on.
pub(crate) async fn read(export: &Export, pieces: mpsc::Sender<Piece>) -> Result<(), ExportError> {
    let log = &export.log;
    let administration = export.sealed.heads.administration.filter(|_| export.manifest.administration);
    let administration = administration.map(|head| {
        Ok::<_, ExportError>(Wanted {
            of: Of::Administration,
            stream: admin_stream(&export.tenant),
            count: head.count,
        })
    });
    let runs = (0..export.runs.len()).map(|at| {
        let run = &export.runs[at];
        let count = if run.selected { run.count } else { 1 };
        Ok(Wanted { of: Of::Run(at), stream: stream_of(&export.tenant, run)?, count })
    });
    let begun = futures::stream::iter(administration.into_iter().chain(runs)).map(|wanted| async move {
        let wanted: Wanted = wanted?;
        let page = page(log, &wanted.stream, 0, wanted.count).await?;
        Ok::<_, ExportError>((wanted, page))
    });
    let mut begun = std::pin::pin!(begun.buffered(AHEAD));
    while let Some(begun) = begun.next().await {
        let (Wanted { of, stream, count }, mut events) = begun?;
        let mut from = 0;
        loop {
            from += PAGE;
            // A log that ends before what was sealed is no reason to stop: it is told.
            let ends = events.is_empty();
            pieces.send(Piece::Events(of, events)).await.map_err(|_| ExportError::Gone)?;
            if from >= count || ends {
                break;
            }
            events = page(log, &stream, from, count).await?;
        }
        pieces.send(Piece::EndOf(of)).await.map_err(|_| ExportError::Gone)?;
    }
    pieces.send(Piece::End).await.map_err(|_| ExportError::Gone)
}

/// The events with the revisions from `from` on, at most [`PAGE`], and below `count`.
pub(crate) async fn page(
    log: &Arc<dyn EventLog>,
    stream: &str,
    from: u64,
    count: u64,
) -> Result<Vec<RecordedEvent>, LogError> {
    let limit = PAGE.min(count.saturating_sub(from));
    match log.read_stream(stream, from, usize::try_from(limit).unwrap_or(usize::MAX)).await {
        // Events are missing. What is there is told all the same.
        Err(LogError::Corrupt(_)) => one_by_one(log, stream, from, from + limit).await,
        read => read,
    }
}

async fn one_by_one(
    log: &Arc<dyn EventLog>,
    stream: &str,
    from: u64,
    to: u64,
) -> Result<Vec<RecordedEvent>, LogError> {
    let mut events = Vec::new();
    for revision in from..to {
        match log.read_stream(stream, revision, 1).await {
            Err(LogError::Corrupt(_)) => {}
            Ok(mut read) => events.append(&mut read),
            Err(error) => return Err(error),
        }
    }
    Ok(events)
}
