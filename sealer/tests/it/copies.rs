//! A copy of the log: other positions, other streams in between, and the same trees.

use std::sync::Arc;

use crate::support::*;
use eventlog::memory::MemoryLog;
use eventlog::{EventLog, ExpectedRevision, NewEvent, Position, StreamAppend};
use sealer::{Audit, SealError};
use sqlx::PgPool;

/// Copies all events, the streams one after another.
async fn copied(ledger: &Ledger) -> Arc<dyn EventLog> {
    let copy = MemoryLog::new();
    let mut records = ledger.log.read_all(Position(0), 10_000).await.unwrap();
    records.sort_by(|one, other| other.stream.cmp(&one.stream).then(one.revision.cmp(&other.revision)));
    for record in records {
        let expected = match record.revision {
            0 => ExpectedRevision::NoStream,
            more => ExpectedRevision::Exact(more - 1),
        };
        let event = NewEvent {
            id: record.id,
            event_type: record.event_type,
            data: record.data,
            metadata: record.metadata,
        };
        copy.append(StreamAppend { stream: record.stream, expected, events: vec![event] }).await.unwrap();
    }
    Arc::new(copy)
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_root_is_kept_and_sealing_goes_on(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.story().await;
    let copy = Ledger { log: copied(&ledger).await, ..ledger };
    let audit = Audit::new(copy.log.clone(), pool.clone(), None);
    let adopted = audit.adopt(&|_| {}).await.unwrap();
    assert_eq!((adopted.events, adopted.checkpoints, adopted.findings), (22, 6, vec![]));
    copy.append(&run_stream("acme", 0), 7, 2).await;
    copy.append(&run_stream("demo", 9), 0, 2).await;
    copy.seal().await;
    let runs = copy
        .number("SELECT count(*) FROM seal.runs JOIN seal.logs USING (log_id) WHERE tenant IS NOT NULL")
        .await;
    assert_eq!(runs, 6);
    assert_eq!((audit.adopt(&|_| {}).await.unwrap().findings, copy.sampled().await), (vec![], vec![]));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_copy_with_events_that_were_not_sealed_is_not_gone_on_from(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.story().await;
    ledger.append(&run_stream("demo", 3), 3, 1).await;
    let before = ledger.number("SELECT position FROM seal.progress").await;
    let audit = Audit::new(copied(&ledger).await, pool.clone(), None);
    let refused = audit.adopt(&|_| {}).await;
    assert!(matches!(refused, Err(SealError::NotAllSealed)), "{refused:?}");
    assert_eq!(ledger.number("SELECT position FROM seal.progress").await, before);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_audit_of_nobody_fails(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.story().await;
    let audit = Audit::new(ledger.log.clone(), pool.clone(), None);
    assert!(audit.run(Some("acme"), &|_| {}).await.unwrap().findings.is_empty());
    let refused = audit.run(Some("acne"), &|_| {}).await;
    assert!(matches!(refused, Err(SealError::NothingSealed(tenant)) if tenant == "acne"));
}
