//! The API on a port of its own, over a log that only has a head.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use access::{Role, create_tenant, create_token};
use api::{ApiConfig, ApiParts, ApiState};
use async_trait::async_trait;
use commands::Commands;
use eventlog::{
    AppendError, Appended, EventLog, LogError, Position, RecordedEvent, StreamAppend, Subscription,
};
use reads::Ledger;
use reads::ReadPool;
use reads::freshness::Freshness;
use reqwest::header::HeaderMap;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;

/// A log that reads may ask for its head and nothing else.
#[derive(Default)]
pub struct HeadOnly(AtomicU64);

#[async_trait]
impl EventLog for HeadOnly {
    async fn append(&self, _: StreamAppend) -> Result<Appended, AppendError> {
        panic!("a read appends nothing")
    }

    async fn read_stream(&self, _: &str, _: u64, _: usize) -> Result<Vec<RecordedEvent>, LogError> {
        panic!("a read does not read the log")
    }

    async fn last_event(&self, _: &str) -> Result<Option<RecordedEvent>, LogError> {
        panic!("a read does not read the log")
    }

    async fn read_all(&self, _: Position, _: usize) -> Result<Vec<RecordedEvent>, LogError> {
        panic!("a read does not read the log")
    }

    async fn head(&self) -> Result<Position, LogError> {
        Ok(Position(self.0.load(Ordering::SeqCst)))
    }

    async fn subscribe(&self, _: Position) -> Result<Box<dyn Subscription>, LogError> {
        panic!("a read does not read the log")
    }
}

/// The running API with the tenants `demo` and `other`.
pub struct Served {
    pub freshness: Freshness,
    url: String,
    tokens: Vec<(&'static str, Role, String)>,
    log: Arc<HeadOnly>,
    shutdown: CancellationToken,
}

/// An answer over HTTP.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// JSON; a table is a text.
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    /// What was wrong, where the answer is a 422.
    pub fn pointer(&self) -> &str {
        assert_eq!(self.status, 422, "{}", self.body);
        self.body["errors"][0]["pointer"].as_str().unwrap()
    }

    /// The target of the link to the next page.
    pub fn next_link(&self) -> Option<&str> {
        let link = self.headers.get("link")?.to_str().unwrap();
        Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap())
    }
}

impl Served {
    /// Starts it with a patience for `after` that no test gets to the end of.
    pub async fn start(pool: PgPool) -> Self {
        Self::patient(pool, Duration::from_secs(25)).await
    }

    /// Starts it with that patience for `after`.
    pub async fn patient(pool: PgPool, max_after_wait: Duration) -> Self {
        let mut tokens = Vec::new();
        for tenant in ["demo", "other"] {
            let id = tenant.parse().unwrap();
            create_tenant(&pool, &id, tenant).await.unwrap();
            for role in Role::ALL {
                let made = create_token(&pool, &id, role, &role.as_str().parse().unwrap()).await.unwrap();
                tokens.push((tenant, role, made.token.reveal().to_owned()));
            }
        }
        let options = (*pool.connect_options()).clone();
        let reads = ReadPool::pool_options().max_connections(3).connect_with(options.clone()).await.unwrap();
        let plain = PgPoolOptions::new().max_connections(4).connect_with(options).await.unwrap();
        let shutdown = CancellationToken::new();
        let log = Arc::new(HeadOnly::default());
        let ledger = Ledger::load(&plain).await.unwrap();
        let state = ApiState::start(ApiParts {
            config: ApiConfig { max_after_wait, ..ApiConfig::default() },
            ledger,
            log: log.clone(),
            commands: Commands::new(log.clone(), tests::keys()),
            pool: plain.clone(),
            reads,
            stop_streams: shutdown.clone(),
            stop: shutdown.clone(),
        })
        .await;
        let freshness = state.freshness.clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (router, stop) = (web::router(state, plain, String::new), shutdown.clone());
        tokio::spawn(async move { web::serve(listener, router, web::ServeConfig::default(), stop).await });
        Self { freshness, url, tokens, log, shutdown }
    }

    /// Says where the log's head is.
    pub fn set_head(&self, position: u64) {
        self.log.0.store(position, Ordering::SeqCst);
    }

    /// Gets `/v1/tenants/demo` and the path, as a role.
    pub async fn get_as(&self, role: Role, path: &str) -> Answer {
        self.ask("demo", role, &format!("/v1/tenants/demo{path}"), &[]).await
    }

    /// Gets `/v1/tenants/demo` and the path, as an operator.
    pub async fn get(&self, path: &str) -> Answer {
        self.get_as(Role::Operator, path).await
    }

    /// Gets a path with the token of a tenant's role.
    pub async fn ask(&self, tenant: &str, role: Role, path: &str, headers: &[(&str, &str)]) -> Answer {
        let token = &self.tokens.iter().find(|(t, r, _)| *t == tenant && *r == role).unwrap().2;
        let mut request = reqwest::Client::new().get(format!("{}{path}", self.url)).bearer_auth(token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let table = headers.get("content-type").is_some_and(|of| of.as_bytes().starts_with(b"text/csv"));
        let body = match table {
            true => Value::String(text),
            false => serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}")),
        };
        Answer { status, headers, body }
    }

    /// Gets a path as an operator, with headers: the status, and the tag of what there is.
    pub async fn ask_raw(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let token = &self.tokens.iter().find(|(t, r, _)| *t == "demo" && *r == Role::Operator).unwrap().2;
        let mut request = reqwest::Client::new().get(format!("{}{path}", self.url)).bearer_auth(token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let tag = answer.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        (answer.status().as_u16(), tag.unwrap_or_default())
    }

    /// Gets a path without a token; the status.
    pub async fn ask_nobody(&self, path: &str) -> u16 {
        reqwest::get(format!("{}{path}", self.url)).await.unwrap().status().as_u16()
    }

    /// All entries of all pages, by their cursors. `list` is the member that holds them.
    pub async fn walk(&self, path: &str, list: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut next = format!("/v1/tenants/demo{path}");
        loop {
            let page = self.ask("demo", Role::Operator, &next, &[]).await;
            assert_eq!(page.status, 200, "{next}: {}", page.body);
            found.extend(page.body[list].as_array().unwrap().iter().cloned());
            match page.next_link() {
                Some(link) => next = link.to_owned(),
                None => {
                    assert_eq!(page.body["next_cursor"], Value::Null);
                    return found;
                }
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
