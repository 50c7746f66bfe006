//! Who may ask for an export, for what, and what is answered where there is none.

use access::Role;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, TestApp};

use super::support::{Sealing, download, sealed};

const NO_RUN: &str = "018f0000-0000-7000-8000-000000000000";

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn auditors_and_owners_export_and_nobody_else(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let sealing = Sealing::start(&app).await;
    let run = app.producer().new_run("a", json!({})).await;
    let foreign = app.client_of("other", Role::Producer).new_run("a", json!({})).await;
    let head = app.head().await;
    sealed(&app.client(Role::Readonly), head).await;
    sealed(&app.client_of("other", Role::Readonly), head).await;
    let paths = [format!("/runs/{run}/export"), "/export".to_owned()];
    for path in &paths {
        for role in Role::ALL {
            let client = app.client(role);
            if matches!(role, Role::Auditor | Role::Owner) {
                assert!(download(&client, path).await.verified(&sealing, None).is_ok(), "{path} by {role}");
            } else {
                let problem = client.get(path).await.problem(403, "forbidden");
                assert_eq!(
                    (problem.text_at("/role"), problem.text_at("/needed_role")),
                    (role.to_string(), "auditor".into())
                );
                // Whoever may not ask learns of nothing.
                client.get(&format!("/runs/{NO_RUN}/export")).await.problem(403, "forbidden");
            }
            let stranger = app.client_of("other", role).in_tenant("demo");
            stranger.get(path).await.problem(404, "not_found");
        }
        app.producer().with_token(None).get(path).await.problem(401, "unauthorized");
    }
    for role in Role::ALL {
        let note = app.client(role).get("/checkpoint").await.expect(200);
        assert!(note.text.starts_with("ledger.test/t/"), "{}", note.text);
        assert!(note.header("content-type").starts_with("text/plain"));
        app.client_of("other", role).in_tenant("demo").get("/checkpoint").await.problem(404, "not_found");
    }
    let auditor = app.client(Role::Auditor);
    for unknown in [NO_RUN, &foreign, "7", "x%00y"] {
        let problem = auditor.get(&format!("/runs/{unknown}/export")).await.problem(404, "not_found");
        assert!(problem.text_at("/detail").contains("There is no run"), "{}", problem.text);
    }
    // What only the head is asked of leaves nothing.
    let head = Answer::of(auditor.request(Method::HEAD, "/export")).await.expect(200);
    assert_eq!((head.header("content-type"), head.text.as_str()), ("application/zip", ""));
    sealing.stop().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn parameters_that_are_wrong_are_named(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let auditor = app.client(Role::Auditor);
    let run_path = format!("/runs/{NO_RUN}/export");
    let many = vec!["old_size=1"; 17].join("&");
    for (path, query, wrong) in [
        ("/export", "since=yesterday", "since"),
        ("/export", "since=2026-02-01T00:00:00Z&until=2026-02-01T00:00:00Z", "until"),
        ("/export", "kind=A%20B", "kind"),
        ("/export", "administration=yes", "administration"),
        ("/export", "old_size=0", "old_size"),
        ("/export", "old_size=-1", "old_size"),
        ("/export", "old_size=", "old_size"),
        ("/export", &many, "old_size"),
        ("/export", "status=failed", "status"),
        (&run_path, "since=2026-02-01T00:00:00Z", "since"),
        ("/checkpoint", "size=1", "size"),
    ] {
        let problem = auditor.get(&format!("{path}?{query}")).await.problem(422, "validation_failed");
        assert_eq!(problem.body["errors"][0]["pointer"], format!("?{wrong}"), "{query}: {}", problem.text);
    }
    auditor.get("/export?after=1000000").await.problem(412, "position_ahead");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_not_sealed_yet_is_told(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (producer, auditor) = (app.producer(), app.client(Role::Auditor));
    let first = producer.new_run("a", json!({"n": 1})).await;
    for path in ["/export".to_owned(), format!("/runs/{first}/export"), "/checkpoint".to_owned()] {
        let problem = auditor.get(&path).await.problem(503, "not_sealed");
        assert!(problem.text_at("/detail").contains("--seal-key"), "{}", problem.text);
        assert_eq!(problem.header("retry-after"), "10");
    }
    let sealing = Sealing::start(&app).await;
    let head = app.head().await;
    sealed(&auditor, head).await;
    sealing.stop().await;

    let new = producer.new_run("a", json!({"n": 2})).await;
    let position = app.head().await;
    let problem = auditor.get(&format!("/runs/{new}/export")).await.problem(503, "not_sealed");
    assert!(problem.text_at("/detail").contains("about 10 s"), "{}", problem.text);
    let problem = auditor.get(&format!("/export?after={position}")).await.problem(503, "not_sealed");
    assert!(problem.number_at("/sealed_position") < position);
    // What is sealed is there all the same.
    assert_eq!(download(&auditor, &format!("/runs/{first}/export")).await.numbers(), (vec![0], vec![0]));

    // A checkpoint that is committed and not signed yet has changed the tree of heads.
    sqlx::query("UPDATE seal.checkpoints SET note = NULL").execute(&app.pool).await.unwrap();
    let problem = auditor.get("/export").await.problem(503, "not_sealed");
    assert!(problem.text_at("/detail").contains("being signed"), "{}", problem.text);
    app.stop().await;
}
