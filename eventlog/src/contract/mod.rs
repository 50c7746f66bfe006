//! The contract suite: what every event log must do. One function a case; [`crate::for_each_contract_case`]
//! makes a test of each, so that a case that fails has a name.
//!
//! The cases hold for a log that others use too: streams have names of their own, and positions are
//! compared, not counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite of tests panics to fail")]

mod basics;
mod following;
mod layer;
mod model;
mod racing;
mod repeats;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use basics::*;
pub use following::*;
pub use layer::Layer;
pub use model::*;
pub use racing::*;
pub use repeats::*;

use crate::error::AppendError;
use crate::port::{Appended, EventLog, ExpectedRevision, NewEvent, Position, RecordedEvent, StreamAppend};

/// The log that a case is about.
pub type Log = Arc<dyn EventLog>;

/// Calls a macro with the name of each case.
///
/// ```
/// macro_rules! case {
///     ($name:ident) => {
///         #[tokio::test]
///         async fn $name() {
///             eventlog::contract::$name(std::sync::Arc::new(eventlog::memory::MemoryLog::new())).await;
///         }
///     };
/// }
/// eventlog::for_each_contract_case!(case);
/// ```
#[macro_export]
macro_rules! for_each_contract_case {
    ($case:ident) => {
        $case!(nothing_reads_as_empty);
        $case!(events_are_read_as_they_were_appended);
        $case!(an_expectation_that_does_not_hold_is_a_conflict);
        $case!(malformed_appends_are_refused_and_harm_nobody);
        $case!(names_come_back_exactly);
        $case!(bytes_come_back_exactly);
        $case!(large_batches_are_read_in_pages);
        $case!(large_events_are_read_to_the_end);
        $case!(a_repeat_is_answered_with_the_first_place);
        $case!(an_id_matters_in_its_own_stream_alone);
        $case!(a_repeat_of_a_part_is_refused);
        $case!(writers_on_streams_of_their_own_all_succeed);
        $case!(writers_on_one_stream_lose_no_update);
        $case!(one_writer_begins_a_stream);
        $case!(the_same_append_many_times_at_once_is_one);
        $case!(an_append_that_is_given_up_can_be_repeated);
        $case!(what_was_answered_first_stands_first);
        $case!(a_follower_sees_each_event_once_while_writers_are_busy);
        $case!(a_follower_waits_for_the_next_event);
        $case!(a_follower_that_already_waits_is_woken);
        $case!(a_follower_that_is_cut_off_loses_nothing);
        $case!(any_sequence_of_appends_is_as_the_model_says);
    };
}

/// Longer than any case waits; only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits for something that must happen.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens in time")
}

/// A stream that nobody else knows.
fn stream() -> String {
    format!("contract-{}", Uuid::new_v4())
}

fn event(data: impl Into<Vec<u8>>) -> NewEvent {
    NewEvent { id: Uuid::new_v4(), event_type: "Tried".into(), data: data.into(), metadata: b"{}".to_vec() }
}

fn events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| event(format!("{n}"))).collect()
}

fn to(stream: &str, expected: ExpectedRevision, events: Vec<NewEvent>) -> StreamAppend {
    StreamAppend { stream: stream.to_owned(), expected, events }
}

/// Expects the stream's last revision to be this one.
fn after(revision: Option<u64>) -> ExpectedRevision {
    revision.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact)
}

/// Begins a stream with so many events; gives back its name and the answer.
async fn begun(log: &Log, count: usize) -> (String, Appended) {
    let name = stream();
    let appended = log.append(to(&name, ExpectedRevision::NoStream, events(count))).await.unwrap();
    (name, appended)
}

async fn whole(log: &Log, stream: &str) -> Vec<RecordedEvent> {
    log.read_stream(stream, 0, usize::MAX).await.unwrap()
}

/// Where an append has its last event.
fn place(appended: &Appended) -> (u64, Position) {
    (appended.revision, appended.position)
}

/// What a conflict says is there.
fn actual(result: Result<Appended, AppendError>) -> Option<u64> {
    match result {
        Err(AppendError::Conflict { actual, .. }) => actual,
        other => panic!("expected a conflict, got {other:?}"),
    }
}
