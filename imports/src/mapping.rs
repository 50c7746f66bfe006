//! What the columns of a source mean: `docs/importing.md` describes the form.

use std::collections::BTreeMap;

use domain::reason::ReasonCode;
use domain::{Kind, Labels, ReferencePart};
use serde::Deserialize;

use crate::choice::{Columns, Either, Short};
use crate::items::Items;
use crate::status::{ByColumn, Case, reason};
use crate::times::{Unit, Zone};

/// A mapping that can't be used. The message names the key and says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidMapping(String);

impl InvalidMapping {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// What becomes of rows whose work was not done when they were exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unfinished {
    /// They are left out, and may be imported later.
    #[default]
    Skip,
    /// They have failed: `stale`.
    FailStale,
    /// They are queued or running here as well, and whoever works on them goes on reporting.
    Keep,
}

/// A mapping.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What it is for, in words.
    #[serde(default)]
    pub about: Option<String>,
    /// What a database is asked for: all columns that are named here, a row a run.
    #[serde(default)]
    pub query: Option<String>,
    pub(crate) kind: Either<KindOf>,
    pub(crate) reference: ReferenceOf,
    #[serde(default)]
    pub(crate) title: Option<Columns>,
    #[serde(default)]
    pub(crate) correlation: Option<Columns>,
    #[serde(default)]
    pub(crate) initiator: Option<InitiatorOf>,
    #[serde(default)]
    pub(crate) worker: Option<Columns>,
    /// Names of labels, and their columns.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, Columns>,
    /// Members of the context, and their columns.
    #[serde(default)]
    pub(crate) context: BTreeMap<String, Columns>,
    pub(crate) times: Times,
    /// Conditions, the first that holds counts; where none does, the status' column.
    #[serde(default)]
    pub(crate) case: Vec<Case>,
    #[serde(default)]
    pub(crate) status: ByColumn,
    #[serde(default)]
    pub(crate) counts: CountsOf,
    #[serde(default)]
    pub(crate) items: Option<Items>,
    /// Why it failed, in words.
    #[serde(default)]
    pub(crate) message: Option<Columns>,
    /// And for machines, where the status does not say it; `unknown` by itself.
    #[serde(default, deserialize_with = "reason")]
    pub(crate) reason: Option<ReasonCode>,
    #[serde(default)]
    pub(crate) unfinished: Unfinished,
}

/// Which kind a run is of: always the same, or what a column says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KindOf {
    #[serde(default)]
    pub always: Option<String>,
    /// These columns, joined by dots.
    #[serde(default)]
    pub columns: Vec<String>,
    /// What stands before it.
    #[serde(default)]
    pub prefix: String,
}

impl Short for KindOf {
    const EXPECTED: &'static str =
        "a kind, or a table such as { prefix = \"celery.\", columns = [\"task_name\"] }";

    fn of_text(text: &str) -> Result<Self, String> {
        let kind: Kind = text.parse().map_err(|error: domain::InvalidId| error.to_string())?;
        Ok(Self { always: Some(kind.into()), columns: Vec::new(), prefix: String::new() })
    }
}

/// By what name a row is known for ever.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReferenceOf {
    /// Within what the key is unique.
    pub source: String,
    /// The key's columns, all of them.
    pub key: Columns,
}

/// Who asked for it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InitiatorOf {
    pub id: Columns,
    /// What stands before the id, such as `user:`.
    #[serde(default)]
    pub prefix: String,
    #[serde(default)]
    pub name: Option<Columns>,
}

/// When it happened.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Times {
    /// Of times that don't say theirs.
    #[serde(default)]
    pub zone: Option<Zone>,
    /// What numbers count.
    #[serde(default)]
    pub unit: Unit,
    pub queued: Columns,
    #[serde(default)]
    pub started: Columns,
    #[serde(default)]
    pub ended: Columns,
    /// How long it took, where the end is not said: from the start on.
    #[serde(default)]
    pub took: Columns,
}

/// How many items it had.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountsOf {
    #[serde(default)]
    pub total: Option<Either<Count>>,
    #[serde(default)]
    pub succeeded: Option<Either<Count>>,
    #[serde(default)]
    pub failed: Option<Either<Count>>,
    #[serde(default)]
    pub skipped: Option<Either<Count>>,
}

