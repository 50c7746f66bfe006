//! Heads that are too large, name no host, or are no heads at all: problems as any other.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Setup, TestApp};

use super::raw::{ask, closed, connect};

fn quiet() -> Setup {
    Setup { without_projector: true, ..Setup::default() }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_head_that_is_refused_is_told_why(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, quiet()).await;
    let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\n{headers}\r\n");
    let host = "host: a\r\n";
    let long = |n: usize| "x".repeat(n);
    let many = (0..150).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let cases = [
        (get("/healthz", ""), 400, "malformed_request"),
        (get("/healthz", "host: a\r\nhost: a\r\n"), 400, "malformed_request"),
        (get("/healthz", "host: a\r\nhost: b\r\n"), 400, "malformed_request"),
        (get("/healthz", "host:\r\n"), 400, "malformed_request"),
        (get("/healthz", "host: a b\r\n"), 400, "malformed_request"),
        (get("/v1/tenants/demo/runs", ""), 400, "malformed_request"),
        (get("/nowhere", ""), 400, "malformed_request"),
        // Those that hyper refuses by itself.
        (get("/healthz", "host: a\r\nno header\r\n"), 400, "malformed_request"),
        (get("/healthz", "host: a\r\nx y: z\r\n"), 400, "malformed_request"),
        ("GET /healthz HTTP/7.3\r\nhost: a\r\n\r\n".to_owned(), 400, "malformed_request"),
        ("HELLO\r\n\r\n".to_owned(), 400, "malformed_request"),
        ("\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), 400, "malformed_request"),
        (
            "POST /sign-in HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n".to_owned(),
            400,
            "malformed_request",
        ),
        (get(&format!("/{}", long(17_000)), host), 414, "uri_too_long"),
        (get(&format!("/readyz?{}", long(60_000)), host), 414, "uri_too_long"),
        (get(&format!("/{}", long(65_535)), host), 414, "uri_too_long"),
        (get(&format!("/{}", long(300_000)), host), 414, "uri_too_long"),
        (get("/healthz", &format!("{host}x: {}\r\n", long(33_000))), 431, "headers_too_large"),
        (get("/healthz", &format!("{host}x: {}\r\n", long(300_000))), 431, "headers_too_large"),
        (get("/healthz", &format!("{host}{many}")), 431, "headers_too_large"),
    ];
    for (request, status, code) in cases {
        let mut connection = connect(app.url()).await;
        let said = ask(&mut connection, request.as_bytes()).await;
        said.is_problem(status, code);
        if said.closes() {
            closed(&mut connection).await;
        } else {
            // It goes on.
            assert_eq!(ask(&mut connection, get("/healthz", host).as_bytes()).await.status, 200);
        }
    }
    // The same after a good request on the same connection.
    for (request, status, code) in [
        (get(&format!("/{}", long(300_000)), host), 414, "uri_too_long"),
        (get("/healthz", &format!("{host}x: {}\r\n", long(300_000))), 431, "headers_too_large"),
    ] {
        let mut connection = connect(app.url()).await;
        assert_eq!(ask(&mut connection, get("/healthz", host).as_bytes()).await.status, 200);
        let said = ask(&mut connection, request.as_bytes()).await;
        said.is_problem(status, code);
        assert!(said.closes());
        closed(&mut connection).await;
    }
    // What is as large as is taken.
    let mut connection = connect(app.url()).await;
    let most = get(&format!("/healthz?{}", long(16_000)), &format!("{host}x: {}\r\n", long(32_000)));
    assert_eq!(ask(&mut connection, most.as_bytes()).await.status, 200);
    assert_eq!(ask(&mut connection, b"GET http://a/healthz HTTP/1.1\r\nhost: b\r\n\r\n").await.status, 200);
    assert_eq!(ask(&mut connection, b"GET /healthz HTTP/1.0\r\n\r\n").await.status, 200);
    app.stop().await;
}
