//! What every answer has, and the calls that need no token.

use std::time::Duration;

use access::Role;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Setup, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn health_readiness_and_description_need_no_token(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let anybody = app.producer().with_token(None);
    let alive = anybody.get("//healthz").await.expect(200);
    assert_eq!(alive.body["status"], "ok");
    let run = app.producer().new_run("ready", json!({})).await;
    let ready = anybody.get("//readyz").await.expect(200);
    assert_eq!((ready.body["database"].clone(), ready.body["log"].clone()), (json!("ok"), json!("ok")));
    assert_eq!(ready.number_at("/head"), 2);
    assert!(ready.body["lag_events"].is_u64() && ready.body["lag_seconds"].is_number(), "{}", ready.text);
    assert!(anybody.get("//metrics").await.expect(200).header("content-type").starts_with("text/plain"));

    let document = anybody.get("//openapi.json").await.expect(200).body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    for (path, methods) in [
        ("/v1/tenants/{tenant}/runs", &["get", "post"][..]),
        ("/v1/tenants/{tenant}/runs/{run}", &["get"]),
        ("/v1/tenants/{tenant}/runs/{run}/events", &["get", "post"]),
        ("/v1/tenants/{tenant}/runs/{run}/items", &["get"]),
        ("/v1/tenants/{tenant}/notifications", &["get"]),
        ("/v1/tenants/{tenant}/notifications/{id}/read", &["post"]),
        ("/v1/tenants/{tenant}/directory", &["post"]),
        ("/v1/tenants/{tenant}/stats", &["get"]),
        ("/v1/tenants/{tenant}/admin/events", &["get"]),
        ("/v1/tenants/{tenant}/tokens", &["get", "post"]),
        ("/v1/tenants/{tenant}/tokens/{token_id}", &["delete"]),
        ("/v1/tenants/{tenant}/inlets", &["get", "post"]),
        ("/v1/tenants/{tenant}/inlets/{inlet_id}", &["delete"]),
        ("/v1/tenants/{tenant}/inlets/{inlet_id}/set-aside", &["get"]),
        ("/in/{key}/{slug}", &["get", "post"]),
        ("/in/{key}/{slug}/{signal}", &["get", "post"]),
        ("/in/{key}/api/v1/lineage", &["post"]),
        ("/in/{key}/api/v1/lineage/batch", &["post"]),
        ("/in/api/v1/lineage", &["post"]),
        ("/api/v1/lineage", &["post"]),
        ("/in/{key}", &["post", "options"]),
        ("/in", &["post", "options"]),
    ] {
        for method in methods {
            let operation = &document["paths"][path][method];
            assert!(operation["summary"].is_string(), "{method} {path} is not described");
            assert!(operation["responses"]["401"].is_object(), "{method} {path} does not tell its problems");
        }
    }
    assert!(app.client(Role::Readonly).get(&format!("/runs/{run}")).await.status != 401);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_not_there_is_a_problem_too(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    for path in ["//v1", "//v2/tenants/demo/runs", "/run"] {
        producer.get(path).await.problem(404, "not_found");
    }
    let answer =
        Answer::of(producer.request(Method::DELETE, "/runs")).await.problem(405, "method_not_allowed");
    assert!(answer.header("allow").contains("POST"), "{:?}", answer.headers);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_answer_has_an_id_and_is_not_stored(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    for path in ["//healthz", "//nowhere", "/runs", "/runs/7"] {
        let answer =
            Answer::of(producer.request(Method::GET, path).header("x-request-id", "import-7.a")).await;
        assert_eq!(answer.header("x-request-id"), "import-7.a", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("cache-control").contains("no-store"), "{path}");
        let odd = Answer::of(producer.request(Method::GET, path).header("x-request-id", "a b\"c")).await;
        assert_eq!(odd.header("x-request-id").len(), 36, "{path}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_request_that_takes_too_long_is_answered(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut setup = Setup { without_projector: true, ..Setup::default() };
    setup.api.request_timeout = Duration::from_millis(200);
    let app = TestApp::with(pool, database, setup).await;
    // A body that was promised and never comes.
    let address = app.url().trim_start_matches("http://");
    let token = app.token("demo", Role::Producer);
    let head = format!(
        "POST /v1/tenants/demo/runs HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: 10\r\nconnection: close\r\n\r\n"
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1\r\n") && answer.contains("\"request_timeout\""), "{answer}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn scripts_of_sites_that_are_named_may_use_the_api(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut setup = Setup::default();
    setup.api.cors_origins =
        ["https://tools.example", "http://localhost:5173"].map(|it| it.parse().unwrap()).to_vec();
    let app = TestApp::with(pool, database, setup).await;
    let (producer, anybody) = (app.producer(), app.producer().with_token(None));
    let from = async |request: reqwest::RequestBuilder, origin: &str| {
        Answer::of(request.header("origin", origin)).await
    };
    for origin in ["https://tools.example", "http://localhost:5173"] {
        // Before a browser sends a token it asks without one.
        let asked = anybody.request(Method::OPTIONS, "/runs").header("access-control-request-method", "POST");
        let asked = asked
            .header("access-control-request-headers", "authorization,content-type,if-match,runledger-after");
        let allowed = from(asked, origin).await.expect(200);
        assert_eq!(allowed.header("access-control-allow-origin"), origin);
        assert!(allowed.header("access-control-allow-methods").contains("POST"));
        for name in ["authorization", "content-type", "if-match", "if-none-match", "runledger-after"] {
            assert!(allowed.header("access-control-allow-headers").contains(name), "{name}");
        }
        for path in ["/runs", "/runs/nothing", "//openapi.json"] {
            let answer = from(producer.request(Method::GET, path), origin).await;
            assert_eq!(answer.header("access-control-allow-origin"), origin, "{path}: {}", answer.status);
            let exposed = answer.header("access-control-expose-headers");
            for name in
                ["runledger-position", "runledger-lag-events", "etag", "link", "location", "retry-after"]
            {
                assert!(exposed.contains(name), "{name}: {exposed}");
            }
            // A session's cookie is not for them.
            assert!(!answer.headers.contains_key("access-control-allow-credentials"));
            let mut vary = answer.headers.get_all("vary").iter();
            assert!(vary.any(|vary| vary.to_str().unwrap().contains("origin")), "{:?}", answer.headers);
        }
    }
    for origin in
        ["https://evil.example", "https://tools.example.evil.example", "http://tools.example", "null"]
    {
        let asked = anybody.request(Method::OPTIONS, "/runs").header("access-control-request-method", "GET");
        assert!(!from(asked, origin).await.headers.contains_key("access-control-allow-origin"), "{origin}");
        let answer = from(producer.request(Method::GET, "/runs"), origin).await.expect(200);
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
    }
    app.stop().await;
}
