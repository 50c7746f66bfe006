//! The transactional outbox: what is to be reported is committed together with the caller's own rows, or not at all.
//!
//! [`Outbox`] writes rows into a table of the caller's Postgres or SQLite; [`Relay`] takes committed ones to the ledger, in
//! order, as often as it must: ids are fixed, so the ledger has each once.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::RunId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{Database, Pool};
use uuid::Uuid;

use crate::delivery;
use crate::dispatch::Ticket;
use crate::error::Error;
use crate::event::Event;
use crate::ledger::Ledger;
use crate::start::Start;
use crate::table::Table;

/// Starts that were sent stay so long.
const KEEP: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Rows of one step.
const STEP: i64 = 1_000;
/// The longest pause where the database or the ledger is away.
const LONGEST: Duration = Duration::from_secs(30);

/// Why a step was not possible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The ledger is away, or does not take the token.
    #[error(transparent)]
    Ledger(#[from] Error),
    /// The database says no.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// Somebody has changed a row.
    #[error("the outbox's row {seq} can't be read: {source}")]
    Unreadable {
        /// Which.
        seq: i64,
        /// What the parser says.
        source: serde_json::Error,
    },
}

/// The body of a row, in the form of all clients.
#[derive(Serialize, Deserialize)]
struct Part {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<Value>,
    #[serde(default)]
    run_id: Option<RunId>,
}

/// Writes with the caller's connection, in the caller's transaction, and never commits. Unlike reports it fails where the
/// database does: the transaction is lost then anyway.
#[derive(Debug, Clone, Copy)]
pub struct Outbox;

impl Outbox {
    /// A run, from the commit on, with its first [`events`](Start::events). Gives its ticket, to be enqueued in the same
    /// transaction.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn start(self, connection: &mut impl Table, start: Start) -> Result<Ticket, sqlx::Error> {
        let (start, reference) = (start.body(), Uuid::new_v4().to_string());
        let part = Part { start: Some(start.clone()), event: None, run_id: None };
        connection.insert(&reference, &json!(part).to_string()).await?;
        Ok(Ticket { run_id: None, start, reference: Some(reference) })
    }

    /// An event of a run, such as [`event::completed`](crate::event::completed).
    ///
    /// # Errors
    /// Those of the database.
    pub async fn report(
        self,
        connection: &mut impl Table,
        ticket: &Ticket,
        event: &Event,
    ) -> Result<(), sqlx::Error> {
        let named = || ticket.run_id.map(|run| run.to_string());
        let by_start = || ticket.start["ref"]["id"].as_str().unwrap_or_default().to_owned();
        let reference = ticket.reference.clone().or_else(named).unwrap_or_else(by_start);
        let part =
            Part { start: Some(ticket.start.clone()), event: Some(json!(event)), run_id: ticket.run_id };
        connection.insert(&reference, &json!(part).to_string()).await
    }
}

/// Takes committed rows to the ledger. Several may run: what one sends again is known by its id.
pub struct Relay<D: Database> {
    pool: Pool<D>,
    ledger: Ledger,
}

impl<D: Database> Clone for Relay<D> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), ledger: self.ledger.clone() }
    }
}

impl Ledger {
    /// Starts and events that are committed with the caller's transaction, or not at all.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        Outbox
    }

    /// What takes them to the ledger: `ledger.relay(pool).run(every)`.
    #[must_use]
    pub fn relay<D: Database<Connection: Table>>(&self, pool: Pool<D>) -> Relay<D> {
        Relay { pool, ledger: self.clone() }
    }
}

