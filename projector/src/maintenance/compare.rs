//! The live tables beside tables that were folded from the log, row by row.

use std::fmt;

use domain::RunId;
use eventlog::EventLog;
use eventlog::streams::{StreamKind, check, stream_kind};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use super::shadow;
use crate::error::{ProjectorError, unsigned};

/// How many differences are told one by one.
const TOLD: usize = 100;

/// Columns that say when something was written, and nothing that the log knows.
const OURS: [&str; 1] = ["held_at"];

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// How many rows there should be.
    pub rows: u64,
    /// How many rows are wrong.
    pub wrong: u64,
    /// The first 100 of them in each table.
    pub differences: Vec<Difference>,
    /// The first event of each stream that the log can't give any more, of the first 100 such streams. The rows of
    /// their runs need not be what is wrong.
    pub unreadable: Vec<Unreadable>,
}

/// An event that the log has and that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// In which stream.
    pub stream: String,
    /// Its place there.
    pub revision: u64,
    /// Why it can't be read.
    pub error: String,
}

/// A row that is not as the log says.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Which table, such as `runs`.
    pub table: String,
    /// The row's primary key: names and values.
    pub key: Vec<(String, Value)>,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Wrong {
    /// The log says that it should be there.
    Missing,
    /// The log knows nothing of it.
    OneTooMany,
    /// These columns are not as the log says: name, value in the table, value by the log.
    Changed(Vec<(String, Value, Value)>),
}

/// Which rows are compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    All,
    /// The rows of a run, which has this stream. Counters are of no run.
    Run(RunId, &'a str),
}

impl Findings {
    /// Takes in those of another comparison.
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.wrong += other.wrong;
        self.differences.extend(other.differences);
        self.unreadable.extend(other.unreadable);
    }
}

/// Compares all tables of `projection` with those of another schema.
pub(super) async fn compare(
    db: &mut PgConnection,
    other: &str,
    which: Which<'_>,
    told: &(dyn Fn(&str) + Sync),
) -> Result<Findings, ProjectorError> {
    let mut findings = Findings::default();
    for table in shadow::names(&mut *db).await? {
        let columns = Columns::of(&mut *db, &table).await?;
        let Some(filter) = columns.filter(which) else { continue };
        told(&table);
        findings.add(columns.compare(&mut *db, &table, other, &filter).await?);
    }
    Ok(findings)
}

/// The streams of runs that the fold of the log into another schema holds, because the log itself can't give the
/// event at which it stopped.
pub(super) async fn unreadable(
    db: &mut PgConnection,
    log: &dyn EventLog,
    other: &str,
) -> Result<Vec<Unreadable>, ProjectorError> {
    let sql = format!(
        "SELECT DISTINCT ON (stream) stream, revision FROM {other}.dead_letters
         ORDER BY stream, revision LIMIT {TOLD}"
    );
    let quarantined: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(db).await?;
    let mut unreadable = Vec::new();
    for (stream, revision) in quarantined {
        let revision = unsigned(revision)?;
        // Other streams are nobody's rows.
        if !matches!(stream_kind(&stream), StreamKind::Run | StreamKind::Admin | StreamKind::Directory) {
            continue;
        }
        let found = log.read_stream(&stream, revision, 1).await?;
        let fault = found.first().filter(|record| record.revision == revision).map(check);
        if let Some(Err(error)) = fault {
            unreadable.push(Unreadable { stream, revision, error: error.to_string() });
        }
    }
    Ok(unreadable)
}

/// The columns of a table.
struct Columns {
    /// The first one of the key, which is never NULL.
    first: String,
    key: Vec<String>,
    all: Vec<String>,
}

impl Columns {
    async fn of(db: &mut PgConnection, table: &str) -> Result<Self, ProjectorError> {
        let columns: Vec<(String, bool)> = sqlx::query_as(
            "SELECT quote_ident(a.attname), a.attnum = ANY(i.indkey::smallint[])
             FROM pg_attribute AS a JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
             WHERE a.attrelid = format('projection.%I', $1)::regclass AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY a.attnum",
        )
        .bind(table)
        .fetch_all(db)
        .await?;
        let key: Vec<String> = columns.iter().filter(|(_, key)| *key).map(|(name, _)| name.clone()).collect();
        let Some(first) = key.first().cloned() else { return Err(ProjectorError::NoKey(table.to_owned())) };
        let all = columns.into_iter().map(|(name, _)| name).filter(|name| !OURS.contains(&name.as_str()));
        Ok(Self { first, key, all: all.collect() })
    }

