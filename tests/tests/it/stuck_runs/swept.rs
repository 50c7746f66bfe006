//! The sweeper on the whole app: policies, rows, notifications, HTTP.

use std::sync::Arc;
use std::time::Duration;

use access::Role;
use chrono::{TimeDelta, Utc};
use commands::policies::{PolicyChange, PolicyError, PolicyKind, list_policies, remove_policy, set_policy};
use commands::{Commands, CommandsConfig, Sweeper, SweeperConfig};
use eventlog::EventLog;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Client, TestApp};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A sweeper as another process would have it, an hour later.
fn sweeper(app: &TestApp, config: SweeperConfig) -> Sweeper {
    let clock = Arc::new(|| Utc::now() + TimeDelta::hours(1));
    let commands = Commands::with_config(
        app.log.clone(),
        tests::keys(),
        CommandsConfig { clock, ..CommandsConfig::default() },
    );
    Sweeper::new(commands, app.pool.clone(), config)
}

async fn policy(app: &TestApp, tenant: &str, kind: &str, change: PolicyChange) {
    let kind: PolicyKind = kind.parse().unwrap();
    set_policy(&app.pool, &tenant.parse().unwrap(), &kind, change).await.unwrap();
}

const FAIL: PolicyChange = PolicyChange { queued_limit_seconds: Some(60), fail_stale: Some(true) };

/// A run whose worker promised a sign of life every 30 s, as long as the projection shows it.
async fn running(client: &Client, kind: &str) -> String {
    let body = json!({"kind": kind, "context": {"nonce": Utc::now()}, "initiator": {"id": "operator"}});
    let run = client.post_run(&body).await.expect(201).text_at("/run_id");
    let started =
        client.append(&run, json!([{"type": "Started", "heartbeat_seconds": 30}])).await.expect(200);
    seen(client, &run, started.number_at("/position")).await;
    run
}

async fn seen(client: &Client, run: &str, position: u64) -> Value {
    client.get(&format!("/runs/{run}?after={position}")).await.expect(200).body
}

/// The run once the projection has all of the log.
async fn now(app: &TestApp, client: &Client, run: &str) -> Value {
    seen(client, run, app.log.head().await.unwrap().0).await
}

