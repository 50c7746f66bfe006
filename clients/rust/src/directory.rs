//! What ids are called: sent in batches, and again where the ledger does not answer.

use std::fmt::Display;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use redaction::CleanText;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::event::now;
use crate::ledger::Ledger;
use crate::sender::Sender;

#[derive(Deserialize)]
struct Recorded {
    recorded: u64,
}

impl Ledger {
    /// Says what ids of a namespace are called, `as_of` when they were read; now, without. How many of the names the ledger
    /// did not know. Names may be said again at any time: the newest counts, in whatever order they come.
    ///
    /// # Errors
    /// [`Error::Away`], and [`Error::Refused`] where a name is wrong. What was sent before stays.
    pub async fn directory<I: Display, N: Display>(
        &self,
        namespace: &str,
        names: impl IntoIterator<Item = (I, N)>,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<u64, Error> {
        let as_of = as_of.unwrap_or_else(now);
        let mut entries = names.into_iter().map(|(id, name)| {
            let name = CleanText::new(&name.to_string());
            json!({"namespace": namespace, "id": id.to_string(), "name": name, "as_of": as_of})
        });
        let mut recorded = 0;
        loop {
            let sender = Arc::clone(&self.0.sender);
            let batch: Vec<Value> = entries.by_ref().take(sender.limits.batch_events).collect();
            if batch.is_empty() {
                return Ok(recorded);
            }
            let body = json!({"entries": batch}).to_string();
            recorded += self.0.background.does(async move { post(&sender, body).await }).await??.recorded;
        }
    }
}

/// Asks again for as long as a request may take.
async fn post(sender: &Sender, body: String) -> Result<Recorded, Error> {
    let time = sender.limits.request_timeout;
    let (deadline, mut failures) = (Instant::now() + time, 0);
    loop {
        match sender.transport.request(Method::POST, "/directory", time, Some(body.clone()), None).await {
            Err(Error::Away { why, retry_after, of_one_run }) => {
                failures += 1;
                let pause = sender.limits.pause(failures, retry_after);
                if Instant::now() + pause > deadline {
                    return Err(Error::Away { why, retry_after, of_one_run });
                }
                sleep(pause).await;
            }
            answer => return answer,
        }
    }
}