impl<D: Database<Connection: Table>> Relay<D> {
    /// Until its future is dropped, which may be at any time. Neither an absent ledger nor an absent database ends it.
    /// `every`: how often it is looked for new rows.
    pub async fn run(&self, every: Duration) {
        let mut failures = 0_u32;
        loop {
            match self.step().await {
                Ok(0) => failures = 0,
                Ok(_) => {
                    failures = 0;
                    continue;
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(%error, "the outbox waits");
                    }
                }
            }
            let most = every.saturating_mul(1 << failures.min(6)).min(LONGEST);
            tokio::time::sleep(most / 2 + (most / 2).mul_f64(rand::random())).await;
        }
    }

    /// Sends the oldest rows; how many there were.
    ///
    /// # Errors
    /// See [`RelayError`]; what was sent is known, and the rest is sent by the next step.
    pub async fn step(&self) -> Result<usize, RelayError> {
        let rows = self.pool.acquire().await?.unsent(STEP).await?;
        let count = rows.len();
        let mut runs: Vec<(String, Vec<(i64, Part)>)> = Vec::new();
        for (seq, reference, body) in rows {
            let part =
                serde_json::from_str(&body).map_err(|source| RelayError::Unreadable { seq, source })?;
            match runs.iter_mut().find(|(other, _)| *other == reference) {
                Some((_, parts)) => parts.push((seq, part)),
                None => runs.push((reference, vec![(seq, part)])),
            }
        }
        for (reference, parts) in runs {
            self.send(&reference, parts).await?;
        }
        self.pool.acquire().await?.forget(seconds() - KEEP.as_secs_f64()).await?;
        Ok(count)
    }

    async fn send(&self, reference: &str, parts: Vec<(i64, Part)>) -> Result<(), RelayError> {
        let sender = &self.ledger.0.sender;
        let done: Vec<i64> = match self.tell(reference, &parts).await {
            Ok(()) => parts.iter().filter(|(_, part)| part.event.is_some()).map(|(seq, _)| *seq).collect(),
            Err(RelayError::Ledger(Error::Refused { status, problem })) if !matches!(status, 401 | 403) => {
                for (_, part) in &parts {
                    sender.refused(part.run_id, json!(part), &problem);
                }
                parts.iter().map(|(seq, _)| *seq).collect()
            }
            Err(error) => return Err(error),
        };
        self.pool.acquire().await?.remove(&json!(done).to_string()).await?;
        Ok(())
    }

    async fn tell(&self, reference: &str, parts: &[(i64, Part)]) -> Result<(), RelayError> {
        let run = self.run_id(reference, parts).await?;
        let events = parts.iter().filter_map(|(_, part)| part.event.as_ref());
        let lines: Vec<String> = events.map(Value::to_string).collect();
        let sender = Arc::clone(&self.ledger.0.sender);
        let sending = Arc::clone(&sender);
        let sent = async move {
            delivery::append(&sending.transport, run, lines, sending.limits.request_timeout).await
        };
        for delivery::Rejected { line, problem } in self.ledger.0.background.does(sent).await?? {
            sender.refused(Some(run), serde_json::from_str(&line).unwrap_or_default(), &problem);
        }
        Ok(())
    }

    /// As the ledger told it, now or before. It is kept before anything builds on it.
    async fn run_id(&self, reference: &str, parts: &[(i64, Part)]) -> Result<RunId, RelayError> {
        let kept = self.pool.acquire().await?.run_of(reference).await?;
        let first = parts.first();
        let known = kept.and_then(|run| run.parse().ok()).or_else(|| first?.1.run_id);
        let run = match known {
            Some(run) => run,
            None => {
                let start = first.and_then(|(_, part)| part.start.clone()).unwrap_or_default();
                let sender = Arc::clone(&self.ledger.0.sender);
                let time = sender.limits.request_timeout;
                let asked = async move { delivery::begin(&sender.transport, &start, time).await };
                self.ledger.0.background.does(asked).await??
            }
        };
        for (seq, _) in parts.iter().filter(|(_, part)| part.event.is_none()) {
            self.pool.acquire().await?.sent(*seq, &run.to_string(), seconds()).await?;
        }
        Ok(run)
    }
}

/// Now, as the table keeps it.
#[expect(clippy::cast_precision_loss, reason = "a double has enough of them")]
fn seconds() -> f64 {
    Utc::now().timestamp() as f64
}