async fn told(app: &TestApp, position: u64) -> Value {
    let operator = app.client(Role::Operator);
    let page = operator.get(&format!("/notifications?after={position}")).await.expect(200);
    let of_end = page.body["notifications"].as_array().unwrap().iter().find(|n| n["transition"] == "ended");
    of_end.unwrap().clone()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_late_end_supersedes_the_presumed_one_everywhere(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = running(&producer, "drift.check").await;
    policy(&app, "demo", "drift.check", FAIL).await;
    assert_eq!(sweeper(&app, SweeperConfig::default()).sweep().await.unwrap(), 1);
    assert_eq!(sweeper(&app, SweeperConfig::default()).sweep().await.unwrap(), 0);

    let row = now(&app, &producer, &run).await;
    assert_eq!((&row["status"], &row["ended_as"]), (&json!("failed"), &json!("failed")));
    assert_eq!((&row["presumed"], &row["superseded"]), (&json!(true), &json!(false)));
    assert_eq!((&row["reason_code"], &row["liveness"]), (&json!("stale"), &Value::Null));
    let timeline = app.client(Role::Auditor).get(&format!("/runs/{run}/events?order=desc")).await.expect(200);
    let (by, about) = (&timeline.body["events"][0]["actor"], &timeline.body["events"][0]["metadata"]);
    assert_eq!(
        (by, &about["origin"], &about["token_id"]),
        (&json!("system"), &json!("sweeper"), &Value::Null)
    );
    let first = told(&app, 0).await;
    assert_eq!((&first["status"], &first["presumed"]), (&json!("failed"), &json!(true)));
    let read = format!("/notifications/{}/read", first["notification_id"].as_str().unwrap());
    let operator = app.client(Role::Operator);
    let position = operator.post(&read, &json!({})).await.expect(200).number_at("/position");
    assert!(told(&app, position).await["read_at"].is_string());
    assert_eq!(operator.post(&read, &json!({})).await.expect(200).number_at("/position"), position);

    let late = json!([
        {"type": "ItemSucceeded", "item": "a"},
        {"type": "ItemFailed", "item": "b", "reason_code": "timeout", "message": "m"},
    ]);
    let late = producer.append(&run, late).await.expect(200);
    assert_eq!(late.body["status"], "failed");
    let row = seen(&producer, &run, late.number_at("/position")).await;
    assert_eq!((&row["presumed"], &row["items"]["succeeded"]), (&json!(true), &json!(1)));
    let end = producer.append(&run, json!([{"type": "Completed", "message": "late"}])).await.expect(200);
    assert_eq!(end.body["status"], "partially_succeeded");
    let row = seen(&producer, &run, end.number_at("/position")).await;
    assert_eq!((&row["status"], &row["ended_as"]), (&json!("partially_succeeded"), &json!("completed")));
    assert_eq!((&row["presumed"], &row["superseded"]), (&json!(false), &json!(true)));
    assert_eq!((&row["reason_code"], &row["message"]), (&Value::Null, &json!("late")));
    let items = producer.get(&format!("/runs/{run}/items")).await.expect(200);
    assert_eq!(items.body["items"].as_array().unwrap().len(), 2);

    // The same notification tells the new end, unread, and can be read again.
    let again = told(&app, 0).await;
    assert_eq!(again["notification_id"], first["notification_id"]);
    assert_eq!((&again["status"], &again["message"]), (&json!("partially_succeeded"), &json!("late")));
    assert_eq!((&again["presumed"], &again["superseded"]), (&json!(false), &json!(true)));
    assert_eq!((&again["read_at"], &again["reason_code"]), (&Value::Null, &Value::Null));
    assert_eq!(again["position"], row["position"]);
    let position = operator.post(&read, &json!({})).await.expect(200).number_at("/position");
    assert!(position > end.number_at("/position"));
    assert!(told(&app, position).await["read_at"].is_string());

    // Counters follow, and nothing comes after the real end.
    let stats = producer.get("/stats").await.expect(200).text;
    assert!(stats.contains("partially_succeeded"), "{stats}");
    let runs: i64 = sqlx::query_scalar("SELECT runs FROM projection.run_counts WHERE status = 'failed'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(runs, 0);
    producer.append(&run, json!([{"type": "Progressed"}])).await.problem(409, "illegal_transition");
    app.stop().await;
}

/// Whoever guesses how the ledger might name its own events, of the same run or from another tenant, is in nobody's
/// way.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn no_id_that_somebody_takes_stops_the_ledgers_own_events(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let (producer, other) = (app.producer(), app.client_of("other", Role::Producer));
    let run = running(&producer, "drift.check").await;
    let elsewhere = running(&other, "drift.check").await;
    let namespace: Uuid = run.parse().unwrap();
    let notification = Uuid::new_v5(&namespace, b"ended:operator");
    let mut ids: Vec<Uuid> =
        (0..12).map(|n| Uuid::new_v5(&namespace, format!("stale:{n}").as_bytes())).collect();
    ids.push(Uuid::new_v5(&notification, b"read"));
    ids.extend((0..4).map(|n| Uuid::new_v5(&notification, format!("read:{n}").as_bytes())));
    let taken: Value = ids.iter().map(|id| json!({"type": "Progressed", "id": id})).collect();
    for (client, run) in [(&other, &elsewhere), (&producer, &run)] {
        let answer = client.append(run, taken.clone()).await.expect(200);
        let results: Vec<&Value> =
            answer.body["events"].as_array().unwrap().iter().map(|event| &event["result"]).collect();
        assert_eq!(results, vec!["created"; ids.len()]);
    }
    now(&app, &producer, &run).await;

    policy(&app, "demo", "drift.check", FAIL).await;
    assert_eq!(sweeper(&app, SweeperConfig::default()).sweep().await.unwrap(), 1);
    let row = now(&app, &producer, &run).await;
    assert_eq!((&row["status"], &row["presumed"]), (&json!("failed"), &json!(true)));
    let told_of = told(&app, 0).await;
    assert_eq!(told_of["notification_id"], notification.to_string());
    let operator = app.client(Role::Operator);
    let read = format!("/notifications/{notification}/read");
    let position = operator.post(&read, &json!({})).await.expect(200).number_at("/position");
    assert!(told(&app, position).await["read_at"].is_string());
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_is_failed_that_no_policy_speaks_of(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (demo, other) = (app.producer(), app.client_of("other", Role::Producer));
    let run = running(&demo, "drift.check").await;
    running(&other, "drift.check").await;
    let head = app.log.head().await.unwrap();
    let sweep = async || sweeper(&app, SweeperConfig::default()).sweep().await.unwrap();
    assert_eq!(sweep().await, 0, "there is no policy");
    policy(&app, "demo", "backup", FAIL).await;
    assert_eq!(sweep().await, 0, "it is for another kind");
    let shown = PolicyChange { fail_stale: Some(false), ..FAIL };
    policy(&app, "demo", "drift.check", shown).await;
    policy(&app, "demo", "*", FAIL).await;
    assert_eq!(sweep().await, 0, "its own kind's policy only shows");
    assert_eq!(app.log.head().await.unwrap(), head);

    remove_policy(&app.pool, &"demo".parse().unwrap(), &"drift.check".parse().unwrap()).await.unwrap();
    let patient = SweeperConfig { grace: TimeDelta::hours(2), ..SweeperConfig::default() };
    assert_eq!(sweeper(&app, patient).sweep().await.unwrap(), 0, "not for long enough");
    assert_eq!(sweep().await, 1, "the tenant's default speaks of it, and of no other tenant's");
    assert_eq!(now(&app, &demo, &run).await["presumed"], true);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn sweepers_side_by_side_fail_each_run_once(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(running(&producer, "drift.check").await);
    }
    for n in 0..5 {
        runs.push(producer.new_run("backup", json!({"n": n})).await);
    }
    policy(&app, "demo", "*", FAIL).await;
    let last = now(&app, &producer, &runs[24]).await;
    assert_eq!(last["liveness"]["state"], "waiting");
    let sweepers: Vec<_> = (0..3).map(|_| sweeper(&app, SweeperConfig::default())).collect();
    let swept = futures::future::join_all(sweepers.iter().map(Sweeper::sweep)).await;
    let swept: u64 = swept.into_iter().map(Result::unwrap).sum();
    assert_eq!(swept, 25);
    let failed: i64 = sqlx::query_scalar("SELECT count(*) FROM log.events WHERE event_type = 'Failed'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(failed, 25);
    for run in runs {
        assert_eq!(now(&app, &producer, &run).await["presumed"], true);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_row_that_is_behind_fails_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = running(&producer, "drift.check").await;
    policy(&app, "demo", "*", FAIL).await;
    let position =
        producer.append(&run, json!([{"type": "Completed"}])).await.expect(200).number_at("/position");
    seen(&producer, &run, position).await;
    // As the row was before the end was projected.
    sqlx::query("UPDATE projection.runs SET status = 'running', heartbeat_due_at = queued_at")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(sweeper(&app, SweeperConfig::default()).sweep().await.unwrap(), 0);
    assert_eq!(app.log.head().await.unwrap().0, position);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_running_sweeper_finds_it_by_itself_and_stops_when_told(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let run = running(&app.producer(), "drift.check").await;
    policy(&app, "demo", "*", FAIL).await;
    let stop = CancellationToken::new();
    let config = SweeperConfig { pause: Duration::from_millis(5), grace: TimeDelta::zero() };
    let sweeping = tokio::spawn(sweeper(&app, config).run(stop.clone()));
    let mut subscription = app.log.subscribe(eventlog::Position(0)).await.unwrap();
    let failed = async {
        loop {
            let batch = subscription.next_batch(10).await.unwrap();
            if batch.iter().any(|record| record.event_type == "Failed" && record.stream.contains(&run)) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), failed).await.expect("the sweeper finds the run");
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(60), sweeping).await.expect("it stops").unwrap();
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn only_the_ledger_presumes(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = running(&producer, "drift.check").await;
    for presumed in [true, false] {
        let failed =
            json!([{"type": "Failed", "reason_code": "stale", "message": "m", "presumed": presumed}]);
        let answer = producer.append(&run, failed).await.problem(422, "validation_failed");
        assert_eq!(answer.body["errors"][0]["pointer"], "/events/0/presumed", "{}", answer.text);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn policies_are_set_listed_and_removed(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (pool, demo) = (&app.pool, "demo".parse().unwrap());
    let kind: PolicyKind = "a.b".parse().unwrap();
    let limit = PolicyChange { queued_limit_seconds: Some(60), fail_stale: None };
    let made = set_policy(pool, &demo, &kind, limit).await.unwrap();
    assert_eq!((made.queued_limit_seconds, made.fail_stale), (Some(60), false), "off by default");
    let fail = PolicyChange { queued_limit_seconds: None, fail_stale: Some(true) };
    let changed = set_policy(pool, &demo, &kind, fail).await.unwrap();
    assert_eq!((changed.queued_limit_seconds, changed.fail_stale), (Some(60), true), "the rest stays");
    set_policy(pool, &"other".parse().unwrap(), &"*".parse().unwrap(), fail).await.unwrap();
    let all = list_policies(pool, None).await.unwrap();
    let names: Vec<_> = all.iter().map(|policy| (policy.tenant.as_str(), policy.kind.as_str())).collect();
    assert_eq!(names, [("demo", "a.b"), ("other", "*")]);
    assert_eq!(list_policies(pool, Some(&demo)).await.unwrap(), [changed]);
    let none = PolicyChange { queued_limit_seconds: Some(0), fail_stale: None };
    assert!(matches!(set_policy(pool, &demo, &kind, none).await, Err(PolicyError::NoLimit(0))));
    let nobody = "nobody".parse().unwrap();
    assert!(matches!(set_policy(pool, &nobody, &kind, fail).await, Err(PolicyError::NoTenant(_))));
    remove_policy(pool, &demo, &kind).await.unwrap();
    assert!(matches!(remove_policy(pool, &demo, &kind).await, Err(PolicyError::NoPolicy { .. })));
    assert!("Not a kind".parse::<PolicyKind>().is_err());
    app.stop().await;
}
