//! The service as it is reached: the router with the layers that every request passes, who is let in and when, whether
//! the ledger can do its work, and the connections.

mod admission;
mod database_check;
mod door;
mod head;
mod health;
mod listeners;
mod router;
mod serve;

pub use door::Door;
pub use listeners::Listeners;
pub use router::{metrics_router, router};
pub use serve::{ServeConfig, serve};
