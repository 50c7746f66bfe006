//! The test app: the real API on a port of its own, the real event log and the running
//! projector, on the database that `#[sqlx::test]` made for the test.
//!
//! ```text
//! #[sqlx::test(migrator = "migrations::MIGRATOR")]
//! async fn a_run_is_queued(pool: PgPoolOptions, database: PgConnectOptions) {
//!     let app = TestApp::start(pool, database).await;
//!     let run = app.producer().start(json!({"kind": "drift.check", "context": {}})).await;
//!     app.stop().await;
//! }
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

pub mod browser;
mod client;
pub mod fuzz;
mod logs;
pub mod proxy;
mod stream;
mod test_app;
mod wire;

pub use client::{Answer, Client};
pub use logs::{Counted, CountingLog, Fault, FaultyLog};
pub use stream::{Message, Said, Stream};
pub use test_app::{Setup, TestApp, keys};
pub use wire::Wire;
