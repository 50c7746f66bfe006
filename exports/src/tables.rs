//! Tables for people with a spreadsheet: `events.csv` and `items.csv`.
//!
//! A spreadsheet takes a field that begins with `=` and the like for a formula and runs it. What a producer has sent is
//! never to be run, so such a field gets an apostrophe in front, by which a spreadsheet takes it for text.

use std::borrow::Cow;
use std::io::{self, Write};

use chrono::SecondsFormat;
use csv::{Terminator, Writer, WriterBuilder};
use domain::{Event, EventBody, Origin};
use eventlog::RecordedEvent;
use seal::entry::recorded_at;
use serde::Serialize;

use crate::archive::{Archive, Aside};
use crate::error::ExportError;
use crate::snapshot::RunRow;

/// By which a spreadsheet knows that a file is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What a formula begins with, in the spreadsheets that there are.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// The two tables, filled as the events come.
pub(crate) struct Tables {
    events: Writer<Aside>,
    items: Writer<Aside>,
}

#[derive(Serialize)]
struct EventRow<'a> {
    run: Option<u64>,
    run_id: String,
    revision: u64,
    event_id: String,
    r#type: Cow<'a, str>,
    recorded_at: Cow<'a, str>,
    occurred_at: String,
    actor: Cow<'a, str>,
    brought_by: String,
    request_id: Cow<'a, str>,
    correlation_id: Cow<'a, str>,
    causation_id: Cow<'a, str>,
    data: Cow<'a, str>,
}

#[derive(Serialize)]
struct ItemRow<'a> {
    run: u64,
    run_id: String,
    revision: u64,
    recorded_at: Cow<'a, str>,
    item: Cow<'a, str>,
    label: Cow<'a, str>,
    outcome: &'static str,
    reason_code: Cow<'a, str>,
    message: Cow<'a, str>,
}

/// A field that no spreadsheet runs: what begins as a formula does has an apostrophe in front.
#[must_use]
pub fn text(field: &str) -> Cow<'_, str> {
    if field.starts_with(FORMULA) { format!("'{field}").into() } else { field.into() }
}

fn table() -> io::Result<Writer<Aside>> {
    let mut file = Aside::new()?;
    file.write_all(BYTE_ORDER_MARK.as_bytes())?;
    Ok(WriterBuilder::new().terminator(Terminator::CRLF).from_writer(file))
}

impl Tables {
    pub fn new() -> io::Result<Self> {
        Ok(Self { events: table()?, items: table()? })
    }

    /// Adds an event of a run, or of the administration. `read` is what it says, where that can be read.
    pub fn add(
        &mut self,
        run: Option<&RunRow>,
        record: &RecordedEvent,
        read: Option<&Event>,
    ) -> Result<(), ExportError> {
        let data = String::from_utf8_lossy(&record.data);
        let recorded = recorded_at(&record.metadata);
        let run_id = run.map(|run| run.id.to_string()).unwrap_or_default();
        let (brought_by, request_id) = match read.and_then(|event| event.origin.as_ref()) {
            Some(Origin::Request { token_id, request_id }) => {
                (format!("token {token_id}"), request_id.as_str())
            }
            Some(own @ (Origin::Sweeper | Origin::Import)) => {
                (own.own_name().unwrap_or_default().to_owned(), "")
            }
            None => Default::default(),
        };
        let of = |get: fn(&Event) -> Option<&str>| text(read.and_then(get).unwrap_or_default());
        self.events.serialize(EventRow {
            run: run.map(|run| run.number),
            run_id: run_id.clone(),
            revision: record.revision,
            event_id: record.id.to_string(),
            r#type: text(&record.event_type),
            recorded_at: text(&recorded),
            occurred_at: read
                .map(|event| event.occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true))
                .unwrap_or_default(),
            actor: of(|event| Some(event.actor.as_str())),
            brought_by,
            request_id: text(request_id),
            correlation_id: of(|event| event.correlation_id.as_ref().map(|id| id.as_str())),
            causation_id: of(|event| event.causation_id.as_ref().map(|id| id.as_str())),
            data: text(&data),
        })?;
        let (Some(run), Some(told)) = (run, read.and_then(Told::of)) else { return Ok(()) };
        self.items.serialize(ItemRow {
            run: run.number,
            run_id,
            revision: record.revision,
            recorded_at: text(&recorded),
            item: text(told.item),
            label: text(told.label),
            outcome: told.outcome,
            reason_code: text(told.reason_code),
            message: text(told.message),
        })?;
        Ok(())
    }

    /// Puts them into the file.
    pub fn put_in(self, archive: &mut Archive, may_be_large: bool) -> Result<(), ExportError> {
        for (table, name) in [(self.events, "events.csv"), (self.items, "items.csv")] {
            let file = table
                .into_inner()
                .map_err(|error| ExportError::from(csv::Error::from(error.into_error())))?;
            file.put_in(archive, name, may_be_large)?;
        }
        Ok(())
    }
}

/// What an event tells of an item.
struct Told<'a> {
    item: &'a str,
    label: &'a str,
    outcome: &'static str,
    reason_code: &'a str,
    message: &'a str,
}

impl<'a> Told<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        let (item, label) = match &event.body {
            EventBody::ItemSucceeded(told) => (&told.item, &told.label),
            EventBody::ItemFailed(told) => (&told.item, &told.label),
            EventBody::ItemSkipped(told) => (&told.item, &told.label),
            _ => return None,
        };
        let (outcome, reason_code, message) = match &event.body {
            EventBody::ItemFailed(told) => ("failed", told.reason_code.as_str(), told.message.as_str()),
            EventBody::ItemSkipped(told) => {
                ("skipped", told.reason_code.as_ref().map_or("", |code| code.as_str()), "")
            }
            _ => ("succeeded", "", ""),
        };
        let label = label.as_ref().map_or("", |label| label.as_str());
        Some(Self { item: item.as_str(), label, outcome, reason_code, message })
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn no_field_begins_as_a_formula_does() {
        for formula in ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1"] {
            assert_eq!(text(formula), format!("'{formula}"));
        }
        for plain in ["", "a=b", "7", "{\"a\":1}"] {
            assert_eq!(text(plain), plain);
        }
    }
}
