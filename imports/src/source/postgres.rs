//! A query of a Postgres database, its rows as JSON. Nothing is written there.

use futures::StreamExt;
use serde_json::{Map, Value};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::mpsc;

use super::{PAGE, Page, SourceError, Sourced};
use crate::row::Row;

/// Begins to read, and says how many rows there are.
pub(super) async fn read(
    options: PgConnectOptions,
    query: &str,
    to: mpsc::Sender<Page>,
) -> Result<u64, SourceError> {
    let query = query.trim().trim_end_matches(';').to_owned();
    let mut database = PgConnection::connect_with(&options).await?;
    // One snapshot for the number and the rows; times with a zone are told in UTC.
    for setting in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "SET LOCAL TimeZone = 'UTC'",
        "SET LOCAL statement_timeout = 0",
    ] {
        sqlx::query(setting).execute(&mut database).await?;
    }
    // The operator's own query, under the operator's own rights there.
    let count = format!("SELECT count(*) FROM ({query}\n) AS source_rows");
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut database).await?;
    tokio::spawn(async move {
        if let Err(error) = stream(&mut database, &query, &to).await {
            drop(to.send(Err(error)).await);
        }
        drop(database.close().await);
    });
    Ok(count.unsigned_abs())
}

async fn stream(
    database: &mut PgConnection,
    query: &str,
    to: &mpsc::Sender<Page>,
) -> Result<(), SourceError> {
    let rows = format!("SELECT row_to_json(source_rows)::text FROM ({query}\n) AS source_rows");
    let mut rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(rows)).fetch(database);
    let mut page = Vec::with_capacity(PAGE);
    let mut number = 0;
    while let Some(json) = rows.next().await {
        number += 1;
        let row = serde_json::from_str::<Map<String, Value>>(&json?).map(Row);
        page.push(Sourced { number, reached: number, row: row.map_err(|error| error.to_string()) });
        if page.len() == PAGE
            && to.send(Ok(std::mem::replace(&mut page, Vec::with_capacity(PAGE)))).await.is_err()
        {
            return Ok(());
        }
    }
    if !page.is_empty() {
        drop(to.send(Ok(page)).await);
    }
    Ok(())
}
