//! What stands between a client and the ledger, and can be made to fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::url;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Does what is asked.
    Pass,
    /// Breaks connections.
    Away,
    /// Does what is asked, and loses the answer.
    Lost,
    /// As [`Self::Lost`], of appends alone.
    LostAppends,
    /// 503 with `Retry-After: 1`.
    Busy,
    /// Never answers.
    Hang,
    /// Answers with this status alone.
    Says(u16),
}

#[derive(Debug, Clone)]
pub struct Asked {
    pub at: Instant,
    pub path: String,
    pub body: String,
}

impl Asked {
    pub fn events(&self) -> Vec<Value> {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["events"].as_array().cloned().unwrap_or_default()
    }
}

struct Inner {
    mode: Mutex<Mode>,
    asked: Mutex<Vec<Asked>>,
    client: reqwest::Client,
}

#[derive(Clone)]
pub struct Proxy {
    pub url: String,
    inner: Arc<Inner>,
}

impl Proxy {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            mode: Mutex::new(Mode::Pass),
            asked: Mutex::default(),
            client: reqwest::Client::new(),
        });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, inner }
    }

    pub fn set(&self, mode: Mode) {
        *self.inner.mode.lock().unwrap() = mode;
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().clone()
    }

    pub fn appended(&self) -> Vec<Asked> {
        self.asked()
            .into_iter()
            .filter(|asked| asked.path.ends_with("/events") && !asked.body.is_empty())
            .collect()
    }

    pub fn forget(&self) {
        self.inner.asked.lock().unwrap().clear();
    }
}

/// An answer that breaks off: the connection is closed in the midst of it.
fn broken() -> Response {
    let lost = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("lost"))]);
    (StatusCode::OK, [("content-length", "100")], Body::from_stream(lost)).into_response()
}

async fn answer(
    State(proxy): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked {
        at: Instant::now(),
        path: uri.path().to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    proxy.asked.lock().unwrap().push(asked);
    let mode = *proxy.mode.lock().unwrap();
    match mode {
        Mode::Away => return broken(),
        Mode::Busy => return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "{}").into_response(),
        Mode::Hang => tokio::time::sleep(Duration::from_secs(3_600)).await,
        Mode::Says(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        Mode::Pass | Mode::Lost | Mode::LostAppends => {}
    }
    let loses = mode == Mode::Lost || mode == Mode::LostAppends && uri.path().ends_with("/events");
    let mut request = proxy.client.request(method, format!("{}{uri}", url())).body(body);
    for name in ["authorization", "content-type", "if-match"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.unwrap();
    let (status, said) = (answer.status(), answer.bytes().await.unwrap());
    if loses { broken() } else { (status, said).into_response() }
}
