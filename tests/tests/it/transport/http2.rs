//! HTTP/2: over TLS by agreement, without TLS by prior knowledge; many streams on one connection, and hostile ones.

use std::sync::Arc;

use access::Role;
use bytes::Bytes;
use futures::future::{join_all, poll_fn};
use h2::client::SendRequest;
use http::Request;
use reqwest::{Method, Version};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Setup, Stream, TestApp, Wire};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use web::ServeConfig;

use super::raw::in_time;

/// A certificate that nobody vouches for.
pub fn tls() -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config =
        config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

pub fn over_tls() -> Setup {
    Setup { serve: ServeConfig { tls: Some(tls()), ..ServeConfig::default() }, ..Setup::default() }
}

/// Opens twelve live streams and reads lists between them, all by one client; gives how many connections it made.
async fn twelve_streams(app: &TestApp, http: reqwest::Client, scheme: &str) -> usize {
    let wire = Wire::to(&app.url().replace("https:", "http:")).await;
    let base = wire.url().replace("http:", &format!("{scheme}:"));
    let token = app.token("demo", Role::Readonly);
    let get = |path: &str| http.request(Method::GET, format!("{base}{path}")).bearer_auth(token);
    // The first request makes the connection that the others find.
    let first = get("/v1/tenants/demo/runs").send().await.unwrap();
    assert_eq!((first.status().as_u16(), first.version()), (200, Version::HTTP_2));
    first.bytes().await.unwrap();
    let mut streams = join_all((0..12).map(|_| Stream::of(get("/v1/tenants/demo/stream")))).await;
    for n in 0..5 {
        app.producer().new_run("streams", json!({"n": n})).await;
        let page = get("/v1/tenants/demo/runs").send().await.unwrap();
        assert_eq!(page.status(), 200);
        let _runs: Value = page.json().await.unwrap();
        for stream in &mut streams {
            in_time(stream.until("run")).await;
        }
    }
    wire.connections()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn twelve_streams_and_pages_share_a_connection_over_tls(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::with(pool, database, over_tls()).await;
    let http = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
    assert_eq!(twelve_streams(&app, http, "https").await, 1);

    // Who knows HTTP/1.1 only is spoken with in that.
    let old = reqwest::Client::builder().danger_accept_invalid_certs(true).http1_only().build().unwrap();
    let answer = old.get(format!("{}/healthz", app.url())).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_11));
    // A session's cookie goes nowhere but over TLS.
    let form = [("token", app.token("demo", Role::Operator))];
    let no_redirect = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .redirect(reqwest::redirect::Policy::none());
    let signed_in =
        no_redirect.build().unwrap().post(format!("{}/sign-in", app.url())).form(&form).send().await.unwrap();
    assert_eq!((signed_in.status().as_u16(), signed_in.version()), (303, Version::HTTP_2));
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    let port = app.url().rsplit_once(':').unwrap().1;
    assert!(cookie.starts_with(&format!("__Host-runledger_session_{port}=")), "{cookie}");
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn twelve_streams_and_pages_share_a_connection_behind_a_proxy(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    assert_eq!(twelve_streams(&app, http.clone(), "http").await, 1);
    // What is too large is told here as well.
    for (path, header, status) in [("x".repeat(17_000), 0, 414), ("healthz".to_owned(), 33_000, 431)] {
        let request = http.get(format!("{}/{path}", app.url())).header("x-large", "x".repeat(header));
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (status, Version::HTTP_2));
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    app.stop().await;
}

/// A client that may do anything.
async fn connect(app: &TestApp, window: u32) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(app.url().trim_start_matches("http://")).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window);
    let (client, connection) = builder.handshake(socket).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn request(app: &TestApp, method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("{}{path}", app.url()))
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn streams_that_never_end_take_nothing_from_producers(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut setup = Setup { without_projector: true, ..Setup::default() };
    setup.api.max_stranger_requests = 8;
    setup.api.max_bodies_bytes = 1_000_000;
    setup.api.max_body_bytes = 1_000_000;
    let app = TestApp::with(pool, database, setup).await;
    let form = "application/x-www-form-urlencoded";
    let mut hanging = Vec::new();
    for (path, kind) in [("/sign-in", form), ("/v1/tenants/demo/runs", "application/json")] {
        let mut client = connect(&app, 65_535).await;
        for _ in 0..200 {
            let head =
                request(&app, "POST", path).header("content-type", kind).header("content-length", "9000");
            client = client.ready().await.unwrap();
            let (answer, mut body) = client.send_request(head.body(()).unwrap(), false).unwrap();
            // It may have been refused already.
            let _refused = body.send_data(Bytes::from_static(b"x"), false);
            hanging.push((answer, body));
        }
    }
    for n in 0..50 {
        app.producer().post_run(&json!({"kind": "h2", "context": {"n": n}})).await.expect(201);
    }
    // Those without a token were refused, the forms are waited for.
    for (answer, _) in hanging.drain(200..) {
        assert_eq!(in_time(answer).await.unwrap().status(), 401);
    }
    drop(hanging);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_opens_streams_to_reset_them_disturbs_nobody(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let flood = async {
        // Whoever is sent away comes again.
        for _ in 0..usize::MAX {
            let mut client = connect(&app, 65_535).await;
            while let Ok(ready) = client.ready().await {
                client = ready;
                let head = request(&app, "GET", "/openapi.json").body(()).unwrap();
                let Ok((_, mut stream)) = client.send_request(head, true) else { break };
                // What was reset before it was sent would never be sent.
                tokio::task::yield_now().await;
                stream.send_reset(h2::Reason::CANCEL);
            }
        }
    };
    let appends = async {
        for n in 0..100 {
            app.producer().post_run(&json!({"kind": "h2", "context": {"n": n}})).await.expect(201);
        }
    };
    tokio::select! {
        () = in_time(appends) => {}
        () = flood => unreachable!("it never ends"),
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_stream_that_nobody_reads_is_given_up_and_others_go_on(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let unread = std::time::Duration::from_millis(300);
    let mut setup = Setup { without_projector: true, ..Setup::default() };
    setup.serve = ServeConfig { unread, ..ServeConfig::default() };
    let app = TestApp::with(pool, database, setup).await;
    // No window: nothing of an answer may be sent.
    let mut client = connect(&app, 0).await;
    let ask = |path: &str| request(&app, "GET", path).body(()).unwrap();
    let (answer, _) = client.send_request(ask("/openapi.json"), true).unwrap();
    let mut unread = in_time(answer).await.unwrap().into_body();
    let ended = in_time(poll_fn(|cx| unread.poll_data(cx))).await;
    assert!(matches!(&ended, Some(Err(error)) if error.is_reset()), "{ended:?}");
    // The connection goes on.
    let (answer, _) = client.ready().await.unwrap().send_request(ask("/healthz"), true).unwrap();
    assert_eq!(in_time(answer).await.unwrap().status(), 200);
    app.stop().await;
}
