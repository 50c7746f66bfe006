//! Reports long-running operations to Runledger: see `README.md`.
//!
//! ```no_run
//! # async fn compare(policy: &str) -> std::io::Result<()> { Ok(()) }
//! # async fn example() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use runledger_client::Ledger;
//! use serde_json::json;
//!
//! let ledger = Ledger::from_env()?;
//! ledger
//!     .run("drift.generate", json!({"tenant": "acme"}), async |run| {
//!         for policy in ["daily", "weekly"] {
//!             run.item(policy).record(compare(policy).await); // an Err is an ItemFailed
//!         }
//!         Ok(())
//!     })
//!     .await
//! # }
//! ```

mod builder;
mod delivery;
mod directory;
mod dispatch;
mod error;
pub mod event;
mod ledger;
mod limits;
mod open;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod outbox;
mod reasons;
mod run;
mod runfile;
mod sender;
mod spool;
mod start;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod table;
mod thread;
mod transport;
mod troubles;
mod ways;

pub use builder::Builder;
pub use dispatch::{Dispatched, Ticket};
pub use error::{Error, Problem, Trouble, TroubleKind};
pub use event::Event;
pub use ledger::{Claim, Ledger};
pub use limits::Limits;
pub use open::Open;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use outbox::{Outbox, Relay, RelayError};
pub use reasons::Reasons;
pub use run::{Item, Run};
pub use start::Start;
#[cfg(feature = "postgres")]
pub use table::POSTGRES_SCHEMA;
#[cfg(feature = "sqlite")]
pub use table::SQLITE_SCHEMA;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use table::Table;
