//! placeholder
#![allow(missing_docs)]
use std::sync::Arc;
#[derive(Default)]
pub struct ProjectorConfig {
    pub max_batch_events: usize,
}
pub struct Projector;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct ProjectorError;
impl Projector {
    pub fn new(_l: Arc<dyn eventlog::EventLog>, _p: sqlx::PgPool, _c: ProjectorConfig) -> Self {
        Self
    }
    pub async fn run(self, stop: tokio_util::sync::CancellationToken) -> Result<(), ProjectorError> {
        stop.cancelled().await;
        Ok(())
    }
}
