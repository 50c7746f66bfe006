//! Files, read row by row.

use std::path::PathBuf;

use imports::{Row, Source, SourceError};
use serde_json::json;
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
