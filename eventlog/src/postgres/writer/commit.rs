//! One try to commit a batch.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};

use super::super::batch::{Plan, plan};
use super::super::queue::Request;
use super::super::statements::{self as sql, Failure};
use super::{AppendMode, Committed, Writer};
use crate::port::ExpectedRevision;

/// Of more foreign events than this, their streams are forgotten rather than read.
const MOST_FOREIGN: u64 = 10_000;

impl Writer {
    pub(super) async fn attempt(
        &mut self,
        requests: &[Request],
        mode: AppendMode,
    ) -> Result<Committed, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let committed = if self.shared || mode == AppendMode::InDoubt {
            self.with_lock(&mut connection, requests, mode).await
        } else {
            self.alone(&mut connection, requests).await
        };
        // Only a statement that was answered leaves a connection that can be used again.
        if !matches!(committed, Err(Failure::Lost(_))) {
            self.connection = Some(connection);
        }
        committed
    }

    async fn connect(&mut self) -> Result<PgConnection, Failure> {
        let mut connection =
            self.options.connect().await.map_err(|error| Failure::Lost(error.to_string()))?;
        // The database gives a lock up a little before we give the database up: then nothing is in doubt.
        sql::configure_session(&mut connection, self.config.give_up_after * 3 / 4).await?;
        self.heads.clear();
        self.head = sql::head(&mut connection).await?;
        Ok(connection)
    }

    /// One statement, which only works if no other process has appended.
    async fn alone(&mut self, db: &mut PgConnection, requests: &[Request]) -> Result<Committed, Failure> {
        let heads = self.heads_for(db, requests, AppendMode::Optimistic).await?;
        let mut plan = plan(requests, &heads);
        look_for_repeats(db, requests, &heads, &mut plan).await?;
        if plan.rows.is_empty() {
            // Refusals, too, are only right if no other process has appended.
            if sql::head(db).await? != self.head {
                return Err(Failure::Foreign);
            }
        } else {
            sql::insert(db, &plan.rows, plan.events, self.head).await?;
        }
        Ok(self.keep(plan))
    }

    /// Under the lock: whatever others have appended is known before any append is checked.
    async fn with_lock(
        &mut self,
        db: &mut PgConnection,
        requests: &[Request],
        mode: AppendMode,
    ) -> Result<Committed, Failure> {
        let mut tx = db.begin().await?;
        let head = sql::lock_head(&mut tx).await?;
        if head < self.head {
            return Err(Failure::Corrupt(format!("its head went back from {} to {head}", self.head)));
        }
        let foreign = head - self.head;
        if foreign > MOST_FOREIGN {
            self.heads.clear();
        } else if foreign > 0 {
            for (stream, revision) in sql::moved_since(&mut tx, self.head).await? {
                self.heads.moved(&stream, revision);
            }
        }
        self.head = head;
        let heads = self.heads_for(&mut tx, requests, mode).await?;
        let mut plan = plan(requests, &heads);
        look_for_repeats(&mut tx, requests, &heads, &mut plan).await?;
        if !plan.rows.is_empty() {
            sql::insert(&mut tx, &plan.rows, plan.events, head).await?;
        }
        // A commit whose answer is lost is in doubt, however the database words it.
        tx.commit().await.map_err(|error| Failure::Lost(error.to_string()))?;
        self.shared = foreign > 0;
        Ok(self.keep(plan))
    }

    /// The heads of the batch's streams that have events: those that the writer knows, and from the
    /// database those that it does not. Of a stream that is not known and expected to be new, nothing is
    /// read unless there is doubt: if it is not new, the unique index objects.
    async fn heads_for<'a>(
        &mut self,
        db: &mut PgConnection,
        requests: &'a [Request],
        mode: AppendMode,
    ) -> Result<HashMap<&'a str, u64>, Failure> {
        let mut heads = HashMap::new();
        let mut unknown = HashSet::new();
        for Request { append, .. } in requests {
            let stream = append.stream.as_str();
            match self.heads.get(stream) {
                Some(Some(head)) => drop(heads.insert(stream, head)),
                Some(None) => {}
                None if mode == AppendMode::Optimistic && append.expected == ExpectedRevision::NoStream => {}
                None => drop(unknown.insert(stream)),
            }
        }
        if !unknown.is_empty() {
            let unknown: Vec<&str> = unknown.into_iter().collect();
            for (stream, head) in unknown.iter().zip(sql::heads_of(db, &unknown).await?) {
                self.heads.put(stream, head);
                if let Some(head) = head {
                    heads.insert(stream, head);
                }
            }
        }
        Ok(heads)
    }

    /// Takes over what the batch has changed.
    fn keep(&mut self, plan: Plan<'_>) -> Committed {
        let before = self.head;
        self.head += plan.events as u64;
        for (stream, head) in &plan.moved {
            self.heads.put(stream, Some(*head));
        }
        Committed { verdicts: plan.verdicts, before }
    }
}

/// An append whose expectation does not hold may be one that is there already.
async fn look_for_repeats<'a>(
    db: &mut PgConnection,
    requests: &'a [Request],
    heads: &HashMap<&str, u64>,
    plan: &mut Plan<'a>,
) -> Result<(), Failure> {
    let wanted = plan.wanted(requests, heads);
    if !wanted.is_empty() {
        let found = sql::there(db, &wanted).await?;
        plan.resolve_repeats(requests, &wanted, &found);
    }
    Ok(())
}
