//! Somebody with the owner's rights and the guards off. Every row of the design's table that concerns the database.

use crate::support::*;
use sqlx::PgPool;

/// What the audit says of an attack on the log, and what the sampler says: each finding as text.
async fn attacked(pool: &PgPool, sql: &str) -> (Vec<String>, Vec<String>) {
    let ledger = Ledger::start(pool).await;
    ledger.story().await;
    assert_eq!((ledger.audit().await.findings, ledger.sampled().await), (vec![], vec![]), "before");
    ledger.as_owner(sql).await;
    // The attacker lets the log grow again, and waits for the next checkpoint, which must not wash it away.
    let ledger = Ledger { log: Ledger::start(pool).await.log, ..ledger };
    ledger.append(&run_stream("demo", 5), 0, 9).await;
    ledger.seal().await;
    let sampled = ledger.sampled().await.iter().map(ToString::to_string).collect();
    let audited = ledger.audit().await.findings.iter().map(ToString::to_string).collect();
    assert!(ledger.number("SELECT count(*) FROM seal.findings").await > 0);
    (audited, sampled)
}

/// Whether one of the findings names the run and revision.
fn names(findings: &[String], n: u64, revision: u64) -> bool {
    let run = format!("run {} ", run_id(n));
    findings.iter().any(|finding| finding.contains(&run) && finding.contains(&format!("revision {revision}")))
}

