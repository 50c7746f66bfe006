//! The fold in plain SQL: what catch-up is held against.
//!
//! Sets of rows, one transaction a batch, the same read tables. It folds what [`crate::workload`] writes
//! and nothing else: it trusts every event, knows no dead letters and no events out of order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};

use crate::Failure;

/// Temporary tables of a connection that folds.
const PREPARE: &str = "
    CREATE TEMP TABLE batch (
        position bigint, revision bigint, event_id uuid, event_type text, run_id uuid, tenant text, actor text,
        occurred_at timestamptz, recorded_at timestamptz, version smallint, body text, d jsonb
    ) ON COMMIT DELETE ROWS;
    CREATE TEMP TABLE item (
        tenant text, run_id uuid, item text, label text, outcome text, reason_code text, message text,
        occurred_at timestamptz, revision bigint, position bigint, before text
    ) ON COMMIT DELETE ROWS;
    CREATE TEMP TABLE run (
        run_id uuid, tenant text, revision bigint, position bigint, last_event_at timestamptz,
        queued jsonb, context text, queued_at timestamptz, queued_position bigint, queued_recorded timestamptz,
        started_at timestamptz, started_position bigint, started_recorded timestamptz, started_by text, worker text,
        heartbeat_seconds int, ended_at timestamptz, ended_position bigint, ended_recorded timestamptz, ended_by text,
        message text,
        succeeded bigint, failed bigint, skipped bigint, status text, kind text
    ) ON COMMIT DELETE ROWS";

