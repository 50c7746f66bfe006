//! Lists as tables, for spreadsheets: CSV (RFC 4180).

mod rows;

use axum::http::{HeaderMap, header};
use exports::spreadsheet_text;

/// What a table is called in `Content-Type`.
pub(crate) const MEDIA_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// A list that can be shown as a table.
pub(crate) trait Tabular {
    /// What its file is called: the answer's `Content-Disposition`.
    const DISPOSITION: &'static str;

    /// The names of its columns, and then its rows, each with a cell for every column.
    fn rows(&self) -> Box<dyn Iterator<Item = Vec<String>> + '_>;
}

/// The list as a table.
pub(crate) fn table(list: &impl Tabular) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in list.rows() {
        writer.write_record(row.iter().map(|cell| spreadsheet_text(cell).into_owned()))?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// Whether `Accept` asks for a table rather than for JSON (RFC 9110, section 12.5.1). It must name it: a browser that
/// takes anything is answered JSON.
pub(crate) fn is_preferred(headers: &HeaderMap) -> bool {
    let weight = |wanted: &str| {
        let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let mut ranges = lines.flat_map(|line| line.split(',')).map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            (name, weight.unwrap_or(0.0_f32))
        });
        ranges.find(|(name, _)| name == wanted).map_or(0.0, |(_, weight)| weight)
    };
    let table = weight("text/csv");
    table > 0.0 && table >= weight("application/json")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct List(Vec<Vec<String>>);

    impl Tabular for List {
        const DISPOSITION: &'static str = "attachment";

        fn rows(&self) -> Box<dyn Iterator<Item = Vec<String>> + '_> {
            Box::new(self.0.iter().cloned())
        }
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_are_no_formulas() {
        let row =
            ["plain", "a,b", "say \"so\"", "two\nlines", "=1+1", "+1", "-1", "@x", "\tx", "'quoted", ""];
        let table = table(&List(vec![row.map(str::to_owned).to_vec()])).unwrap();
        let expected = "plain,\"a,b\",\"say \"\"so\"\"\",\"two\nlines\",'=1+1,'+1,'-1,'@x,'\tx,'quoted,\r\n";
        assert_eq!(String::from_utf8(table).unwrap(), expected);
    }

    #[test]
    fn a_table_is_answered_where_it_is_asked_for() {
        for (accept, expected) in [
            ("text/csv", true),
            ("TEXT/CSV; header=present", true),
            ("text/csv, application/json;q=0.5", true),
            ("application/json, text/csv;q=0.5", false),
            ("text/csv;q=0", false),
            ("text/csv;q=x", false),
            ("*/*", false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("text/*", false),
            ("text/csv, */*;q=0.1", true),
        ] {
            let headers = [(header::ACCEPT, accept.parse().unwrap())].into_iter().collect();
            assert_eq!(is_preferred(&headers), expected, "{accept}");
        }
        assert!(!is_preferred(&HeaderMap::new()));
    }
}
