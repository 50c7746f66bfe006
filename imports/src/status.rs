//! What became of a row, by its columns.

use std::collections::BTreeMap;

use domain::reason::ReasonCode;
use serde::{Deserialize, Deserializer, de};

use crate::choice::{Columns, Either, Short};
use crate::row::{Row, number, text};

/// What a row's run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Is {
    Queued,
    Running,
    Succeeded,
    PartiallySucceeded,
    Failed,
    /// Failed, as it was stopped on purpose.
    Aborted,
    /// No run: the row is left out.
    Skip,
}

/// What a status means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meaning {
    pub is: Is,
    /// Why, of what failed or was stopped.
    #[serde(default, deserialize_with = "reason")]
    pub reason: Option<ReasonCode>,
}

/// A reason code, as it is written in a mapping.
pub(crate) fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ReasonCode>, D::Error> {
    let code = String::deserialize(from)?;
    ReasonCode::parse(&code).map(Some).map_err(de::Error::custom)
}

impl Short for Meaning {
    const EXPECTED: &'static str = "queued, running, succeeded, partially_succeeded, failed, aborted or skip, or a table such as { is = \"failed\", reason = \"timeout\" }";

    fn of_text(text: &str) -> Result<Self, String> {
        let is = Is::deserialize(de::value::StrDeserializer::<de::value::Error>::new(text));
        is.map(|is| Self { is, reason: None }).map_err(|error| error.to_string())
    }
}

/// By which column, and what its values mean.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByColumn {
    #[serde(default)]
    pub column: Option<Columns>,
    /// By the value, as it is written or in small letters.
    #[serde(default)]
    pub values: BTreeMap<String, Either<Meaning>>,
    /// What it means that the column is not set.
    #[serde(default)]
    pub unset: Option<Either<Meaning>>,
}

/// What a row is that meets conditions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// All of these, by column.
    pub when: BTreeMap<String, Either<Condition>>,
    pub is: Is,
    #[serde(default, deserialize_with = "reason")]
    pub reason: Option<ReasonCode>,
}

/// What a column must be.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condition {
    /// Set, or not.
    #[serde(default)]
    pub set: Option<bool>,
    /// This text.
    #[serde(default)]
    pub equals: Option<String>,
    /// What that other column is.
    #[serde(default)]
    pub same_as: Option<String>,
    /// A number, and more than this.
    #[serde(default)]
    pub more_than: Option<i64>,
}

impl Short for Condition {
    const EXPECTED: &'static str =
        "\"set\", \"unset\", or a table with some of `set`, `equals`, `same_as` and `more_than`";

    fn of_text(text: &str) -> Result<Self, String> {
        match text {
            "set" => Ok(Self { set: Some(true), ..Self::default() }),
            "unset" => Ok(Self { set: Some(false), ..Self::default() }),
            other => Err(format!("{other:?} is no condition: write {}", Self::EXPECTED)),
        }
    }
}

impl Condition {
    fn holds(&self, row: &Row, column: &str) -> bool {
        let value = row.get(column);
        let count = value.as_ref().and_then(|value| number(value));
        self.set.is_none_or(|set| value.is_some() == set)
            && self.equals.as_ref().is_none_or(|wanted| value.as_ref().is_some_and(|it| text(it) == *wanted))
            && self.same_as.as_ref().is_none_or(|other| {
                row.get(other).map(|other| text(&other)) == value.as_ref().map(|it| text(it))
            })
            && self.more_than.is_none_or(|least| count.is_some_and(|count| count > least))
    }
}

/// What a row is, or what its status says where the mapping has no meaning of that.
pub(crate) fn meaning(cases: &[Case], by_column: &ByColumn, row: &Row) -> Result<Meaning, Option<String>> {
    let met = |case: &&Case| case.when.iter().all(|(column, Either(condition))| condition.holds(row, column));
    if let Some(Case { is, reason, .. }) = cases.iter().find(met) {
        return Ok(Meaning { is: *is, reason: reason.clone() });
    }
    let value = said(row, by_column);
    let Some(value) = value else {
        return by_column.unset.clone().map(|Either(meaning)| meaning).ok_or(None);
    };
    let known = by_column.values.get(&value).or_else(|| by_column.values.get(&value.to_lowercase()));
    known.map(|Either(meaning)| meaning.clone()).ok_or(Some(value))
}

/// What the column of the status says, for words about it.
pub(crate) fn said(row: &Row, by_column: &ByColumn) -> Option<String> {
    by_column.column.as_ref().and_then(|column| row.text(column))
}
