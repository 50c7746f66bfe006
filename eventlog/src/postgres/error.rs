//! Errors of the database as the log's.

use database::DatabaseErrorKind;

use crate::error::LogError;

impl From<sqlx::Error> for LogError {
    fn from(error: sqlx::Error) -> Self {
        match DatabaseErrorKind::of(&error) {
            DatabaseErrorKind::Unauthenticated | DatabaseErrorKind::Forbidden => Self::Refused(format!(
                "{error}: look at name and password in the address of the database, and at what that role may do"
            )),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// That the log's last event is not where its head is.
pub(super) fn head_differs(last: i64, head: i64) -> String {
    format!(
        "its last event is at position {last}, and by its head there are events up to {head}. Stop the processes of \
         the ledger, and see docs/restoring.md"
    )
}
