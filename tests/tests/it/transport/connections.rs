//! Connections that are idle, silent, or too many.

use std::time::Duration;

use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Setup, Stream, TestApp};
use tokio::io::AsyncWriteExt;
use web::ServeConfig;

use super::raw::{ask, closed, connect};

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

fn served(serve: ServeConfig) -> Setup {
    Setup { serve, ..Setup::default() }
}

#[test]
fn idle_connections_outlast_those_of_balancers() {
    assert!(ServeConfig::default().keep_alive > Duration::from_secs(60));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_has_asked_may_be_idle_for_longer_than_who_has_not(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let silence = Duration::from_millis(300);
    let setup = served(ServeConfig { silence, ..ServeConfig::default() });
    let app = TestApp::with(pool, database, setup).await;
    let mut kept = connect(app.url()).await;
    assert_eq!(ask(&mut kept, GET).await.status, 200);
    // These say nothing, or not all of it.
    for said in
        [&b""[..], b"GET /healthz HT", b"PRI * HTTP/2.0\r\n\r\nSM", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut silent = connect(app.url()).await;
        silent.write_all(said).await.unwrap();
        ended(&mut silent).await;
    }
    assert_eq!(ask(&mut kept, GET).await.status, 200);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_is_idle_for_too_long_is_closed(pool: PgPoolOptions, database: PgConnectOptions) {
    let keep_alive = Duration::from_millis(300);
    let setup = served(ServeConfig { keep_alive, ..ServeConfig::default() });
    let app = TestApp::with(pool, database, setup).await;
    // Nothing said, or a head that never ends.
    for said in [&b""[..], b"GET /healthz HT"] {
        let mut idle = connect(app.url()).await;
        assert_eq!(ask(&mut idle, GET).await.status, 200);
        idle.write_all(said).await.unwrap();
        closed(&mut idle).await;
    }
    // What is under way is not idle: a stream outlasts it.
    let mut stream = Stream::open(&app.client(access::Role::Readonly), "/stream", None).await;
    let mut idle = connect(app.url()).await;
    assert_eq!(ask(&mut idle, GET).await.status, 200);
    closed(&mut idle).await;
    app.producer().new_run("idle", json!({})).await;
    stream.until("run").await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn strangers_make_way_for_who_comes(pool: PgPoolOptions, database: PgConnectOptions) {
    let setup = served(ServeConfig { max_connections: 20, ..ServeConfig::default() });
    let app = TestApp::with(pool, database, setup).await;
    let mut stream = Stream::open(&app.client(access::Role::Readonly), "/stream", None).await;
    let mut hanging = Vec::new();
    for n in 0..200 {
        let mut connection = connect(app.url()).await;
        // Nothing, a slow head, a slow form.
        let said = [
            &b""[..],
            b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-",
            b"POST /sign-in HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\
              content-type: application/x-www-form-urlencoded\r\n\r\nx",
        ];
        connection.write_all(said[n % 3]).await.unwrap();
        hanging.push(connection);
        if n % 10 == 0 {
            // A client of its own has a connection of its own.
            let producer = app.producer();
            producer.post_run(&json!({"kind": "way", "context": {"n": n}})).await.expect(201);
        }
    }
    // Who has shown a token stays.
    stream.until("run").await;
    // Who was there first had to go.
    ended(&mut hanging[0]).await;
    drop(hanging);
    app.stop().await;
}

/// Waits until the other side has closed, in whatever way.
async fn ended(connection: &mut tokio::net::TcpStream) {
    use tokio::io::AsyncReadExt;
    let mut rest = Vec::new();
    let _cut_or_closed = super::raw::in_time(connection.read_to_end(&mut rest)).await;
}
