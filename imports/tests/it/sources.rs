//! Files, read row by row.

use std::path::PathBuf;

use imports::{Row, Source, SourceError};
use serde_json::json;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::row;

fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

async fn rows(name: &str, content: impl AsRef<[u8]>) -> Result<Vec<(u64, Result<Row, String>)>, SourceError> {
    let (_folder, path) = file(name, content);
    let mut source = Source::file(path)?;
    let (mut rows, mut reached) = (Vec::new(), 0);
    while let Some(page) = source.next().await? {
        reached = page.last().unwrap().reached;
        rows.extend(page.into_iter().map(|row| (row.number, row.row)));
    }
    assert!(reached <= source.goal());
    Ok(rows)
}

#[tokio::test]
async fn lines_of_json() {
    let found = rows("a.ndjson", "\u{feff}{\"a\":1}\r\n\n{\"a\":\nnone\n{\"a\":2}").await.unwrap();
    let read = |at: usize| found[at].1.clone().unwrap();
    assert_eq!((found[0].0, read(0)), (1, row(json!({"a": 1}))));
    assert!(found[1].0 == 3 && found[1].1.is_err() && found[2].1.is_err());
    assert_eq!((found[3].0, read(3)), (5, row(json!({"a": 2}))));
}

#[tokio::test]
async fn comma_separated_values() {
    let text = "\u{feff}id,note\n1,\"a, \"\"b\"\"\nand more\"\n2,\n3\n";
    let found = rows("a.CSV", text).await.unwrap();
    assert_eq!(found[0].1.clone().unwrap(), row(json!({"id": "1", "note": "a, \"b\"\nand more"})));
    assert_eq!(found[1].1.clone().unwrap(), row(json!({"id": "2", "note": ""})));
    let why = found[2].1.clone().unwrap_err();
    assert!(why.contains("1 values for 2 columns"), "{why}");
    let latin = rows("a.csv", b"id\nM\xfcller\n").await.unwrap();
    assert_eq!(latin[0].1.clone().unwrap_err(), "id is no UTF-8");
    let twice = rows("a.csv", "id,id\n1,2\n").await.unwrap_err();
    assert!(twice.to_string().contains("twice"), "{twice}");
}

#[tokio::test]
async fn many_rows_come_all_and_in_order() {
    let text: String = (0..5_001).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let found = rows("a.jsonl", text).await.unwrap();
    assert_eq!(found.len(), 5_001);
    assert!(found.iter().zip(1..).all(|((number, row), n)| *number == n && row.is_ok()));
}

#[tokio::test]
async fn what_is_no_source_is_told() {
    let (_folder, path) = file("a.xlsx", "");
    let said = Source::file(path).unwrap_err().to_string();
    assert!(said.contains(".ndjson") && said.contains("postgres://"), "{said}");
    let said = Source::file(PathBuf::from("/nowhere/a.csv")).unwrap_err().to_string();
    assert!(said.contains("/nowhere/a.csv"), "{said}");
}

/// What a query gives, page by page, to its end or its error.
async fn queried(pool: &PgPool, query: &str) -> Result<Vec<Row>, SourceError> {
    let mut source = Source::postgres((*pool.connect_options()).clone(), query).await?;
    let (mut rows, goal) = (Vec::new(), source.goal());
    while let Some(page) = source.next().await? {
        rows.extend(page.into_iter().map(|row| row.row.unwrap()));
    }
    assert_eq!(rows.len() as u64, goal);
    Ok(rows)
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_query_gives_its_rows_as_json_and_its_errors_as_errors(pool: PgPool) {
    let of = "SELECT n, '2025-03-01 10:00:00+02'::timestamptz AS at, ARRAY['a', NULL] AS texts, '{\"a\": 1}'::jsonb AS json
        FROM generate_series(1, 5001) AS n; ";
    let rows = queried(&pool, of).await.unwrap();
    let last = json!({"n": 5001, "at": "2025-03-01T08:00:00+00:00", "texts": ["a", null], "json": {"a": 1}});
    assert_eq!(*rows.last().unwrap(), row(last));
    // Of a query that breaks on its way nobody must think that it was all.
    let broken =
        queried(&pool, "SELECT 1 / (4000 - n) FROM generate_series(1, 5001) AS n").await.unwrap_err();
    assert!(broken.to_string().contains("division by zero"), "{broken}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_query_can_not_write(pool: PgPool) {
    let writes = "CREATE FUNCTION public.writes() RETURNS int LANGUAGE sql AS
        $$ INSERT INTO public.rows_of_others VALUES (1) RETURNING 1 $$";
    for statement in ["CREATE TABLE public.rows_of_others (id int)", writes] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    let refused = queried(&pool, "SELECT public.writes()").await.unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");
}