/// The statements of a batch by name. `$1` and `$2` bound its positions: above the first, up to the second.
const STATEMENTS: [(&str, &str); 9] = [
    (
        "decode",
        "INSERT INTO batch
         SELECT position, revision, event_id, event_type, (m->>'run_id')::uuid, m->>'tenant', m->>'actor',
             (m->>'occurred_at')::timestamptz, (m->>'recorded_at')::timestamptz,
             (m->>'schema_version')::smallint, body, body::jsonb
         FROM (
             SELECT position, revision, event_id, event_type, convert_from(metadata, 'UTF8')::jsonb AS m,
                 convert_from(data, 'UTF8') AS body
             FROM log.events WHERE position > $1 AND position <= $2
             OFFSET 0 -- or each use of m would parse the text again
         ) AS e",
    ),
    (
        "last outcomes",
        "INSERT INTO item
         SELECT e.*, known.outcome FROM (
             SELECT DISTINCT ON (run_id, d->>'item') tenant, run_id, d->>'item' AS item, d->>'label',
                 CASE event_type WHEN 'ItemSucceeded' THEN 'succeeded' WHEN 'ItemFailed' THEN 'failed'
                     ELSE 'skipped' END,
                 d->>'reason_code', d->>'message', occurred_at, revision, position
             FROM batch WHERE event_type IN ('ItemSucceeded', 'ItemFailed', 'ItemSkipped')
                 AND position > $1 AND position <= $2
             ORDER BY run_id, d->>'item', position DESC
         ) AS e LEFT JOIN projection.run_items AS known USING (run_id, item)",
    ),
    (
        "run changes",
        "INSERT INTO run
         SELECT e.*, coalesce(i.succeeded, 0), coalesce(i.failed, 0), coalesce(i.skipped, 0)
         FROM (
             SELECT run_id, min(tenant), max(revision), max(position), max(recorded_at),
                 (array_agg(d) FILTER (WHERE event_type = 'Queued'))[1],
                 (max(body) FILTER (WHERE event_type = 'Queued'))::json->>'context',
                 max(occurred_at) FILTER (WHERE event_type = 'Queued'),
                 max(position) FILTER (WHERE event_type = 'Queued'),
                 max(recorded_at) FILTER (WHERE event_type = 'Queued'),
                 max(occurred_at) FILTER (WHERE event_type = 'Started'),
                 max(position) FILTER (WHERE event_type = 'Started'),
                 max(recorded_at) FILTER (WHERE event_type = 'Started'),
                 max(actor) FILTER (WHERE event_type = 'Started'),
                 max(d->>'worker') FILTER (WHERE event_type = 'Started'),
                 max((d->>'heartbeat_seconds')::int) FILTER (WHERE event_type = 'Started'),
                 max(occurred_at) FILTER (WHERE event_type = 'Completed'),
                 max(position) FILTER (WHERE event_type = 'Completed'),
                 max(recorded_at) FILTER (WHERE event_type = 'Completed'),
                 max(actor) FILTER (WHERE event_type = 'Completed'),
                 max(d->>'message') FILTER (WHERE event_type = 'Completed')
             FROM batch WHERE position > $1 AND position <= $2 GROUP BY run_id
         ) AS e LEFT JOIN (
             SELECT run_id,
                 count(*) FILTER (WHERE outcome = 'succeeded') - count(*) FILTER (WHERE before = 'succeeded')
                     AS succeeded,
                 count(*) FILTER (WHERE outcome = 'failed') - count(*) FILTER (WHERE before = 'failed') AS failed,
                 count(*) FILTER (WHERE outcome = 'skipped') - count(*) FILTER (WHERE before = 'skipped')
                     AS skipped
             FROM item GROUP BY run_id
         ) AS i USING (run_id)",
    ),
    (
        "items",
        "INSERT INTO projection.run_items AS known
         SELECT tenant, run_id, item, label, outcome, reason_code, message, occurred_at, revision, position
         FROM item WHERE position > $1 AND position <= $2
         ON CONFLICT (run_id, item) DO UPDATE SET label = coalesce(excluded.label, known.label),
             outcome = excluded.outcome, reason_code = excluded.reason_code, message = excluded.message,
             occurred_at = excluded.occurred_at, revision = excluded.revision, position = excluded.position",
    ),
    (
        "runs",
        "WITH inserted AS (
             INSERT INTO projection.runs AS r (tenant, run_id, kind, title, title_key, status, ended_as, items_total,
                 items_succeeded, items_failed, items_skipped, initiator_id, initiator_name, labels, context,
                 idempotency_key, worker, message, queued_at, started_at, ended_at, started_recorded_at,
                 ended_recorded_at, started_by, ended_by, last_event_at, heartbeat_seconds, heartbeat_due_at, revision, position)
             SELECT tenant, run_id, queued->>'kind', queued->>'title', lower(queued->>'title'),
                 CASE WHEN ended_at IS NULL THEN CASE WHEN started_at IS NULL THEN 'queued' ELSE 'running' END
                     WHEN failed = 0 THEN 'succeeded' WHEN succeeded = 0 THEN 'failed'
                     ELSE 'partially_succeeded' END,
                 CASE WHEN ended_at IS NOT NULL THEN 'completed' END, (queued->>'items_total')::bigint,
                 succeeded, failed, skipped, queued#>>'{initiator,id}', queued#>>'{initiator,name}',
                 queued->'labels', context::json, queued->>'idempotency_key', worker, message, queued_at,
                 started_at, ended_at, started_recorded, ended_recorded, started_by, ended_by, last_event_at,
                 heartbeat_seconds,
                 CASE WHEN started_at IS NOT NULL AND ended_at IS NULL
                     THEN last_event_at + make_interval(secs => heartbeat_seconds) END,
                 revision, position
             FROM run WHERE queued IS NOT NULL
             RETURNING r.run_id, r.kind, r.status
         ), updated AS (
             UPDATE projection.runs AS r SET
                 items_succeeded = r.items_succeeded + t.succeeded, items_failed = r.items_failed + t.failed,
                 items_skipped = r.items_skipped + t.skipped,
                 status = CASE WHEN t.ended_at IS NULL
                         THEN CASE WHEN t.started_at IS NULL THEN r.status ELSE 'running' END
                     WHEN r.items_failed + t.failed = 0 THEN 'succeeded'
                     WHEN r.items_succeeded + t.succeeded = 0 THEN 'failed' ELSE 'partially_succeeded' END,
                 ended_as = CASE WHEN t.ended_at IS NOT NULL THEN 'completed' END,
                 worker = coalesce(t.worker, r.worker), message = t.message,
                 started_at = coalesce(t.started_at, r.started_at), ended_at = t.ended_at,
                 started_recorded_at = coalesce(t.started_recorded, r.started_recorded_at),
                 ended_recorded_at = t.ended_recorded, started_by = coalesce(t.started_by, r.started_by),
                 ended_by = t.ended_by,
                 last_event_at = t.last_event_at,
                 heartbeat_seconds = coalesce(t.heartbeat_seconds, r.heartbeat_seconds),
                 heartbeat_due_at = CASE WHEN t.ended_at IS NULL THEN t.last_event_at
                     + make_interval(secs => coalesce(t.heartbeat_seconds, r.heartbeat_seconds)) END,
                 revision = t.revision, position = t.position
             FROM run AS t WHERE r.run_id = t.run_id AND t.queued IS NULL
             RETURNING r.run_id, r.kind, r.status
         )
         UPDATE run SET kind = w.kind, status = w.status
         FROM (SELECT * FROM inserted UNION ALL SELECT * FROM updated) AS w
         WHERE run.run_id = w.run_id AND run.position > $1 AND run.position <= $2",
    ),
    (
        "timeline",
        "INSERT INTO projection.run_events (tenant, run_id, revision, position, event_id, event_type,
             schema_version, occurred_at, recorded_at, actor, data, reason_code)
         SELECT tenant, run_id, revision, position, event_id, event_type, version, occurred_at, recorded_at,
             actor, body::json, d->>'reason_code'
         FROM batch WHERE position > $1 AND position <= $2",
    ),
    (
        // Postgres itself has no UUIDv5; any id that follows from the row costs the same.
        "notifications",
        "INSERT INTO projection.notifications (notification_id, tenant, recipient, run_id, transition, kind,
             title, status, ended_as, message, created_at, position)
         SELECT md5(t.run_id || transition || r.initiator_id)::uuid, r.tenant, r.initiator_id, r.run_id,
             transition, r.kind, r.title,
             CASE transition WHEN 'queued' THEN 'queued' ELSE r.status END,
             CASE transition WHEN 'ended' THEN 'completed' END,
             CASE transition WHEN 'ended' THEN t.message END, at, told
         FROM run AS t JOIN projection.runs AS r USING (run_id)
         CROSS JOIN LATERAL (VALUES ('queued', queued_recorded, queued_position),
             ('ended', ended_recorded, ended_position)) AS n (transition, at, told)
         WHERE told > $1 AND told <= $2 AND r.initiator_id IS NOT NULL AND r.initiator_id <> 'system'
         ON CONFLICT DO NOTHING",
    ),
    (
        "counts",
        "WITH change AS (
             SELECT tenant, kind, c.status, sum(c.runs)::bigint AS runs, max(moved) AS position
             FROM run CROSS JOIN LATERAL (VALUES
                 ('queued', 1, queued_position), ('queued', -1, started_position),
                 ('running', 1, started_position), ('running', -1, ended_position),
                 (run.status, 1, ended_position)) AS c (status, runs, moved)
             WHERE moved > $1 AND moved <= $2 GROUP BY tenant, kind, c.status
         ), down AS (
             UPDATE projection.run_counts AS known
             SET runs = known.runs + change.runs, position = greatest(known.position, change.position)
             FROM change WHERE change.runs < 0 AND known.tenant = change.tenant AND known.kind = change.kind
                 AND known.status = change.status
         )
         INSERT INTO projection.run_counts AS known (tenant, kind, status, runs, position)
         SELECT tenant, kind, status, runs, position FROM change WHERE runs >= 0
         ON CONFLICT (tenant, kind, status) DO UPDATE
         SET runs = known.runs + excluded.runs, position = greatest(known.position, excluded.position)",
    ),
    (
        "hours",
        "INSERT INTO projection.run_hours AS known (tenant, hour, kind, queued, succeeded, partially_succeeded,
             failed, events, items_failed, position)
         SELECT b.tenant, date_trunc('hour', b.recorded_at), t.kind,
             count(*) FILTER (WHERE event_type = 'Queued'),
             count(*) FILTER (WHERE event_type = 'Completed' AND t.status = 'succeeded'),
             count(*) FILTER (WHERE event_type = 'Completed' AND t.status = 'partially_succeeded'),
             count(*) FILTER (WHERE event_type = 'Completed' AND t.status = 'failed'),
             count(*), count(*) FILTER (WHERE event_type = 'ItemFailed'), max(b.position)
         FROM batch AS b JOIN run AS t USING (run_id) WHERE b.position > $1 AND b.position <= $2
         GROUP BY 1, 2, 3
         ON CONFLICT (tenant, hour, kind) DO UPDATE SET queued = known.queued + excluded.queued,
             succeeded = known.succeeded + excluded.succeeded,
             partially_succeeded = known.partially_succeeded + excluded.partially_succeeded,
             failed = known.failed + excluded.failed, events = known.events + excluded.events,
             items_failed = known.items_failed + excluded.items_failed,
             position = greatest(known.position, excluded.position)",
    ),
];

