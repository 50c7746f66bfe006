//! Projections out: the only way to the read tables. Answers come from them alone; nothing here knows HTTP.
//!
//! A read's parameters are taken out of its query ([`Params`]), it opens a view of its tenant's rows ([`ReadPool`]), and
//! its answer says which position it reflects. [`freshness`] knows how far the projection has come, and [`live`] what
//! has changed since.

pub mod administration;
mod base_path;
mod corrupt;
mod cursor;
pub mod difference;
pub mod directory;
mod error;
pub mod events;
#[cfg(test)]
mod explain;
pub mod failures;
pub mod forms;
pub mod freshness;
pub mod inlets;
pub mod items;
mod ledger;
pub mod live;
pub mod notifications;
mod page;
mod params;
mod pool;
pub mod runs;
pub mod stats;
pub mod time;
pub mod tokens;

pub use base_path::{BasePath, InvalidBasePath};
pub use corrupt::Corrupt;
pub use error::ReadError;
pub use ledger::{LAST, Ledger};
pub use page::{LONGEST_PAGE, LONGEST_TABLE, USUAL_PAGE};
pub use params::{Form, Params, ReadQuery};
pub use pool::{Plans, ReadPool, TenantRead, look_as_readers};
