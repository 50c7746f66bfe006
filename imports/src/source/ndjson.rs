//! JSON lines: an object a line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

use super::{Pages, SourceError, Sourced};
use crate::row::Row;

pub(super) fn read(path: &Path, file: File, pages: &mut Pages) -> Result<(), SourceError> {
    let mut lines = BufReader::with_capacity(1 << 20, file);
    let (mut number, mut reached) = (0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line);
        let read = read.map_err(|source| SourceError::File { path: path.to_owned(), source })?;
        if read == 0 {
            pages.flush();
            return Ok(());
        }
        (number, reached) = (number + 1, reached + read as u64);
        let json = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line).trim_ascii();
        if json.is_empty() {
            continue;
        }
        let row = serde_json::from_slice::<Map<String, Value>>(json).map(Row);
        let row = row.map_err(|error| format!("this line is no JSON object: {error}"));
        if !pages.push(Sourced { number, reached, row }) {
            return Ok(());
        }
    }
}
