//! Idempotency keys are made with a secret of the ledger that no reader sees.

use std::sync::Arc;

use access::Role;
use commands::{Commands, Keys, KeysError, StartRequest};
use domain::RunId;
use domain::key::{IdempotencySecret, idempotency_key, unkeyed};
use eventlog::fact::Fact;
use eventlog::memory::MemoryLog;
use eventlog::streams::{Reserved, reservation_stream, run_stream};
use eventlog::{EventLog, ExpectedRevision, NewEvent, StreamAppend};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row};
use tests::{Setup, TestApp, keys};
use uuid::Uuid;

fn sample() -> Value {
    json!({"user": "svc", "password": "Summer2026!"})
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_reader_learns_nothing_of_what_was_redacted(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let elsewhere = producer.at(&app.another_api().await);
    let start = json!({"kind": "t.x", "context": sample()});
    let started = producer.post_run(&start).await.expect(201);
    let (run, position) = (started.text_at("/run_id"), started.number_at("/position"));
    // Every process of the ledger has the same secret.
    assert_eq!(elsewhere.post_run(&start).await.expect(200).text_at("/run_id"), run);

    let reader = app.client(Role::Auditor);
    let shown = reader.get(&format!("/runs/{run}?after={position}")).await.expect(200);
    let key = shown.text_at("/idempotency_key");
    let secret: Vec<u8> =
        sqlx::query_scalar("SELECT secret FROM ledger.idempotency").fetch_one(&app.pool).await.unwrap();
    let secret = IdempotencySecret::from(<[u8; 32]>::try_from(secret).unwrap());
    assert_eq!(key, idempotency_key(&secret, "demo", "t.x", &sample(), &[]).unwrap().to_string());
    let bare = unkeyed("demo", "t.x", &sample(), &[]).unwrap().to_string();
    for path in [
        format!("/runs/{run}"),
        format!("/runs/{run}?revision=0"),
        format!("/runs/{run}/events"),
        "/runs".into(),
    ] {
        let text = reader.get(&path).await.expect(200).text;
        assert!(!text.contains(&bare) && !text.contains("Summer2026"), "{text}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_readers_role_can_not_see_the_secret(pool: PgPool) {
    for query in
        ["SELECT secret FROM ledger.idempotency", "UPDATE ledger.idempotency SET unkeyed_before = true"]
    {
        let mut connection = pool.acquire().await.unwrap();
        sqlx::query("SET ROLE runledger_api").execute(&mut *connection).await.unwrap();
        let refused = sqlx::query(AssertSqlSafe(query)).execute(&mut *connection).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501", "{refused}");
        sqlx::query("RESET ROLE").execute(&mut *connection).await.unwrap();
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_secret_from_elsewhere_is_taken_by_a_fresh_database_alone(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let (one, other) = (IdempotencySecret::from([1; 32]), IdempotencySecret::from([2; 32]));
    Keys::adopt(&app.pool, &one, false).await.unwrap();
    // As a second process does, and as the same one does again.
    Keys::adopt(&app.pool, &one, false).await.unwrap();
    let started = app.producer().post_run(&json!({"kind": "t.x", "context": {}})).await.expect(201);
    let path = format!("/runs?after={}", started.number_at("/position"));
    app.client(Role::Readonly).get(&path).await.expect(200);
    Keys::adopt(&app.pool, &one, true).await.unwrap();
    let refused = Keys::adopt(&app.pool, &other, true).await.unwrap_err();
    assert!(matches!(refused, KeysError::Another), "{refused}");
    app.stop().await;
}

fn request() -> StartRequest {
    StartRequest::new("demo".parse().unwrap(), "producer".parse().unwrap(), "t.x".parse().unwrap(), sample())
}

/// A run as it was started before keys were made with a secret, as far as the start came.
async fn old_start(log: &Arc<dyn EventLog>, with_queued: bool) -> RunId {
    let run = RunId::new(Uuid::now_v7()).unwrap();
    let key = unkeyed("demo", "t.x", &sample(), &[]).unwrap();
    let reserved = Fact::Reserved(Uuid::new_v4(), &Reserved { run_id: run }, None).record().unwrap();
    let queued = NewEvent {
        id: Uuid::new_v4(),
        event_type: "Queued".into(),
        data: json!({"kind": "t.x", "context": {"user": "svc"}, "idempotency_key": key, "labels": {}})
            .to_string()
            .into_bytes(),
        metadata: json!({
            "schema_version": 1, "tenant": "demo", "run_id": run, "actor": "producer",
            "occurred_at": "2026-01-01T00:00:00Z", "recorded_at": "2026-01-01T00:00:00Z",
        })
        .to_string()
        .into_bytes(),
    };
    let to =
        |stream, event| StreamAppend { stream, expected: ExpectedRevision::NoStream, events: vec![event] };
    log.append(to(reservation_stream(&key), reserved)).await.unwrap();
    if with_queued {
        log.append(to(run_stream(&"demo".parse().unwrap(), run), queued)).await.unwrap();
    }
    run
}

#[tokio::test]
async fn what_is_active_from_before_the_secret_is_not_started_twice() {
    for with_queued in [true, false] {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let old = old_start(&log, with_queued).await;
        let commands = Commands::new(log.clone(), keys().after_unkeyed());
        let found = commands.start(request()).await.unwrap();
        assert_eq!((found.run, found.reused), (old, with_queued));
        let elsewhere = Commands::new(log.clone(), keys().after_unkeyed());
        assert_eq!(elsewhere.start(request()).await.unwrap().run, old);

        // When it has ended the same work is new, under its key of today.
        let aborted = json!({"reason_code": "cancelled", "message": "m"});
        let body = domain::wire::decode_body("Aborted", aborted.to_string().as_bytes()).unwrap();
        let (id, occurred_at) = (Uuid::new_v4(), None);
        let event = domain::ProposedEvent { id, occurred_at, correlation_id: None, causation_id: None, body };
        let append = commands::AppendRequest {
            tenant: "demo".parse().unwrap(),
            run: old,
            actor: "producer".parse().unwrap(),
            origin: None,
            expected_revision: None,
            events: vec![event],
        };
        commands.append(append).await.unwrap();
        let next = commands.start(request()).await.unwrap();
        assert!(!next.reused && next.run != old);
        assert_eq!(elsewhere.start(request()).await.unwrap().run, next.run);
    }
    // A ledger that always had its secret need not look.
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let old = old_start(&log, true).await;
    assert_ne!(Commands::new(log, keys()).start(request()).await.unwrap().run, old);
}

/// Both kinds of ledger as they were before the migration: one that was used, and one that was not.
#[sqlx::test(migrations = false)]
async fn a_ledger_from_before_knows_that_it_is_and_forgets_its_bare_hashes(server: PgPool) {
    const FIRST: i64 = 17;
    // One that surely begins empty.
    let name: String = sqlx::query_scalar("SELECT replace(current_database(), '_sqlx_test', 'earlier')")
        .fetch_one(&server)
        .await
        .unwrap();
    let drop = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
    for sql in [&drop, &format!("CREATE DATABASE \"{name}\" TEMPLATE template0")] {
        sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&server).await.unwrap();
    }
    let pool = PgPool::connect_with((*server.connect_options()).clone().database(&name)).await.unwrap();
    let run = async |from: i64, until: i64| {
        for migration in migrations::MIGRATOR.iter().filter(|m| (from..until).contains(&m.version)) {
            sqlx::raw_sql(AssertSqlSafe(migration.sql.as_str().to_owned())).execute(&pool).await.unwrap();
        }
    };
    let bare = unkeyed("demo", "t.x", &sample(), &[]).unwrap().to_string();
    run(0, FIRST).await;
    sqlx::query(
        "INSERT INTO projection.runs (tenant, run_id, kind, status, items_succeeded, items_failed, items_skipped,
             labels, context, idempotency_key, queued_at, last_event_at, revision, position)
         VALUES ('demo', gen_random_uuid(), 't.x', 'queued', 0, 0, 0, '{}', '{}', $1, now(), now(), 0, 1)",
    )
    .bind(&bare)
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO log.events (position, stream, revision, event_id, event_type, data, metadata)
         VALUES (1, 'run-x', 0, gen_random_uuid(), 'Queued', '', '')",
    )
    .execute(&pool)
    .await
    .unwrap();
    run(FIRST, i64::MAX).await;
    let row = sqlx::query("SELECT unkeyed_before, octet_length(secret) AS bytes FROM ledger.idempotency");
    let row = row.fetch_one(&pool).await.unwrap();
    assert_eq!((row.get::<bool, _>("unkeyed_before"), row.get::<i32, _>("bytes")), (true, 32));
    let key: Option<String> =
        sqlx::query_scalar("SELECT idempotency_key FROM projection.runs").fetch_one(&pool).await.unwrap();
    assert_eq!(key, None);
    pool.close().await;
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&server).await.unwrap();
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_fresh_ledger_has_a_secret_of_its_own(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let row = sqlx::query("SELECT unkeyed_before, secret FROM ledger.idempotency");
    let row = row.fetch_one(&app.pool).await.unwrap();
    assert!(!row.get::<bool, _>("unkeyed_before"));
    let secret: Vec<u8> = row.get("secret");
    let different: std::collections::BTreeSet<u8> = secret.iter().copied().collect();
    assert!(different.len() > 16, "{} different bytes", different.len());
    app.stop().await;
}
