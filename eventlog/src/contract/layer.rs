//! Logs of tests that stand in front of another log and change one thing about it.

use async_trait::async_trait;

use crate::error::{AppendError, LogError};
use crate::port::{Appended, EventLog, Guarantees, Position, RecordedEvent, StreamAppend, Subscription};

/// A log in front of another one. What it does not do in its own way is done by the one behind.
#[async_trait]
pub trait Layer: Send + Sync + 'static {
    /// The log behind.
    fn behind(&self) -> &dyn EventLog;

    /// In place of [`EventLog::append`].
    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        self.behind().append(append).await
    }

    /// In place of [`EventLog::read_stream`].
    async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.behind().read_stream(stream, from, limit).await
    }

    /// In place of [`EventLog::last_event`].
    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        self.behind().last_event(stream).await
    }

    /// In place of [`EventLog::read_all`].
    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        self.behind().read_all(after, limit).await
    }

    /// In place of [`EventLog::head`].
    async fn head(&self) -> Result<Position, LogError> {
        self.behind().head().await
    }

    /// In place of [`EventLog::subscribe`].
    async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError> {
        self.behind().subscribe(after).await
    }
}

#[async_trait]
impl<L: Layer> EventLog for L {
    fn guarantees(&self) -> Guarantees {
        self.behind().guarantees()
    }

    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        Layer::append(self, append).await
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        Layer::read_stream(self, stream, from, limit).await
    }

    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        Layer::last_event(self, stream).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        Layer::read_all(self, after, limit).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        Layer::head(self).await
    }

    async fn check(&self) -> Result<(), LogError> {
        self.behind().check().await
    }

    async fn takes_appends(&self) -> Result<(), LogError> {
        self.behind().takes_appends().await
    }

    async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError> {
        Layer::subscribe(self, after).await
    }

    async fn shutdown(&self) {
        self.behind().shutdown().await;
    }
}
