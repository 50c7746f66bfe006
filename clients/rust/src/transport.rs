//! One request to the ledger.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, IF_MATCH, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::error::{Error, Problem};

/// Gives the token anew for each request.
pub(crate) type Token = Arc<dyn Fn() -> String + Send + Sync>;

/// Speaks to one tenant of one ledger.
pub(crate) struct Transport {
    base: String,
    token: Token,
    client: reqwest::Client,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Worth another try: the server is busy, restarting, or behind a proxy that can't reach it.
fn is_away(status: StatusCode) -> bool {
    status.as_u16() < 400 || matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

impl Transport {
    pub fn new(url: &str, tenant: &str, token: Token) -> Result<Self, Error> {
        let parsed = reqwest::Url::parse(url).ok().filter(|url| url.has_host());
        if !parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Err(Error::Setting(format!(
                "{url} is no address of a ledger: it looks like https://ledger.example.com"
            )));
        }
        let tenant = utf8_percent_encode(tenant, NON_ALPHANUMERIC);
        let client = reqwest::Client::builder()
            .build()
            .map_err(|error| Error::Setting(format!("no request can be made: {error}")))?;
        Ok(Self { base: format!("{}/v1/tenants/{tenant}", url.trim_end_matches('/')), token, client })
    }

    /// # Errors
    /// [`Error::Away`] where it may be sent again as it is, and [`Error::Refused`] where that is no use.
    pub async fn request<Answer: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        timeout: Duration,
        body: Option<String>,
        if_match: Option<u64>,
    ) -> Result<Answer, Error> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth((self.token)())
            .header(CONTENT_TYPE, "application/json")
            .timeout(timeout);
        if let Some(revision) = if_match {
            request = request.header(IF_MATCH, format!("\"{revision}\""));
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.map_err(|error| Error::away(chain(&error)))?;
        let status = answer.status();
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let said = answer.bytes().await.map_err(|error| Error::away(chain(&error)))?;
        if status.is_success() {
            return serde_json::from_slice(&said).map_err(|error| Error::away(format!("{status}: {error}")));
        }
        let problem = Problem(serde_json::from_slice(&said).unwrap_or_default());
        if is_away(status) {
            return Err(Error::Away {
                why: format!("{} {}", status.as_u16(), problem.code()),
                retry_after: asked.map(Duration::from_secs),
                of_one_run: status == StatusCode::INTERNAL_SERVER_ERROR || problem.code() == "contended",
            });
        }
        Err(Error::Refused { status: status.as_u16(), problem })
    }
}

/// An error with what caused it, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    said
}
