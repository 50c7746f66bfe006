//! Rows that hold what the projector never writes.

use std::fmt::Display;

/// A value in a read table that breaks our own rules. The caller gets "internal"; the log gets this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{table}.{column} of row {row} is corrupt: {what}")]
pub struct Corrupt {
    /// The table with its schema.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row, by its key.
    pub row: String,
    /// What is wrong with the value.
    pub what: String,
}

impl Corrupt {
    /// A corrupt value.
    #[must_use]
    pub fn new(table: &'static str, column: &'static str, row: impl Display, what: impl Display) -> Self {
        Self { table, column, row: row.to_string(), what: what.to_string() }
    }
}

/// A number that counts something, or a position or revision: never negative.
///
/// # Errors
/// [`Corrupt`] when it is.
pub fn non_negative(
    table: &'static str,
    column: &'static str,
    row: impl Display,
    value: i64,
) -> Result<u64, Corrupt> {
    u64::try_from(value).map_err(|_| Corrupt::new(table, column, row, format!("{value} is negative")))
}

/// A value of an enum, read by its `parse`.
///
/// # Errors
/// [`Corrupt`] when `parse` does not know it.
pub fn parse_enum<T>(
    table: &'static str,
    column: &'static str,
    row: impl Display,
    value: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Corrupt> {
    parse(value).ok_or_else(|| Corrupt::new(table, column, row, format!("{value:?} is not one of its words")))
}
