//! Rows become events as their mappings say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod importer;
mod mapped;
mod ready;
mod sources;

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use commands::{Commands, Keys};
use domain::EventBody;
use domain::key::IdempotencySecret;
use eventlog::memory::MemoryLog;
use imports::{Mapping, Planner, Row, Settings, Step, Unfinished, Zone, ready as ready_mapping};
use serde_json::Value;

/// The time at which all tests import.
pub fn now() -> DateTime<Utc> {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

pub fn settings() -> Settings {
    Settings {
        tenant: "acme".parse().unwrap(),
        actor: "ann@desk-7".parse().unwrap(),
        zone: None,
        unfinished: None,
        now: now(),
    }
}

pub fn commands() -> Commands {
    Commands::new(Arc::new(MemoryLog::new()), Keys::new(IdempotencySecret::from([7; 32])))
}

pub fn row(columns: Value) -> Row {
    let Value::Object(columns) = columns else { panic!("{columns} is no row") };
    Row(columns)
}

/// What a row becomes, in a line: its key, status and events with their times, then what was noted.
pub fn told(planner: &Planner, columns: Value) -> String {
    match planner.plan(&row(columns)) {
        Step::LeaveOut(why) => format!("left out: {why}"),
        Step::Refuse(_, finding) => format!("refused: {}", finding.code),
        Step::Import(planned) => {
            let rehearsed = match commands().rehearse_import(planned.request.clone()) {
                Ok(rehearsed) => rehearsed,
                Err(error) => return format!("refused: {error}"),
            };
            let start = &planned.request.start;
            let at = |time: Option<DateTime<Utc>>| time.unwrap().format("%F %T").to_string();
            let status = rehearsed.run.status.unwrap().as_str();
            let mut line = format!("{} {} {status}: {}", planned.key, start.kind, at(start.occurred_at));
            for event in &start.events {
                let name = event.body.type_name();
                write!(line, ", {name} {}", at(event.occurred_at)).unwrap();
                match &event.body {
                    EventBody::Completed(completed) => {
                        if let Some(tally) = completed.tally {
                            let counts = domain::Counts::from(tally);
                            write!(line, " {}/{}/{}", counts.succeeded, counts.failed, counts.skipped)
                                .unwrap();
                        }
                    }
                    EventBody::Failed(failed) => write!(line, " {}", failed.reason_code).unwrap(),
                    EventBody::Aborted(failed) => write!(line, " {}", failed.reason_code).unwrap(),
                    _ => {}
                }
            }
            let notes: Vec<_> = planned.notes.iter().map(|note| note.code).collect();
            if !notes.is_empty() {
                write!(line, "; {}", notes.join(", ")).unwrap();
            }
            line
        }
    }
}

pub fn planner(mapping: &str, unfinished: Option<Unfinished>, zone: Option<&str>) -> Planner {
    let mapping = match ready_mapping(mapping).unwrap() {
        Some(mapping) => mapping,
        None => Mapping::parse(mapping).unwrap(),
    };
    let zone = zone.map(|zone| zone.parse::<Zone>().unwrap());
    Planner::new(mapping, Settings { unfinished, zone, ..settings() }).unwrap()
}
