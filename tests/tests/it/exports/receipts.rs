//! Receipts: what an append answers that waits until it is sealed, and what is told later.

use std::time::Duration;

use access::Role;
use api::ApiConfig;
use seal::receipt::Receipt;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Setup, TestApp};
use verify::Receipted;

use super::support::{Sealing, filled, sealed};

const NO_RUN: &str = "018f0000-0000-7000-8000-000000000000";

/// What a verifier says that trusts the ledger's key.
fn verified(sealing: &Sealing, receipt: &Value) -> Receipted {
    let text = serde_json::to_vec(receipt).unwrap();
    let read: Receipt = serde_json::from_slice(&text).unwrap();
    let proof: seal::tlog_proof::TlogProof = read.proof.parse().unwrap();
    let policy = sealing.policy(proof.checkpoint.text.lines().next().unwrap());
    verify::receipt(&text, &policy).unwrap()
}

/// An app that seals, and has begun to.
async fn sealing(app: &TestApp) -> Sealing {
    let sealing = Sealing::start(app).await;
    let (_, position) = filled(app, 1).await;
    sealed(&app.client(Role::Readonly), position).await;
    sealing
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_append_that_waits_is_answered_with_its_receipts(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let sealing = sealing(&app).await;
    let producer = app.producer();
    let start = json!({"kind": "backup", "context": {"n": 1}});
    let started = producer.post("/runs?wait=sealed", &start).await.expect(201);
    let run = started.text_at("/run_id");
    let queued = verified(&sealing, &started.body["seal"]["receipts"][0]);
    assert_eq!((queued.run_id.to_string(), queued.revision), (run.clone(), 0));
    assert_eq!((queued.event_type.as_str(), queued.tenant_is_sealed), ("Queued", true));
    // The run that does this work already: its receipt is the same.
    let again = producer.post("/runs?wait=sealed", &start).await.expect(200);
    assert_eq!(again.body["seal"], started.body["seal"]);

    let event = |item: &str| json!({"id": uuid::Uuid::now_v7(), "type": "ItemSucceeded", "item": item});
    producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
    let events = json!({"events": [event("a"), event("b \u{e9}\""), event("c")]});
    let path = format!("/runs/{run}/events?wait=sealed&timeout=20");
    let appended = producer.post(&path, &events).await.expect(200);
    let seal = &appended.body["seal"];
    assert_eq!((&seal["sealed"], seal["receipts"].as_array().unwrap().len()), (&json!(true), 3));
    for (at, receipt) in seal["receipts"].as_array().unwrap().iter().enumerate() {
        let report = verified(&sealing, receipt);
        assert_eq!(report.revision, 2 + at as u64);
        assert_eq!(json!(report.event_id), appended.body["events"][at]["id"]);
        assert!(report.whole && report.data.unwrap().contains("item"));
        // Later, and to whom else may have it.
        let link = seal["receipt_links"][at].as_str().unwrap().to_owned();
        for role in [Role::Producer, Role::Auditor, Role::Owner] {
            let later = app.client(role).get(&link.replace("/v1/tenants/demo", "")).await.expect(200);
            assert_eq!(later.body, *receipt);
            assert!(later.header("content-disposition").contains("runledger-receipt-"));
        }
    }
    // All of it again changes nothing, and the receipts are the same.
    let repeated = producer.post(&path, &events).await.expect(200);
    assert_eq!(repeated.text_at("/events/0/result"), "duplicate");
    assert_eq!(repeated.body["seal"], appended.body["seal"]);
    // Who does not wait hears nothing of it.
    let plain = producer.append(&run, json!([event("d")])).await.expect(200);
    assert!(plain.body.get("seal").is_none());
    sealing.stop().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_not_sealed_in_time_is_recorded_and_says_so(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    sealing(&app).await.stop().await;
    let producer = app.producer();
    let run = producer.new_run("backup", json!({})).await;
    let events = json!({"events": [{"type": "Started"}]});
    let appended =
        producer.post(&format!("/runs/{run}/events?wait=sealed&timeout=1"), &events).await.expect(200);
    assert_eq!(
        (&appended.body["seal"]["sealed"], &appended.body["status"]),
        (&json!(false), &json!("running"))
    );
    assert_eq!(appended.body["seal"]["receipts"], json!([]));
    let detail = appended.text_at("/seal/detail");
    assert!(detail.starts_with("The events are recorded, and were not sealed in this time"), "{detail}");
    let link = appended.text_at("/seal/receipt_links/0").replace("/v1/tenants/demo", "");
    producer.get(&link).await.problem(503, "not_sealed");
    let none = link.replace("/events/1/", "/events/2/");
    producer.get(&none).await.problem(404, "not_found");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn where_nothing_is_sealed_nothing_is_appended(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("backup", json!({})).await;
    let head = async || app.head().await;
    let before = head().await;
    let events = json!({"events": [{"type": "Started"}]});
    let path = format!("/runs/{run}/events?wait=sealed");
    let problem = producer.post(&path, &events).await.problem(409, "sealing_off");
    assert!(problem.text_at("/detail").contains("Nothing was appended"), "{}", problem.text);
    producer
        .post("/runs?wait=sealed", &json!({"kind": "a", "context": {}}))
        .await
        .problem(409, "sealing_off");
    for (query, wrong) in [
        ("wait=read", "wait"),
        ("wait=sealed&wait=sealed", "wait"),
        ("wait=sealed&timeout=0", "timeout"),
        // Longer than a request may take, with what it needs afterwards.
        ("wait=sealed&timeout=116", "timeout"),
        ("wait=sealed&timeout=x", "timeout"),
        ("timeout=5", "timeout"),
    ] {
        for path in [format!("/runs/{run}/events?{query}"), format!("/runs?{query}")] {
            let problem = producer.post(&path, &events).await.problem(422, "validation_failed");
            assert_eq!(problem.body["errors"][0]["pointer"], format!("?{wrong}"), "{query}");
        }
    }
    assert_eq!(head().await, before);
    producer.get(&format!("/runs/{run}/events/0/receipt")).await.problem(503, "not_sealed");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn receipts_are_for_those_who_append_or_audit(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let sealing = sealing(&app).await;
    let started =
        app.producer().post("/runs?wait=sealed", &json!({"kind": "a", "context": {}})).await.expect(201);
    let run = started.text_at("/run_id");
    let path = format!("/runs/{run}/events/0/receipt");
    for role in Role::ALL {
        let answer = app.client(role).get(&path).await;
        if role.may_append() || role.may_oversee() {
            answer.expect(200);
        } else {
            answer.problem(403, "forbidden");
        }
        app.client_of("other", role).in_tenant("demo").get(&path).await.problem(404, "not_found");
    }
    // Of another tenant there is no such run.
    app.client_of("other", Role::Producer).get(&path).await.problem(404, "not_found");
    for unknown in ["1", "-1", "+0", "x", "9223372036854775808", "18446744073709551616"] {
        let path = format!("/runs/{run}/events/{unknown}/receipt");
        app.producer().get(&path).await.problem(404, "not_found");
    }
    app.producer().get(&format!("/runs/{NO_RUN}/events/0/receipt")).await.problem(404, "not_found");
    app.producer().get(&format!("{path}?more=1")).await.problem(422, "validation_failed");
    sealing.stop().await;
    app.stop().await;
}

/// One request at a time is let in: who waits has left its place, and a server that stops ends the wait.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_waits_takes_no_room_and_does_not_keep_the_server(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let api = ApiConfig { max_requests: 1, ..ApiConfig::default() };
    let app = TestApp::with(pool, database, Setup { api, ..Setup::default() }).await;
    sealing(&app).await.stop().await;
    let producer = app.producer();
    let run = producer.new_run("backup", json!({})).await;
    let path = format!("/runs/{run}/events?wait=sealed");
    let waiting = tokio::spawn({
        let (producer, path) = (app.producer(), path.clone());
        async move {
            loop {
                // The one place may be taken by who looks whether it is there.
                let answer = producer.post(&path, &json!({"events": [{"type": "Started"}]})).await;
                if answer.status != 503 {
                    return answer;
                }
            }
        }
    });
    let asking = async {
        loop {
            let answer: Answer = producer.get(&format!("/runs/{run}")).await;
            if answer.status == 200 && answer.text_at("/status") == "running" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), asking).await.expect("there is room while one waits");
    assert!(!waiting.is_finished());
    let stopped = std::time::Instant::now();
    app.stop().await;
    let answer = waiting.await.unwrap().expect(200);
    assert!(answer.text_at("/seal/detail").contains("this server stops"), "{}", answer.text);
    assert!(stopped.elapsed() < Duration::from_secs(15), "{:?}", stopped.elapsed());
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_that_was_changed_has_no_receipt(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let sealing = sealing(&app).await;
    let (run, position) = filled(&app, 1_203).await;
    sealed(&app.client(Role::Readonly), position).await;
    let receipt =
        async |revision: u64| app.producer().get(&format!("/runs/{run}/events/{revision}/receipt")).await;
    let before = receipt(1_150).await.expect(200);
    assert_eq!(verified(&sealing, &before.body).revision, 1_150);
    for revision in [0, 1_149, 1_151, 1_202] {
        assert_eq!(verified(&sealing, &receipt(revision).await.expect(200).body).revision, revision);
    }
    let behind = format!(
        "ALTER TABLE log.events DISABLE TRIGGER ALL;
         UPDATE log.events SET data = '{{}}' WHERE stream = 'run-demo-{run}' AND revision = 1150;
         ALTER TABLE log.events ENABLE TRIGGER ALL;"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(behind)).execute(&app.pool).await.unwrap();
    let problem = receipt(1_150).await.problem(500, "not_as_sealed");
    assert!(problem.text_at("/detail").contains("evision 1150"), "{}", problem.text);
    // What came before it is as it was.
    receipt(1_149).await.expect(200);
    receipt(1_202).await.problem(500, "not_as_sealed");
    // The sealer's sampler may find it, too.
    sealing.stop().await;
    app.stop().await;
}
