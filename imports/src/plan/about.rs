//! What is said of a row's run itself.

use std::collections::BTreeMap;

use commands::StartRequest;
use domain::{Initiator, Kind, Labels, PrincipalId};
use redaction::{CleanText, MAX_CHARS};
use serde_json::{Map, Value};

use super::Planner;
use crate::choice::{Columns, Either};
use crate::report::Finding;
use crate::row::{Row, text};

/// The greatest number that every JSON reader keeps; what is beyond it is written as a text.
const MOST: u64 = 9_007_199_254_740_991;

impl Planner {
    pub(super) fn about(&self, row: &Row, notes: &mut Vec<Finding>) -> Result<StartRequest, Finding> {
        let mapping = &self.mapping;
        let said = mapping.context.iter();
        let said = said.filter_map(|(name, columns)| Some((name.clone(), row.first(columns)?.into_owned())));
        let mut context = Value::Object(said.collect::<Map<_, _>>());
        exact(&mut context);
        let mut start = self.start(self.kind(row)?, context);
        start.title = self.clean("title", mapping.title.as_ref(), row, notes);
        start.items_total = self.total(row)?;
        start.initiator = self.initiator(row, notes);
        let visible =
            |id: &String| domain::invisible(id).is_none() && redaction::recognized_secret(id).is_none();
        let correlation = mapping.correlation.as_ref().and_then(|column| row.text(column)).filter(visible);
        start.correlation_id = correlation.and_then(|id| id.parse().ok());
        let labels = mapping.labels.iter();
        let labels = labels.filter_map(|(name, columns)| {
            Some((name.clone(), self.clean(&format!("label {name}"), Some(columns), row, notes)?))
        });
        let labels = Labels::try_from(labels.collect::<BTreeMap<_, _>>());
        start.labels = labels.map_err(|error| Finding::new("bad_labels", error.to_string()))?;
        Ok(start)
    }

    /// The kind: what the columns say, in the letters that kinds have.
    fn kind(&self, row: &Row) -> Result<Kind, Finding> {
        let Either(kind) = &self.mapping.kind;
        let name = match &kind.always {
            Some(always) => always.clone(),
            None => {
                let words = kind.columns.iter().map(|column| {
                    row.get(column).map(|value| word(&text(&value))).ok_or_else(|| {
                        Finding::new("no_kind", format!("{column} is not set, and is a part of the kind"))
                    })
                });
                words.collect::<Result<Vec<_>, _>>()?.join(".")
            }
        };
        let name = format!("{}{name}", kind.prefix);
        name.parse()
            .map_err(|error: domain::InvalidId| Finding::new("bad_kind", format!("{name:?}: {error}")))
    }

    /// Who asked for it. An id that is none of a principal is left out: nobody would be told either way.
    fn initiator(&self, row: &Row, notes: &mut Vec<Finding>) -> Option<Initiator> {
        let of = self.mapping.initiator.as_ref()?;
        let id = format!("{}{}", of.prefix, row.text(&of.id)?);
        let wrong = match id.parse::<PrincipalId>() {
            Err(error) => error.to_string(),
            Ok(_) if domain::invisible(&id).is_some() => "it has characters that nobody sees".to_owned(),
            Ok(_) if redaction::recognized_secret(&id).is_some() => "it looks like a secret".to_owned(),
            Ok(principal) if principal.looks_like_system() => "it is a name of the ledger's own".to_owned(),
            Ok(principal) => {
                let name = self.clean("initiator's name", of.name.as_ref(), row, notes);
                return Some(Initiator { id: principal, name });
            }
        };
        notes.push(Finding::new("initiator_left_out", wrong));
        None
    }

    /// A text, as it is kept; what is lost of it is noted.
    pub(super) fn clean(
        &self,
        what: &str,
        columns: Option<&Columns>,
        row: &Row,
        notes: &mut Vec<Finding>,
    ) -> Option<CleanText> {
        self.clean_text(what, &row.text(columns?)?, notes)
    }

    /// Why it failed.
    pub(super) fn clean_message(&self, row: &Row, notes: &mut Vec<Finding>) -> Option<CleanText> {
        let raw = row.text(self.mapping.message.as_ref()?)?;
        self.clean_text("message", gist(&raw), notes)
    }

    fn clean_text(&self, what: &str, raw: &str, notes: &mut Vec<Finding>) -> Option<CleanText> {
        let clean = CleanText::new(raw);
        if clean.as_str().contains("[redacted:") && !raw.contains("[redacted:") {
            notes.push(Finding::new("redacted", format!("{what}: {clean}")));
        }
        if raw.trim().chars().count() > MAX_CHARS {
            notes.push(Finding::new("cut", format!("{what}: {} characters", raw.chars().count())));
        }
        Some(clean).filter(|clean| !clean.is_empty())
    }
}

/// Of a Python traceback what it ends with: that says what went wrong, and would be cut off.
fn gist(message: &str) -> &str {
    let Some(frames) =
        message.rfind("\n  File \"").filter(|_| message.starts_with("Traceback (most recent call last)"))
    else {
        return message;
    };
    // The lines of the last frame are indented, what was raised is not.
    let last = &message[frames + 1..];
    let mut behind = last.match_indices('\n').map(|(end, _)| &last[end + 1..]);
    behind.find(|rest| !rest.is_empty() && !rest.starts_with(char::is_whitespace)).unwrap_or(message)
}

/// A word of a kind.
fn word(said: &str) -> String {
    let legal = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.') => c,
        _ => '_',
    };
    let word: String = said.trim().chars().map(legal).collect();
    word.split('.').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(".")
}

/// Writes numbers that not every reader keeps as texts, as contexts must have them.
fn exact(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let beyond = number.as_u64().is_some_and(|it| it > MOST)
                || number.as_i64().is_some_and(|it| it.unsigned_abs() > MOST)
                || number.as_f64().is_some_and(|it| it.fract() == 0.0 && it.abs() > 9e15);
            if beyond {
                *value = Value::String(number.to_string());
            }
        }
        Value::Array(members) => members.iter_mut().for_each(exact),
        Value::Object(members) => members.values_mut().for_each(exact),
        _ => {}
    }
}