/// A number in a column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    pub column: String,
    /// Less what is in these.
    #[serde(default)]
    pub minus: Vec<String>,
}

impl Short for Count {
    const EXPECTED: &'static str =
        "a column, or a table such as { column = \"total\", minus = [\"pending\"] }";

    fn of_text(text: &str) -> Result<Self, String> {
        Ok(Self { column: text.to_owned(), minus: Vec::new() })
    }
}

impl CountsOf {
    /// Whether any outcome is counted.
    pub(crate) fn any(&self) -> bool {
        self.succeeded.is_some() || self.failed.is_some() || self.skipped.is_some()
    }
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// [`InvalidMapping`], which says where and how to mend it.
    pub fn parse(toml: &str) -> Result<Self, InvalidMapping> {
        let mapping: Self = toml::from_str(toml).map_err(|error| InvalidMapping(error.to_string()))?;
        mapping.checked()
    }

    /// Within what the keys are unique.
    pub(crate) fn source(&self) -> Result<ReferencePart, InvalidMapping> {
        let source = self.reference.source.parse();
        source.map_err(|error: domain::InvalidId| InvalidMapping(format!("reference.source: {error}")))
    }

    /// What a table's reader must be told beside the form.
    fn checked(self) -> Result<Self, InvalidMapping> {
        let wrong = |what: String| Err(InvalidMapping(what));
        let Either(kind) = &self.kind;
        if kind.always.is_some() != kind.columns.is_empty() {
            return wrong("kind: give either `always` or `columns`".to_owned());
        }
        if let Some(always) = &kind.always
            && let Err(error) = format!("{}{always}", kind.prefix).parse::<Kind>()
        {
            return wrong(format!("kind: {error}"));
        }
        self.source()?;
        let names = self.labels.keys().map(|name| (name.clone(), redaction::CleanText::new("x")));
        if let Err(error) = Labels::try_from(names.collect::<BTreeMap<_, _>>()) {
            return wrong(format!("labels: {error}"));
        }
        if self.case.is_empty() && self.status.column.is_none() {
            return wrong("status: give `status.column` with [status.values], or [[case]]".to_owned());
        }
        if self.case.iter().any(|case| case.when.is_empty()) {
            return wrong("case.when: name at least one column and its condition".to_owned());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"
        kind = "backup.nightly"
        reference = { source = "old", key = "id" }
        times = { queued = "created_at" }
        status = { column = "state", values = { done = "succeeded" } }
    "#;

    #[test]
    fn the_least_mapping_has_four_members() {
        let mapping = Mapping::parse(LEAST).unwrap();
        assert_eq!(mapping.unfinished, Unfinished::Skip);
        assert_eq!(mapping.reference.key, Columns(vec!["id".to_owned()]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        for (change, with, says) in [
            ("kind =", "kynd =", "kynd"),
            ("\"backup.nightly\"", "\"Backup Nightly\"", "dots"),
            ("\"backup.nightly\"", "7", "a kind, or a table"),
            ("\"backup.nightly\"", "{ prefix = \"x.\" }", "either `always` or `columns`"),
            ("source = \"old\"", "source = \" old\"", "reference.source"),
            ("key = \"id\"", "key = []", "at least one column"),
            ("queued =", "zone = \"Mars/Base\", queued =", "Mars/Base"),
            ("\"succeeded\"", "\"done\"", "partially_succeeded"),
            ("\"succeeded\"", "{ is = \"failed\", reason = \"Too Late\" }", "reason code"),
            ("column = \"state\", ", "", "status.column"),
            ("kind =", "unfinished = \"drop\"\nkind =", "fail-stale"),
            ("kind =", "labels = { \"a b\" = \"x\" }\nkind =", "labels: "),
            ("kind =", "case = [{ when = { a = \"maybe\" }, is = \"skip\" }]\nkind =", "\"unset\""),
            ("kind =", "case = [{ when = {}, is = \"skip\" }]\nkind =", "case.when"),
            ("kind =", "counts = { succeeded = { column = \"a\", less = [] } }\nkind =", "less"),
        ] {
            assert!(LEAST.contains(change), "{change}");
            let said = Mapping::parse(&LEAST.replacen(change, with, 1)).unwrap_err().to_string();
            assert!(said.contains(says), "{with}: {said}");
        }
    }
}
