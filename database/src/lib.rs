//! What all who ask the database share: how a transaction begins, and what an error of it means.

mod error;
mod transaction;

pub use error::DatabaseErrorKind;
pub use transaction::{begin, begin_with};
