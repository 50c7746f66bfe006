//! `runledger log copy`: the events of one log into another.

mod append;

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;

use domain::{Run, evolve};
use eventlog::streams::{StreamKind, run_event, stream_kind};
use eventlog::{EventLog, LogError, Position, RecordedEvent};
use futures::{StreamExt, stream};
use projector::Progress;
use serde::Serialize;
use sqlx::PgPool;

use crate::cli::{CopyArgs, OutputArgs};
use crate::database;
use crate::error::Error;
use crate::event_log::LogLocation;
use crate::meter::Meter;
use crate::print_line;

/// Events that are read at once.
const PAGE: usize = 2_000;

/// Streams that are appended to, or compared, at once.
const AT_ONCE: usize = 32;

type Log = Arc<dyn EventLog>;

/// Copies, then compares. Started again it goes on where it was.
///
/// # Errors
/// When one of the logs refuses, or the target has other events than the source.
pub async fn copy(args: CopyArgs) -> Result<ExitCode, Error> {
    let (from, to) = (args.from, args.to);
    if from.name() == to.name() {
        return Err(Error::Usage(format!(
            "--from and --to are both called {}, by which the tables remember a log: give one of two clusters a \
             streamPrefix",
            from.name()
        )));
    }
    let pool = database::connect_existing(&args.database).await?;
    let options = (*pool.connect_options()).clone();
    let (source, target) = (from.open(&options).await?, to.open(&options).await?);
    let done = copy_and_compare(args.output, &pool, (&from, &source), (&to, &target)).await;
    source.shutdown().await;
    target.shutdown().await;
    pool.close().await;
    done
}

async fn copy_and_compare(
    output: OutputArgs,
    pool: &PgPool,
    (from, source): (&LogLocation, &Log),
    (to, target): (&LogLocation, &Log),
) -> Result<ExitCode, Error> {
    let (from, to) = (from.name(), to.name());
    let meter = Meter::new("copying");
    let mut at = copied(pool, &from, &to).await?;
    let goal = source.head().await?;
    if goal == Position(0) {
        return Err(Error::Usage(format!(
            "the event log {from} holds no events: there is nothing to copy. Is --from the one that was meant, and \
             its streamPrefix?"
        )));
    }
    let mut events = 0;
    while at < goal {
        let page = source.read_all(at, PAGE).await?;
        let Some(last) = page.last().map(|event| event.position) else { break };
        events += page.len() as u64;
        append::page(target, page).await?;
        at = last;
        remember(pool, &from, &to, at).await?;
        meter.show(Progress { reached: at, goal, events });
    }
    meter.done();
    compare(output, source, target).await
}

/// What a comparison has found.
#[derive(Default, Serialize)]
struct Compared {
    streams: u64,
    runs: u64,
    events: u64,
    wrong: Vec<String>,
}

/// Compares every stream of the source with the target's, event by event, and every run by its fold.
async fn compare(output: OutputArgs, source: &Log, target: &Log) -> Result<ExitCode, Error> {
    let meter = Meter::new("comparing");
    let goal = source.head().await?;
    let mut seen: HashSet<String> = HashSet::new();
    let mut compared = Compared::default();
    let (mut at, mut read) = (Position(0), 0);
    while at < goal {
        let page = source.read_all(at, PAGE).await?;
        let Some(last) = page.last().map(|event| event.position) else { break };
        read += page.len() as u64;
        let new: Vec<String> =
            page.into_iter().map(|event| event.stream).filter(|stream| seen.insert(stream.clone())).collect();
        let found: Vec<_> = stream::iter(new)
            .map(|stream| compare_stream(source, target, stream))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for one in found {
            let (events, is_run, wrong): (u64, bool, Option<String>) = one?;
            compared.streams += 1;
            compared.runs += u64::from(is_run);
            compared.events += events;
            compared.wrong.extend(wrong);
        }
        at = last;
        meter.show(Progress { reached: at, goal, events: read });
    }
    meter.done();
    output.tell(&compared, |Compared { streams, runs, events, wrong }| {
        wrong.iter().for_each(|wrong| print_line!("{wrong}"));
        if wrong.is_empty() {
            print_line!(
                "{events} events of {streams} streams are the same in both logs, and {runs} runs fold to the same"
            );
        } else {
            print_line!("streams that differ: {}, of {streams}", wrong.len());
        }
    })?;
    Ok(if compared.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many events the stream has, whether it is a run's, and what is wrong with it.
async fn compare_stream(
    source: &Log,
    target: &Log,
    stream: String,
) -> Result<(u64, bool, Option<String>), LogError> {
    let theirs = source.read_stream(&stream, 0, usize::MAX).await?;
    let ours = target.read_stream(&stream, 0, theirs.len()).await?;
    let is_run = stream_kind(&stream) == StreamKind::Run;
    let wrong = if ours.len() != theirs.len() {
        Some(format!("{stream} has {} events in the source and {} in the target", theirs.len(), ours.len()))
    } else if let Some((_, event)) = ours.iter().zip(&theirs).find(|(ours, theirs)| !same(ours, theirs)) {
        Some(format!("{stream} differs at revision {}", event.revision))
    } else if is_run && fold(&ours) != fold(&theirs) {
        Some(format!("{stream} does not fold to the same run"))
    } else {
        None
    };
    Ok((theirs.len() as u64, is_run, wrong))
}

/// Whether they are one event, wherever the logs have it.
fn same(one: &RecordedEvent, other: &RecordedEvent) -> bool {
    let of = |event: &RecordedEvent| (event.revision, event.id);
    of(one) == of(other)
        && one.event_type == other.event_type
        && one.data == other.data
        && one.metadata == other.metadata
}

/// The run, as far as its events can be read.
fn fold(events: &[RecordedEvent]) -> Run {
    events
        .iter()
        .filter_map(|event| run_event(event).ok())
        .fold(Run::default(), |run, event| evolve(run, &event))
}

async fn copied(pool: &PgPool, from: &str, to: &str) -> Result<Position, Error> {
    let position =
        sqlx::query_scalar!("SELECT position FROM log.copies WHERE source = $1 AND target = $2", from, to);
    let position = position.fetch_optional(pool).await?.unwrap_or(0);
    Ok(Position(position.unsigned_abs()))
}

async fn remember(pool: &PgPool, from: &str, to: &str, at: Position) -> Result<(), Error> {
    let position = i64::try_from(at.0).map_err(|error| Error::Usage(error.to_string()))?;
    sqlx::query!(
        "INSERT INTO log.copies (source, target, position) VALUES ($1, $2, $3)
         ON CONFLICT (source, target) DO UPDATE SET position = excluded.position",
        from,
        to,
        position
    )
    .execute(pool)
    .await?;
    Ok(())
}
