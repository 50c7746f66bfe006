//! Why an export is refused, and where.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

/// What in the export a refusal is about. What does not apply is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file within the zip, or the member of a receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<&'static str>,
    /// The line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The number of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
    /// The event's revision in its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// The export does not prove what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{place}{what}")]
pub struct Refused {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Why.
    pub what: String,
}

impl Place {
    /// A file.
    #[must_use]
    pub fn file(file: &'static str) -> Self {
        Self { file: Some(file), ..Self::default() }
    }

    /// A line of a file.
    #[must_use]
    pub fn line(file: &'static str, line: u64) -> Self {
        Self { line: Some(line), ..Self::file(file) }
    }

    /// The same place, of a run.
    #[must_use]
    pub fn run(self, number: u64, id: Uuid) -> Self {
        Self { run: Some(number), run_id: Some(id), ..self }
    }

    /// The same place, of an event.
    #[must_use]
    pub fn revision(self, revision: u64) -> Self {
        Self { revision: Some(revision), ..self }
    }

    /// A refusal that is about this.
    pub fn refused(self, what: impl fmt::Display) -> Refused {
        Refused { place: self, what: shown(&what.to_string()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(file) = self.file else { return Ok(()) };
        f.write_str(file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let (Some(run), Some(id)) = (self.run, self.run_id) {
            write!(f, ", run {run} ({id})")?;
        }
        if let Some(revision) = self.revision {
            write!(f, ", revision {revision}")?;
        }
        f.write_str(": ")
    }
}

/// The longest text that is shown, in characters.
const MOST_SHOWN: usize = 500;

/// A text from the export as it can be shown on a terminal: everything but plain ASCII escaped, and cut.
pub(crate) fn shown(text: &str) -> String {
    let plain = |c: char| c == ' ' || c.is_ascii_graphic();
    let mut shown = String::new();
    for c in text.chars().take(MOST_SHOWN) {
        if plain(c) { shown.push(c) } else { shown.extend(c.escape_default()) }
    }
    if text.chars().nth(MOST_SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}
