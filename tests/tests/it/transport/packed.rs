//! Packed bodies, in and out.

use std::io::{Read, Write};

use access::Role;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Client, Setup, Stream, TestApp};

use crate::hub::Visitor;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packing = GzEncoder::new(Vec::new(), Compression::default());
    packing.write_all(bytes).unwrap();
    packing.finish().unwrap()
}

fn br(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    brotli::CompressorWriter::new(&mut packed, 4096, 5, 22).write_all(bytes).unwrap();
    packed
}

async fn post(client: &Client, path: &str, codings: &[&str], body: Vec<u8>) -> Answer {
    let request = client.request(Method::POST, path).header("content-type", "application/json");
    let request = codings.iter().fold(request, |request, coding| request.header("content-encoding", *coding));
    Answer::of(request.body(body)).await
}

fn run(n: usize) -> Vec<u8> {
    json!({"kind": "packed", "context": {"n": n, "long": "x".repeat(10_000)}}).to_string().into_bytes()
}

/// The headers `Content-Encoding` of a body, and how it is packed.
type Way = (&'static [&'static str], fn(&[u8]) -> Vec<u8>);

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn bodies_may_be_packed(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let ways: [Way; 8] = [
        (&["gzip"], gzip),
        (&["x-gzip"], gzip),
        (&["GZIP"], gzip),
        (&["br"], br),
        (&["identity"], |bytes| bytes.to_vec()),
        (&["identity, gzip"], gzip),
        (&["identity", "br"], br),
        (&[""], |bytes| bytes.to_vec()),
    ];
    for (n, (codings, pack)) in ways.into_iter().enumerate() {
        let answer = post(&producer, "/runs", codings, pack(&run(n))).await.expect(201);
        // What came out is what was meant.
        let path = format!("/runs/{}?after={}", answer.text_at("/run_id"), answer.number_at("/position"));
        let read = producer.get(&path).await.expect(200);
        assert_eq!(read.body["context"]["n"], n, "{codings:?}");
    }
    let id = post(&producer, "/runs", &["gzip"], gzip(&run(99))).await.expect(201).text_at("/run_id");
    let events = br(json!({"events": [{"type": "Started"}, {"type": "Completed"}]}).to_string().as_bytes());
    let appended = post(&producer, &format!("/runs/{id}/events"), &["br"], events).await.expect(200);
    assert_eq!(appended.number_at("/revision"), 2);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_packed_otherwise_is_told_how(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let unknown: [&[&str]; 6] =
        [&["deflate"], &["zstd"], &["gzip, gzip"], &["gzip", "br"], &["compress"], &["gzip;q=1"]];
    for codings in unknown {
        let answer = post(&producer, "/runs", codings, gzip(&run(0))).await;
        let answer = answer.problem(415, "unsupported_media_type");
        assert_eq!(answer.header("accept-encoding"), "gzip, br", "{codings:?}");
    }
    let text = producer.request(Method::POST, "/runs").header("content-type", "text/plain").body("{}");
    let answer = Answer::of(text).await.problem(415, "unsupported_media_type");
    assert_eq!((answer.header("accept"), answer.header("accept-encoding")), ("application/json", ""));

    // What is not what it says.
    let (whole, other) = (gzip(&run(0)), br(&run(0)));
    for (coding, body) in [
        ("gzip", run(0)),
        ("gzip", whole[..whole.len() / 2].to_vec()),
        ("gzip", whole[..whole.len() - 1].to_vec()),
        ("gzip", [&whole[..], b"and more"].concat()),
        ("gzip", other.clone()),
        ("gzip", Vec::new()),
        ("br", other[..other.len() / 2].to_vec()),
        ("br", whole.clone()),
        ("br", Vec::new()),
        ("br", run(0)),
    ] {
        post(&producer, "/runs", &[coding], body).await.problem(400, "malformed_request");
    }
    // Two members are one body (RFC 1952, section 2.2).
    let (first, second) = whole_in_two(&run(7));
    post(&producer, "/runs", &["gzip"], [gzip(&first), gzip(&second)].concat()).await.expect(201);
    app.stop().await;
}

fn whole_in_two(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    (first.to_vec(), second.to_vec())
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn little_that_unpacks_to_much_is_refused(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut setup = Setup { without_projector: true, ..Setup::default() };
    setup.api.max_body_bytes = 1_000_000;
    setup.api.max_bodies_bytes = 3_000_000;
    let app = TestApp::with(pool, database, setup).await;
    let producer = app.producer();
    let bomb = vec![b' '; 40_000_000];
    for (coding, packed) in [("gzip", gzip(&bomb)), ("br", br(&bomb))] {
        assert!(packed.len() < 60_000, "{coding}: {}", packed.len());
        let answer = post(&producer, "/runs", &[coding], packed).await.problem(413, "body_too_large");
        assert_eq!(answer.number_at("/max_bytes"), 1_000_000);
    }
    // As large as is taken, and one more. Blanks around JSON are no part of it.
    for (length, status) in [(1_000_000, 201), (1_000_001, 413)] {
        let mut body = run(length);
        body.resize(length, b' ');
        post(&producer, "/runs", &["gzip"], gzip(&body)).await.expect(status);
    }
    // The room of bodies counts what comes out: many at once are too much, one after another are not.
    let mut body = run(1);
    body.resize(900_000, b' ');
    let packed = gzip(&body);
    let at_once = (0..40).map(|_| post(&producer, "/runs", &["gzip"], packed.clone()));
    for answer in futures::future::join_all(at_once).await {
        if answer.status == 503 {
            answer.problem(503, "overloaded");
        } else {
            assert!(answer.status < 300, "{}", answer.text);
        }
    }
    for _ in 0..5 {
        let answer = post(&producer, "/runs", &["gzip"], packed.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    app.stop().await;
}

/// What an answer says after unpacking.
fn unpacked(headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match headers.get("content-encoding").map(|coding| coding.to_str().unwrap()) {
        Some("gzip") => GzDecoder::new(body).read_to_end(&mut plain).unwrap(),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain).unwrap(),
        coding => panic!("{coding:?}"),
    };
    plain
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn answers_are_packed_for_who_asks(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let mut last = 0;
    for n in 0..30 {
        let run = json!({"kind": "packed", "context": {"n": n}, "title": "A title that takes some room"});
        last = producer.post_run(&run).await.expect(201).number_at("/position");
    }
    let list = format!("/runs?after={last}");
    let plain = producer.get(&list).await.expect(200);
    assert_eq!(plain.header("content-encoding"), "");
    for (asked, coding) in
        [("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br, zstd", "br"), ("gzip;q=1, br;q=0", "gzip")]
    {
        let request = producer.request(Method::GET, &list).header("accept-encoding", asked);
        let answer = request.send().await.unwrap();
        let headers = answer.headers().clone();
        assert_eq!(headers["content-encoding"], coding, "{asked}");
        assert!(headers.get_all("vary").iter().any(|vary| vary == "accept-encoding"), "{asked}: {headers:?}");
        let packed = answer.bytes().await.unwrap();
        assert!(packed.len() * 3 < plain.text.len(), "{} of {}", packed.len(), plain.text.len());
        let runs: Value = serde_json::from_slice(&unpacked(&headers, &packed)).unwrap();
        assert_eq!(runs["runs"].as_array().map(Vec::len), plain.body["runs"].as_array().map(Vec::len));
    }
    // A strong tag names the very bytes, and by any of them the run is known to be as it was.
    let long = json!({"kind": "packed", "context": {"long": "x".repeat(10_000)}});
    let run = producer.post_run(&long).await.expect(201).text_at("/run_id");
    let ended = producer.append(&run, json!([{"type": "Started"}, {"type": "Completed"}])).await.expect(200);
    let path = format!("/runs/{run}?after={}", ended.number_at("/position"));
    for (asked, tag) in [("identity", "\"2\""), ("gzip", "\"2-gzip\""), ("br", "\"2-br\"")] {
        let request = producer.request(Method::GET, &path).header("accept-encoding", asked);
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["etag"].to_str().unwrap()), (200, tag));
        let request = producer.request(Method::GET, &path).header("accept-encoding", asked);
        let nothing = Answer::of(request.header("if-none-match", tag)).await.expect(304);
        assert_eq!((nothing.header("etag"), nothing.header("vary")), (tag, "accept-encoding"));
    }
    // Small ones are not, and events are there at once.
    for path in ["//healthz", "/runs/none"] {
        let request = producer.request(Method::GET, path).header("accept-encoding", "gzip, br");
        assert_eq!(Answer::of(request).await.header("content-encoding"), "", "{path}");
    }
    // A page is packed, and never has the same word against forgery twice; each is good.
    let visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    let page = async || {
        let request = visitor.request(Method::GET, "/t/demo/runs").header("accept-encoding", "gzip, br");
        let answer = request.send().await.unwrap();
        let headers = answer.headers().clone();
        let packed = answer.bytes().await.unwrap();
        let page = String::from_utf8(unpacked(&headers, &packed)).unwrap();
        assert!(packed.len() * 3 < page.len(), "{} of {}", packed.len(), page.len());
        let style = page.split("href=\"").find(|link| link.contains(".css")).unwrap();
        let (_, csrf) = page.split_once("name=\"csrf\" value=\"").unwrap();
        (csrf.split('"').next().unwrap().to_owned(), style.split('"').next().unwrap().to_owned())
    };
    let ((one, style), (other, _)) = (page().await, page().await);
    assert_ne!(one, other);
    let style = visitor.request(Method::GET, &style).header("accept-encoding", "br").send().await.unwrap();
    assert_eq!(style.headers()["content-encoding"], "br");
    for (word, status) in [(&other[..60], 403), (&one, 303), (&other, 303)] {
        visitor.post("/t/demo/notifications/read", &[("csrf", word)]).await.expect(status);
    }
    let request = producer.request(Method::GET, "/stream").header("accept-encoding", "gzip, br");
    let mut stream = Stream::of(request).await;
    producer.new_run("packed", json!({"told": "at once"})).await;
    stream.until("run").await;
    app.stop().await;
}
