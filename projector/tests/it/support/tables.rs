//! The read tables as a test sees them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use eventlog::Position;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use super::run_id;

const NAMES: [&str; 14] = [
    "checkpoints",
    "runs",
    "run_labels",
    "run_items",
    "run_events",
    "notifications",
    "run_counts",
    "run_children",
    "run_refs",
    "run_hours",
    "run_durations",
    "dead_letters",
    "admin_events",
    "directory",
];

/// All rows of all tables in a fixed order, but for our own clock's times.
#[derive(Debug, Clone, PartialEq)]
pub struct Tables(BTreeMap<&'static str, Vec<Value>>);

impl Tables {
    pub async fn dump(pool: &PgPool) -> Self {
        let mut tables = BTreeMap::new();
        for name in NAMES {
            let sql =
                format!("SELECT row_to_json(t) FROM projection.{name} AS t ORDER BY row_to_json(t)::text");
            let mut rows: Vec<Value> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap();
            for row in &mut rows {
                let row = row.as_object_mut().unwrap();
                for aside in ["updated_at", "fence", "lease_until"] {
                    row.remove(aside);
                }
                row.remove("held_at");
            }
            tables.insert(name, rows);
        }
        Self(tables)
    }

    pub fn rows(&self, table: &str) -> &[Value] {
        &self.0[table]
    }

    /// The rows of a table that are about a run.
    pub fn of_run(&self, table: &str, n: u8) -> Vec<&Value> {
        let id = json!(run_id(n).to_string());
        self.rows(table).iter().filter(|row| row["run_id"] == id).collect()
    }

    #[track_caller]
    pub fn run(&self, n: u8) -> &Value {
        let rows = self.of_run("runs", n);
        assert_eq!(rows.len(), 1, "run {n} has a row");
        rows[0]
    }

    pub fn checkpoint(&self) -> Position {
        Position(self.0["checkpoints"][0]["position"].as_u64().unwrap())
    }

    /// The columns of the rows, where given.
    pub fn columns(rows: &[&Value], names: &[&str]) -> Vec<Value> {
        rows.iter().map(|row| names.iter().map(|name| row[*name].clone()).collect()).collect()
    }

    /// Fails unless the row of a run has these values.
    #[track_caller]
    pub fn then_run(&self, n: u8, expected: &Value) -> &Self {
        let row = self.run(n);
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&row[name], value, "{name} of {row:#}");
        }
        self
    }

    /// Positions, revisions and errors of what is quarantined.
    pub fn quarantined(&self) -> Vec<(u64, u64, String)> {
        let row = |row: &Value| {
            let number = |name: &str| row[name].as_u64().unwrap();
            (number("position"), number("revision"), row["error"].as_str().unwrap().to_owned())
        };
        let mut held: Vec<_> = self.rows("dead_letters").iter().map(row).collect();
        held.sort();
        held
    }
}

/// How Postgres writes a time in JSON.
pub fn time(at: Option<DateTime<Utc>>) -> Value {
    at.map_or(Value::Null, |at| json!(at.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()))
}

/// Empties the tables as a rebuild does.
pub async fn start_over(pool: &PgPool) {
    let mut tx = database::begin(pool).await.unwrap();
    sqlx::query("UPDATE projection.checkpoints SET position = 0").execute(&mut *tx).await.unwrap();
    for name in NAMES.into_iter().filter(|name| *name != "checkpoints") {
        let sql = format!("DELETE FROM projection.{name}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Waits until somebody in the database waits for a lock.
pub async fn until_somebody_waits(pool: &PgPool) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    super::until("somebody to wait for a lock", async || {
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(pool).await.unwrap();
        (waiting > 0).then_some(())
    })
    .await;
}