/// What each batch looks like decides how its tables are best joined.
const LOOK: [(&str, &str); 3] = [
    ("decode", "ANALYZE batch (position, run_id, event_type)"),
    ("last outcomes", "ANALYZE item (position, run_id)"),
    ("run changes", "ANALYZE run (position, run_id)"),
];

/// Where the time of a fold went, by statement.
pub type Spent = BTreeMap<&'static str, Duration>;

/// Folds the log up to `head` in batches of `size` events.
pub async fn fold(db: &mut PgConnection, head: i64, size: i64) -> Result<Spent, Failure> {
    let mut spent = Spent::new();
    db.execute(PREPARE).await?;
    db.execute("SET plan_cache_mode = force_custom_plan").await?;
    let mut after = 0;
    while after < head {
        let last = (after + size).min(head);
        let mut tx = db.begin().await?;
        sqlx::query("SELECT position FROM projection.checkpoints WHERE name = 'monitoring' FOR UPDATE")
            .execute(&mut *tx)
            .await?;
        for (name, statement) in STATEMENTS {
            let begin = Instant::now();
            sqlx::query(statement).bind(after).bind(last).execute(&mut *tx).await?;
            for (_, look) in LOOK.iter().filter(|(of, _)| *of == name) {
                tx.execute(*look).await?;
            }
            *spent.entry(name).or_default() += begin.elapsed();
        }
        let begin = Instant::now();
        sqlx::query(
            "UPDATE projection.checkpoints SET position = $1, updated_at = now() WHERE name = 'monitoring'",
        )
        .bind(last)
        .execute(&mut *tx)
        .await?;
        sqlx::query("SELECT pg_notify('runledger_projected', $1::text)").bind(last).execute(&mut *tx).await?;
        tx.commit().await?;
        *spent.entry("commit").or_default() += begin.elapsed();
        after = last;
    }
    Ok(spent)
}
