//! CSV (RFC 4180) whose first line has the columns' names. Every value is a text.

use std::fs::File;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use serde_json::{Map, Value};

use super::{Pages, SourceError, Sourced};
use crate::row::Row;

pub(super) fn read(path: &Path, file: File, pages: &mut Pages) -> Result<(), SourceError> {
    let wrong = |why: String| SourceError::Csv { path: path.to_owned(), why };
    let mut reader = ReaderBuilder::new().flexible(true).buffer_capacity(1 << 20).from_reader(file);
    let names = reader.headers().map_err(|error| wrong(error.to_string()))?.clone();
    let names: Vec<String> =
        names.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(wrong(format!("the column {:?} stands in its first line twice", twice.1)));
    }
    let mut record = ByteRecord::new();
    let mut number = 0;
    while reader.read_byte_record(&mut record).map_err(|error| wrong(error.to_string()))? {
        number += 1;
        let reached = reader.position().byte();
        if !pages.push(Sourced { number, reached, row: row(&names, &record) }) {
            return Ok(());
        }
    }
    pages.flush();
    Ok(())
}

fn row(names: &[String], record: &ByteRecord) -> Result<Row, String> {
    if record.len() != names.len() {
        let (has, wanted) = (record.len(), names.len());
        return Err(format!("it has {has} values for {wanted} columns: is a quotation mark missing?"));
    }
    let columns = names.iter().zip(record).map(|(name, value)| {
        let value = std::str::from_utf8(value).map_err(|_| format!("{name} is no UTF-8"))?;
        Ok((name.clone(), Value::String(value.to_owned())))
    });
    columns.collect::<Result<Map<_, _>, String>>().map(Row)
}
