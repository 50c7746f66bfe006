//! A small client, as a producer or a person would have one.

use reqwest::{Method, header};
use serde_json::{Value, json};

/// Speaks to the API for one tenant with one token.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    /// The tenant in the paths.
    pub tenant: String,
    token: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: header::HeaderMap,
    /// The body; null when it is no JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Client {
    /// A client of a tenant with a token.
    ///
    /// # Panics
    /// When the system has no room for it.
    #[must_use]
    pub fn new(url: &str, tenant: &str, token: &str) -> Self {
        // The test app signs its certificate itself.
        let http = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
        Self { http, url: url.to_owned(), tenant: tenant.to_owned(), token: Some(token.to_owned()) }
    }

    /// The same client at another API.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// The same token, with paths of another tenant.
    #[must_use]
    pub fn in_tenant(&self, tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), ..self.clone() }
    }

    /// The same client with another token, or none.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// A request to a path below the tenant's, or to one that begins with `//` (then it is absolute).
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = match path.strip_prefix("//") {
            Some(absolute) => format!("{}/{absolute}", self.url),
            None => format!("{}/v1/tenants/{}{path}", self.url, self.tenant),
        };
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// `POST` of bytes that call themselves JSON.
    pub async fn post_raw(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/json");
        Answer::of(request.body(body)).await
    }

    /// `POST .../runs`.
    pub async fn post_run(&self, body: &Value) -> Answer {
        self.post("/runs", body).await
    }

    /// Starts a new run of that kind and context and answers its id.
    pub async fn new_run(&self, kind: &str, context: Value) -> String {
        let answer = self.post_run(&json!({"kind": kind, "context": context})).await.expect(201);
        answer.text_at("/run_id")
    }

    /// `POST .../runs/{run}/events`.
    pub async fn append(&self, run: &str, events: Value) -> Answer {
        self.post(&format!("/runs/{run}/events"), &json!({"events": events})).await
    }

    /// The same with `If-Match`.
    pub async fn append_at(&self, run: &str, if_match: &str, events: Value) -> Answer {
        let request =
            self.request(Method::POST, &format!("/runs/{run}/events")).header(header::IF_MATCH, if_match);
        Answer::of(request.json(&json!({"events": events}))).await
    }
}

impl Answer {
    /// Sends a request and reads the answer.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }

    /// The answer, if it has that status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// The answer, if it is a problem with that status and code, in the form of RFC 9457.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text);
        assert_eq!(answer.body["code"], code, "{}", answer.text);
        assert_eq!(answer.body["status"], status, "{}", answer.text);
        assert_eq!(answer.body["type"], format!("urn:runledger:problem:{code}"), "{}", answer.text);
        for member in ["title", "detail"] {
            assert!(answer.body[member].as_str().is_some_and(|text| !text.is_empty()), "{}", answer.text);
        }
        answer
    }

    /// A text in the body by JSON Pointer.
    #[must_use]
    #[track_caller]
    pub fn text_at(&self, pointer: &str) -> String {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no text at {pointer} in {}", self.text)).to_owned()
    }

    /// A number in the body by JSON Pointer.
    #[must_use]
    #[track_caller]
    pub fn number_at(&self, pointer: &str) -> u64 {
        let found = self.body.pointer(pointer).and_then(Value::as_u64);
        found.unwrap_or_else(|| panic!("no number at {pointer} in {}", self.text))
    }

    /// A header's text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