const RUN_0: &str = "stream = 'run-acme-01890a5d-ac96-774b-bcce-b302099a8000'";

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_changed_byte_is_found_and_named(pool: PgPool) {
    let sql = format!(
        "UPDATE log.events SET data = convert_to(replace(convert_from(data, 'UTF8'), 'message', 'massage'), 'UTF8') WHERE {RUN_0} AND revision = 4"
    );
    let (audited, sampled) = attacked(&pool, &sql).await;
    assert!(names(&audited, 0, 4), "{audited:?}");
    assert!(names(&sampled, 0, 4), "{sampled:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_changed_actor_is_found_and_named(pool: PgPool) {
    let sql = format!(
        "UPDATE log.events SET metadata = convert_to(replace(convert_from(metadata, 'UTF8'), 'ann', 'bob'), 'UTF8') WHERE {RUN_0} AND revision = 0"
    );
    let (audited, sampled) = attacked(&pool, &sql).await;
    assert!(names(&audited, 0, 0) && names(&sampled, 0, 0), "{audited:?} {sampled:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_erasure_that_nobody_ordered_is_found_and_named(pool: PgPool) {
    let sql = format!("UPDATE log.events SET data = '', metadata = '' WHERE {RUN_0} AND revision = 4");
    let (audited, sampled) = attacked(&pool, &sql).await;
    assert!(names(&audited, 0, 4) && names(&sampled, 0, 4), "{audited:?} {sampled:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_removed_end_is_found_and_named(pool: PgPool) {
    let sql = format!("DELETE FROM log.events WHERE {RUN_0} AND revision >= 5");
    let (audited, sampled) = attacked(&pool, &sql).await;
    assert!(names(&audited, 0, 5) && names(&sampled, 0, 5), "{audited:?} {sampled:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_removed_run_is_found_though_positions_are_closed_up(pool: PgPool) {
    let sql = format!("DELETE FROM log.events WHERE {RUN_0}");
    let (audited, sampled) = attacked(&pool, &sql).await;
    assert!(names(&audited, 0, 0) && names(&sampled, 0, 0), "{audited:?} {sampled:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_that_is_put_in_between_is_found(pool: PgPool) {
    let sql = format!(
        "UPDATE log.events SET revision = revision + 100 WHERE {RUN_0} AND revision >= 2;
         UPDATE log.events SET revision = revision - 99 WHERE {RUN_0} AND revision >= 100;
         ALTER TABLE log.events DROP CONSTRAINT events_position_key;
         UPDATE log.events SET position = position * 2;
         INSERT INTO log.events SELECT position + 1, stream, 2, gen_random_uuid(), event_type, data, metadata
             FROM log.events WHERE {RUN_0} AND revision = 1;
         ALTER TABLE log.events ADD CONSTRAINT events_position_key PRIMARY KEY (position)"
    );
    let (audited, sampled) = attacked(&pool, &sql).await;
    assert!(names(&audited, 0, 2) && names(&sampled, 0, 2), "{audited:?} {sampled:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn two_events_that_change_places_are_found(pool: PgPool) {
    let sql = format!(
        "UPDATE log.events SET revision = 99 WHERE {RUN_0} AND revision = 1;
         UPDATE log.events SET revision = 1 WHERE {RUN_0} AND revision = 2;
         UPDATE log.events SET revision = 2 WHERE {RUN_0} AND revision = 99"
    );
    let (audited, sampled) = attacked(&pool, &sql).await;
    assert!(names(&audited, 0, 2) || names(&audited, 0, 1), "{audited:?}");
    assert!(names(&sampled, 0, 1), "{sampled:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_that_is_put_in_is_found(pool: PgPool) {
    let sql = "ALTER TABLE log.events DROP CONSTRAINT events_position_key;
               UPDATE log.events SET position = position * 2;
               INSERT INTO log.events SELECT 5, 'run-acme-01890a5d-ac96-774b-bcce-b302099a8077', 0, gen_random_uuid(), 'Queued', '{}', '{}';
               ALTER TABLE log.events ADD CONSTRAINT events_position_key PRIMARY KEY (position)";
    let ledger = Ledger::start(&pool).await;
    ledger.story().await;
    ledger.as_owner(sql).await;
    let found = ledger.audit().await.findings;
    let named = found
        .iter()
        .any(|finding| finding.to_string().contains("b302099a8077") && finding.position == Some(3));
    assert!(named, "{found:?}");
}

/// An attack on the tables of the seal: what the audit and the sampler find.
async fn seal_attacked(pool: &PgPool, sql: &'static str) -> (usize, usize) {
    let ledger = Ledger::start(pool).await;
    ledger.story().await;
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
    (ledger.audit().await.findings.len(), ledger.sampled().await.len())
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_changed_tile_is_found(pool: PgPool) {
    let sql = "UPDATE seal.tiles SET hashes = set_byte(hashes, 70, get_byte(hashes, 70) # 1)
               WHERE tree = 0 AND level = 0 AND log_id = (SELECT log_id FROM seal.logs WHERE tenant = 'acme')";
    let (audited, sampled) = seal_attacked(&pool, sql).await;
    assert!(audited > 0 && sampled > 0, "{audited} {sampled}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_changed_head_is_found(pool: PgPool) {
    let (audited, sampled) =
        seal_attacked(&pool, "UPDATE seal.runs SET sealed_count = 2, sealed_last = first WHERE number = 0")
            .await;
    // The audit asks the event log and what was signed; this row is neither.
    assert!(sampled > 0, "{audited} {sampled}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_changed_root_is_found(pool: PgPool) {
    let sql = "UPDATE seal.checkpoints SET root = set_byte(root, 0, get_byte(root, 0) # 1)";
    let (audited, sampled) = seal_attacked(&pool, sql).await;
    assert!(audited > 0 && sampled > 0, "{audited} {sampled}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_note_by_another_key_is_found(pool: PgPool) {
    let sql = "UPDATE seal.checkpoints AS c SET note = o.note FROM seal.checkpoints AS o WHERE o.log_id <> c.log_id";
    let (audited, sampled) = seal_attacked(&pool, sql).await;
    assert!(audited > 0 && sampled > 0, "{audited} {sampled}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_tenant_that_vanished_is_missed_by_the_ledgers_own_log(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.story().await;
    ledger
        .as_owner(
            "DELETE FROM log.events WHERE stream LIKE 'run-demo-%';
             DELETE FROM seal.checkpoints WHERE log_id = (SELECT log_id FROM seal.logs WHERE tenant = 'demo');
             DELETE FROM seal.runs WHERE log_id = (SELECT log_id FROM seal.logs WHERE tenant = 'demo');
             DELETE FROM seal.tiles WHERE log_id = (SELECT log_id FROM seal.logs WHERE tenant = 'demo');
             DELETE FROM seal.logs WHERE tenant = 'demo'",
        )
        .await;
    let found = ledger.audit().await.findings;
    assert!(found.iter().any(|finding| finding.tenant.is_none()), "{found:?}");
}

/// What is mended, or was never wrong, is not told for ever.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_finding_goes_when_the_run_is_in_order_again(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.story().await;
    let change = |from: &str, to: &str| {
        format!(
            "UPDATE log.events SET data = convert_to(replace(convert_from(data, 'UTF8'), '{from}', '{to}'), 'UTF8') WHERE {RUN_0} AND revision = 1"
        )
    };
    ledger.as_owner(&change("message", "massage")).await;
    assert_eq!(ledger.sampled().await.len(), 1);
    assert_eq!(ledger.number("SELECT count(*) FROM seal.findings").await, 1);
    ledger.as_owner(&change("massage", "message")).await;
    assert_eq!(ledger.sampled().await, []);
    assert_eq!(ledger.number("SELECT count(*) FROM seal.findings").await, 0);
}
