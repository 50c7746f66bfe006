//! Requests that are answered before all of their body has come: the answer arrives, and what it says of the
//! connection is true.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Setup, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::raw::{Said, answer, ask, closed, connect, in_time};

const NEXT: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

/// What was said of the connection is true.
async fn holds(connection: &mut TcpStream, said: &Said) {
    if said.closes() {
        closed(connection).await;
    } else {
        assert_eq!(ask(connection, NEXT).await.status, 200);
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_refusal_tells_what_becomes_of_the_connection(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut setup = Setup { without_projector: true, ..Setup::default() };
    setup.api.max_body_bytes = 1_000_000;
    let app = TestApp::with(pool, database, setup).await;
    let token = format!("authorization: Bearer {}\r\n", app.token("demo", Role::Producer));
    let head = |path: &str, headers: &str| format!("POST {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
    let (runs, json) = ("/v1/tenants/demo/runs", "content-type: application/json\r\n");
    let of = |length: usize| format!("content-length: {length}\r\n");

    // All of it is here, or will be in a moment: the connection goes on.
    for length in [1, 5_000, 100_000] {
        for (path, headers, status) in
            [(runs, json.to_owned(), 401), (runs, token.clone(), 415), ("/nowhere", String::new(), 404)]
        {
            let mut connection = connect(app.url()).await;
            connection.write_all(head(path, &format!("{headers}{}", of(length))).as_bytes()).await.unwrap();
            let said = ask(&mut connection, "x".repeat(length).as_bytes()).await;
            assert_eq!(said.status, status, "{}", said.body);
            holds(&mut connection, &said).await;
        }
    }
    // Most of it never comes, or nobody wants to read so much: it is the last answer, and says so.
    let cases = [
        (format!("{json}{}", of(20_000_000)), 401),
        (format!("{json}{}", of(10)), 401),
        (format!("{json}transfer-encoding: chunked\r\n"), 401),
        (format!("{json}{token}{}", of(20_000_000)), 413),
        (format!("{json}expect: 100-continue\r\n{}", of(10)), 401),
        (format!("{json}{token}expect: 100-continue\r\n{}", of(20_000_000)), 413),
    ];
    for (headers, status) in cases {
        let mut connection = connect(app.url()).await;
        let said = ask(&mut connection, head(runs, &headers).as_bytes()).await;
        assert_eq!(said.status, status, "{headers}: {}", said.body);
        assert!(said.closes(), "{headers}: {}", said.head);
        closed(&mut connection).await;
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_sends_on_still_gets_the_answer(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    for _ in 0..20 {
        let mut connection = connect(app.url()).await;
        let head = "POST /v1/tenants/demo/runs HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                    content-length: 4000000\r\n\r\n";
        connection.write_all(head.as_bytes()).await.unwrap();
        // It looks for an answer only when all is sent, as simple clients do.
        for _ in 0..40 {
            connection.write_all(&[b'x'; 100_000]).await.unwrap();
        }
        let said = answer(&mut connection).await;
        said.is_problem(401, "unauthorized");
        holds(&mut connection, &said).await;
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_client_that_keeps_its_connections_loses_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let (producer, nobody) = (app.producer(), app.producer().with_token(None));
    for n in 0..60 {
        let large = "x".repeat([10, 200_000, 2_000_000][n % 3]);
        let refused = nobody.post_raw("/runs", large).await;
        assert_eq!(refused.status, 401, "{}", refused.text);
        producer.post_run(&json!({"kind": "kept", "context": {"n": n}})).await.expect(201);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_body_that_was_waved_through_is_read(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let token = app.token("demo", Role::Producer);
    let body = json!({"kind": "waved.through", "context": {}}).to_string();
    let head = format!(
        "POST /v1/tenants/demo/runs HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = connect(app.url()).await;
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut leave = [0; 25];
    in_time(connection.read_exact(&mut leave)).await.unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    let said = ask(&mut connection, body.as_bytes()).await;
    assert_eq!(said.status, 201, "{}", said.body);
    assert!(!said.closes());
    app.stop().await;
}