    /// The condition for the rows; none where the table has no such rows.
    fn filter(&self, which: Which<'_>) -> Option<String> {
        let has = |name: &str| self.all.iter().any(|column| column == name);
        match which {
            Which::All => Some("true".into()),
            Which::Run(run, _) if has("run_id") => Some(format!("run_id = '{run}'")),
            // The name may be anybody's: a log takes any.
            Which::Run(_, stream) if has("stream") => {
                Some(format!("stream = '{}'", stream.replace('\'', "''")))
            }
            Which::Run(..) => None,
        }
    }

    /// Rows are compared as text: json, which has no order of its own, then differs in any byte.
    async fn compare(
        &self,
        db: &mut PgConnection,
        table: &str,
        other: &str,
        filter: &str,
    ) -> Result<Findings, ProjectorError> {
        let row = |of: &str| {
            let columns: Vec<String> = self.all.iter().map(|column| format!("{of}.{column}")).collect();
            format!("ROW({})::text", columns.join(", "))
        };
        let key = self.key.join(", ");
        let exists = |of: &str| format!("{of}.{} IS NOT NULL", self.first);
        let differing = format!(
            "FROM (SELECT * FROM projection.{table} WHERE {filter}) AS live
             FULL JOIN (SELECT * FROM {other}.{table} WHERE {filter}) AS folded USING ({key})
             WHERE {} IS DISTINCT FROM {}",
            row("live"),
            row("folded")
        );
        let sql = format!(
            "SELECT (SELECT count(*) FROM {other}.{table} WHERE {filter}), (SELECT count(*) {differing})"
        );
        let (rows, wrong): (i64, i64) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut *db).await?;
        let mut findings =
            Findings { rows: rows.unsigned_abs(), wrong: wrong.unsigned_abs(), ..Findings::default() };
        if wrong > 0 {
            let sql = format!(
                "SELECT CASE WHEN {} THEN to_jsonb(live) END, CASE WHEN {} THEN to_jsonb(folded) END
                 {differing} ORDER BY {key} LIMIT {TOLD}",
                exists("live"),
                exists("folded")
            );
            let pairs: Vec<(Option<Value>, Option<Value>)> =
                sqlx::query_as(AssertSqlSafe(sql)).fetch_all(db).await?;
            findings
                .differences
                .extend(pairs.into_iter().map(|(live, folded)| self.told(table, live, folded)));
        }
        Ok(findings)
    }

    fn told(&self, table: &str, live: Option<Value>, folded: Option<Value>) -> Difference {
        let of = |row: &Option<Value>, column: &str| {
            row.as_ref().and_then(|row| row.get(column)).cloned().unwrap_or_default()
        };
        let known = if live.is_some() { &live } else { &folded };
        let key = self.key.iter().map(|column| (column.clone(), of(known, column))).collect();
        let wrong = match (&live, &folded) {
            (None, _) => Wrong::Missing,
            (_, None) => Wrong::OneTooMany,
            _ => Wrong::Changed(
                self.all
                    .iter()
                    .map(|column| (column.clone(), of(&live, column), of(&folded, column)))
                    .filter(|(_, live, folded)| live != folded)
                    .collect(),
            ),
        };
        Difference { table: table.to_owned(), key, wrong }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        for (name, value) in &self.key {
            write!(f, " {name}={}", short(value))?;
        }
        match &self.wrong {
            Wrong::Missing => f.write_str(": missing"),
            Wrong::OneTooMany => f.write_str(": one too many, the log knows nothing of it"),
            Wrong::Changed(columns) if columns.is_empty() => {
                f.write_str(": changed in how its JSON is written")
            }
            Wrong::Changed(columns) => {
                for (place, (name, live, folded)) in columns.iter().enumerate() {
                    let start = if place == 0 { ":" } else { "," };
                    write!(f, "{start} {name} is {}, by the log {}", short(live), short(folded))?;
                }
                Ok(())
            }
        }
    }
}

/// A value for a line of text.
fn short(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
