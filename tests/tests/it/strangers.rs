//! Who shows no good token takes nothing that those need who have one; and who has one takes no more than there is.

use access::Role;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Setup, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const FORM: &str = "content-type: application/x-www-form-urlencoded";
const JSON: &str = "content-type: application/json";

/// Says the head of a request, and one byte of its body.
async fn begins(address: &str, path: &str, headers: &[&str]) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let chunked = headers.iter().any(|header| header.starts_with("transfer-encoding"));
    let first = if chunked { "1\r\nx\r\n" } else { "x" };
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\n{}\r\n\r\n{first}", headers.join("\r\n"));
    connection.write_all(head.as_bytes()).await.unwrap();
    connection
}

async fn status(connection: &mut TcpStream) -> String {
    let mut status = [0; 12];
    connection.read_exact(&mut status).await.unwrap();
    String::from_utf8_lossy(&status[9..]).into_owned()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn strangers_take_nothing_from_producers(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut setup = Setup { without_projector: true, ..Setup::default() };
    setup.api.max_requests = 32;
    setup.api.max_stranger_requests = 8;
    setup.api.max_bodies_bytes = 4 * 1024 * 1024;
    let app = TestApp::with(pool, database, setup).await;
    let address = app.url().trim_start_matches("http://").to_owned();
    let known = app.producer();
    let run = known.new_run("strangers", json!({})).await;

    // A token that has the form of ours, and is nobody's.
    let made_up = format!("authorization: Bearer {}", access::Secret::generate().unwrap().reveal());
    let foreign = "authorization: Bearer ghp_abc";
    let (promised, chunked) = ("content-length: 4194304", "transfer-encoding: chunked");
    let (runs, sign_in) = ("/v1/tenants/demo/runs", "/sign-in");
    let page = "/t/demo/notifications/read";
    let ways: [(&str, &[&str]); 12] = [
        (sign_in, &[FORM, "content-length: 16000"]),
        (sign_in, &[FORM, chunked]),
        (page, &[FORM, chunked]),
        ("/sign-out", &[FORM, "content-length: 9"]),
        (sign_in, &[FORM, "content-length: 16000", "content-encoding: gzip"]),
        // These are answered at once.
        (sign_in, &[FORM, promised]),
        (sign_in, &[JSON, promised]),
        (runs, &[JSON, promised]),
        (runs, &[JSON, chunked]),
        (runs, &[JSON, chunked, &made_up]),
        (runs, &[JSON, promised, &made_up]),
        (runs, &[JSON, promised, foreign]),
    ];
    let mut hanging = Vec::new();
    for (nth, (path, headers)) in ways.iter().enumerate() {
        for _ in 0..40 {
            let mut connection = begins(&address, path, headers).await;
            if nth >= 5 {
                let status = status(&mut connection).await;
                assert!(["401", "413", "415"].contains(&status.as_str()), "{path} {headers:?}: {status}");
            }
            hanging.push(connection);
        }
    }
    for n in 0..50 {
        let item = json!([{"type": "ItemSucceeded", "item": format!("{n}")}]);
        let events = if n == 0 { json!([{"type": "Started"}]) } else { item };
        known.append(&run, events).await.expect(200);
    }
    // One that was never seen is let in as well, and so is who has a session or looks at runs.
    let new = app.client_of("other", Role::Producer);
    new.new_run("strangers", json!({})).await;
    app.client(Role::Readonly).get("/runs").await.expect(200);
    // Nobody has answered them, unless it took so long to get here that their time was over.
    for connection in &mut hanging[..200] {
        let mut answer = [0; 12];
        if connection.try_read(&mut answer).is_ok() {
            assert_eq!(&answer, b"HTTP/1.1 408");
        }
    }
    drop(hanging);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_body_takes_the_room_that_has_come_of_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut setup = Setup { without_projector: true, ..Setup::default() };
    setup.api.max_body_bytes = 100_000;
    setup.api.max_bodies_bytes = 100_000;
    let app = TestApp::with(pool, database, setup).await;
    let address = app.url().trim_start_matches("http://").to_owned();
    let producer = app.producer();
    producer.new_run("room", json!({})).await;
    let token = format!("authorization: Bearer {}", app.token("demo", Role::Producer));
    let path = "/v1/tenants/demo/runs";

    // What is promised takes none.
    let mut promises = Vec::new();
    for length in ["content-length: 90000", "transfer-encoding: chunked"] {
        for _ in 0..20 {
            promises.push(begins(&address, path, &[JSON, length, &token]).await);
        }
    }
    producer.new_run("room", json!({"long": "x".repeat(50_000)})).await;

    // What has come takes it, until it is answered or given up.
    let mut large = begins(&address, path, &[JSON, "content-length: 90000", &token]).await;
    large.write_all(&vec![b'x'; 89_000]).await.unwrap();
    let long = json!({"kind": "room", "context": {"long": "y".repeat(20_000)}});
    // The server has them when it has them.
    let refused = loop {
        let answer = producer.post_run(&long).await;
        if answer.status == 503 {
            break answer.problem(503, "overloaded");
        }
    };
    assert_eq!(refused.header("retry-after"), "1");
    producer.new_run("room", json!({"small": 1})).await;
    drop(large);
    while producer.post_run(&long).await.status == 503 {}
    drop(promises);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn forms_are_small(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let anybody = app.producer().with_token(None);
    let form = |path: &str, body: String| {
        let request = anybody.request(Method::POST, path).header("accept", "text/html");
        Answer::of(request.header("content-type", "application/x-www-form-urlencoded").body(body))
    };
    let page = form("//sign-in", format!("token={}", "x".repeat(17_000))).await.expect(413);
    assert!(page.header("content-type").starts_with("text/html"), "{}", page.text);
    assert!(page.text.contains("The body is too large") && page.text.contains("16384"), "{}", page.text);
    form("//sign-in", format!("token={}", "x".repeat(16_000))).await.expect(401);
    // What calls itself a form and is sent to the API is told what it should be.
    let request = app.producer().request(Method::POST, "/runs");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = Answer::of(request.body("x".repeat(20_000))).await.problem(415, "unsupported_media_type");
    assert_eq!(answer.header("accept"), "application/json");
    app.stop().await;
}
