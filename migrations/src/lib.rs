//! The numbered SQL files beside this crate, compiled into the program, and the rights that hold beside them.
//!
//! The files run in order, each in a transaction of its own, and sqlx records their checksums, so a file
//! that has been released is never edited: a change is a new file (expand first, contract later).

mod rights;

pub use rights::{Concern, Missing, missing, missing_for, missing_to_migrate};

/// Applies every migration that the database has not seen yet.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");
