//! A log that has lost what the tables were folded from, or can't be read any more.

use std::sync::Arc;

use async_trait::async_trait;
use eventlog::contract::Layer;
use eventlog::memory::MemoryLog;
use eventlog::{EventLog, ExpectedRevision, LogError, NewEvent, Position, RecordedEvent, StreamAppend};
use projector::{Lost, Maintenance, ProjectorError, check_log};
use sqlx::PgPool;

use super::{given, own, run_sql};
use crate::support::*;

/// A log as it was restored to an earlier moment: these events of another one, and no more.
async fn restored(records: &[RecordedEvent]) -> MemoryLog {
    let log = MemoryLog::new();
    for record in records {
        let event = NewEvent {
            id: record.id,
            event_type: record.event_type.clone(),
            data: record.data.clone(),
            metadata: record.metadata.clone(),
        };
        let expected = match record.revision {
            0 => ExpectedRevision::NoStream,
            next => ExpectedRevision::Exact(next - 1),
        };
        log.append(StreamAppend { stream: record.stream.clone(), expected, events: vec![event] })
            .await
            .unwrap();
    }
    log
}

fn lost(checked: Result<(), ProjectorError>) -> Option<Lost> {
    match checked {
        Ok(()) => None,
        Err(ProjectorError::LogBehind { lost, .. }) => Some(lost),
        Err(other) => panic!("{other}"),
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_the_log_has_lost_is_found(pool: PgPool) {
    let story = given().await;
    // Nothing is folded yet: there is nothing to lose.
    assert_eq!(lost(check_log(&MemoryLog::new(), &pool).await), None);
    story.project(&pool, &[]).await;
    let records = story.records().await;
    assert_eq!(lost(check_log(&story.log, &pool).await), None);

    // The last one is a notification's read mark, and those before it are quarantined: the tables show neither.
    let end = records.len();
    let shorter = restored(&records[..end - 1]).await;
    assert_eq!(lost(check_log(&shorter, &pool).await), Some(Lost::End(Position(end as u64 - 1))));
    let newest = records.iter().rfind(|record| record.stream.ends_with(&run_id(3).to_string())).unwrap();
    let of_three = |record: &&RecordedEvent| record.stream == newest.stream && record.revision == 0;
    let shown = records.iter().find(of_three).unwrap().clone();
    let without = restored(&records[..usize::try_from(shown.position.0).unwrap() - 1]).await;
    let gone = Some(Lost::Event { position: shown.position, stream: shown.stream.clone() });
    assert_eq!(lost(check_log(&without, &pool).await), gone);

    // It has grown since, further than it was: what came is not what was there.
    let mut later = Story { log: without, ticks: 1_000, ..Story::default() };
    for n in 10..14 {
        later.given(n, [queued(), started(), completed()]).await;
    }
    assert!(head(&later).await >= head(&story).await);
    assert_eq!(lost(check_log(&later.log, &pool).await), gone);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_is_folded_from_a_log_that_is_behind_until_it_is_mended(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    story.project(&pool, &[]).await;
    let records = story.records().await;
    let tables = Tables::dump(&pool).await;

    let mut short =
        Story { log: restored(&records[..records.len() - 3]).await, ticks: 1_000, ..Story::default() };
    let running = Running::start(short.shared(), &pool, 3);
    // New events come at positions that the tables have passed already, and beyond.
    for n in 10..13 {
        short.given(n, [queued(), started()]).await;
    }
    let work = Maintenance::new(short.shared(), own(&pool));
    for told in [
        work.verify(&|_| {}, &|_| {}).await.unwrap_err(),
        work.rebuild("postgres", false, &|_| {}).await.unwrap_err(),
        work.rebuild("postgres", true, &|_| {}).await.unwrap_err(),
    ] {
        assert!(told.is_about_log() && told.to_string().contains("is behind the read tables"), "{told}");
    }
    assert_eq!(Tables::dump(&pool).await, tables, "nothing was folded");

    let mut progress = Progress::listen(&pool).await;
    let rebuilt = work.rebuild_restored("postgres", &|_| {}).await.unwrap();
    assert_eq!(rebuilt.to, head(&short).await);
    assert_eq!(work.verify(&|_| {}, &|_| {}).await.unwrap().wrong, 0);
    // The projector goes on by itself.
    short.given(13, [queued()]).await;
    progress.until(head(&short).await).await;
    running.stop().await;
}

/// The log loses its end while the projector follows it and nothing comes.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_idle_projector_notices_that_the_log_is_behind(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    let records = story.records().await;
    let log = Switched::to(story.log.clone());
    let mut progress = Progress::listen(&pool).await;
    let running = Running::start(Arc::new(log.clone()), &pool, 100);
    progress.until(head(&story).await).await;
    let asked = log.asked_for_streams();
    // It goes further than it was before anybody looks.
    let mut short =
        Story { log: restored(&records[..records.len() - 3]).await, ticks: 1_000, ..Story::default() };
    short.given(10, [queued(), started(), succeeded("a"), succeeded("b"), completed()]).await;
    log.switch(short.log.clone());
    until("the last event to be looked for", async || (log.asked_for_streams() > asked).then_some(())).await;
    let work = Maintenance::new(short.shared(), own(&pool));
    work.rebuild_restored("postgres", &|_| {}).await.unwrap();
    short.given(11, [queued()]).await;
    progress.until(head(&short).await).await;
    assert_eq!(work.verify(&|_| {}, &|_| {}).await.unwrap().wrong, 0, "all of them were folded");
    running.stop().await;
}

/// The bytes of some events are not what was appended, as after a fault of a disk.
struct Damaged {
    log: MemoryLog,
    /// The event's position.
    at: Position,
}

impl Damaged {
    fn give(&self, mut events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
        for event in events.iter_mut().filter(|event| event.position == self.at) {
            event.data = b"{\"kin".to_vec();
        }
        events
    }
}

#[async_trait]
impl Layer for Damaged {
    fn behind(&self) -> &dyn EventLog {
        &self.log
    }

    async fn read_stream(&self, of: &str, from: u64, most: usize) -> Result<Vec<RecordedEvent>, LogError> {
        Ok(self.give(self.log.read_stream(of, from, most).await?))
    }

    async fn read_all(&self, after: Position, most: usize) -> Result<Vec<RecordedEvent>, LogError> {
        Ok(self.give(self.log.read_all(after, most).await?))
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_that_can_t_be_read_any_more_is_the_log_s(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    story.project(&pool, &[]).await;
    let records = story.records().await;
    let damaged = records.iter().find(|record| record.revision == 2).unwrap().clone();
    let log = Arc::new(Damaged { log: story.log.clone(), at: damaged.position });
    let work = Maintenance::new(log, own(&pool));
    let run = damaged.stream.rsplit_once("-01").map(|(_, id)| format!("01{id}").parse().unwrap()).unwrap();
    for findings in [work.verify(&|_| {}, &|_| {}).await.unwrap(), work.verify_run(run, None).await.unwrap()]
    {
        assert!(findings.wrong > 0, "{findings:?}");
        let [event] = findings.unreadable.as_slice() else { panic!("{findings:?}") };
        assert_eq!((&event.stream, event.revision), (&damaged.stream, damaged.revision));
    }
    // What the tables refuse is not the log's.
    let work = Maintenance::new(story.shared(), own(&pool));
    run_sql(&pool, "ALTER TABLE projection.run_items ADD CONSTRAINT refused CHECK (item <> 'b') NOT VALID")
        .await;
    let findings = work.verify(&|_| {}, &|_| {}).await.unwrap();
    assert!(findings.wrong > 0 && findings.unreadable.is_empty(), "{findings:?}");
}

/// Events are missing in the middle.
struct Gap(MemoryLog);

#[async_trait]
impl Layer for Gap {
    fn behind(&self) -> &dyn EventLog {
        &self.0
    }

    async fn read_all(&self, after: Position, _: usize) -> Result<Vec<RecordedEvent>, LogError> {
        Err(LogError::Corrupt(format!(
            "after position {} comes {}: events are missing",
            after.0,
            after.0 + 2
        )))
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_gap_is_the_log_s(pool: PgPool) {
    let story = given().await;
    story.project(&pool, &[]).await;
    let work = Maintenance::new(Arc::new(Gap(story.log.clone())), own(&pool));
    let error = work.verify(&|_| {}, &|_| {}).await.unwrap_err();
    assert!(error.is_about_log() && error.to_string().contains("events are missing"), "{error}");
}
