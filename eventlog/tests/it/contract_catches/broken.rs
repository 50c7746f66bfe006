//! The reference log, with one fault.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use eventlog::memory::MemoryLog;
use eventlog::{
    AppendError, Appended, EventLog, ExpectedRevision, LogError, Position, RecordedEvent, StreamAppend,
    Subscription,
};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    IgnoresExpectations,
    LooksBeforeItAppends,
    NamesNoActualRevision,
    KnowsNoRepeats,
    HidesRepeats,
    ComparesIdsEverywhere,
    FindsRepeatsAnywhere,
    TakesAPartForTheWhole,
    TakesAnyForm,
    FoldsNames,
    CutsNames,
    BelievesInText,
    LosesBytes,
    LastIsFirst,
    IgnoresFrom,
    IgnoresLimit,
    SkipsBetweenPages,
    RepeatsBetweenPages,
    GivesUpOnLargePages,
    CountsBackwards,
    HeadLags,
    StopsHalfWay,
    FailsAtTimes,
    FollowerSkips,
    FollowerRepeats,
    FollowerIgnoresLimit,
    FollowerLosesWhenCut,
    FollowerIsNotWoken,
    FollowerStartsEarly,
}

pub struct Broken {
    log: MemoryLog,
    fault: Fault,
    calls: AtomicU64,
}

impl Broken {
    pub fn new(fault: Fault) -> Self {
        Self { log: MemoryLog::new(), fault, calls: AtomicU64::new(0) }
    }

    /// Expects what is there.
    async fn as_it_is(&self, append: StreamAppend) -> StreamAppend {
        let last = self.log.last_event(&append.stream).await.unwrap();
        let expected = last.map_or(ExpectedRevision::NoStream, |last| ExpectedRevision::Exact(last.revision));
        StreamAppend { expected, ..append }
    }

    /// The fault's share in an append before the log has it.
    fn spoil(&self, append: &mut StreamAppend) {
        append.stream = self.name(&append.stream);
        for event in &mut append.events {
            match self.fault {
                Fault::BelievesInText => {
                    event.data = String::from_utf8_lossy(&event.data).into_owned().into_bytes();
                }
                Fault::LosesBytes => event.data.truncate(1 << 16),
                _ => {}
            }
        }
    }

    fn name(&self, name: &str) -> String {
        match self.fault {
            Fault::FoldsNames => name.to_lowercase(),
            Fault::CutsNames => name.chars().take(511).collect(),
            _ => name.to_owned(),
        }
    }

    /// The fault's share in a refusal.
    async fn answer_wrongly(
        &self,
        append: StreamAppend,
        error: AppendError,
    ) -> Result<Appended, AppendError> {
        match (self.fault, error) {
            (Fault::IgnoresExpectations, AppendError::Conflict { .. }) => {
                self.log.append(self.as_it_is(append).await).await
            }
            (Fault::NamesNoActualRevision, AppendError::Conflict { stream, expected, .. }) => {
                Err(AppendError::Conflict { stream, expected, actual: None })
            }
            (Fault::FindsRepeatsAnywhere, conflict @ AppendError::Conflict { .. }) => {
                self.found(&append, append.events.len()).await.ok_or(conflict)
            }
            (Fault::TakesAPartForTheWhole, conflict @ AppendError::Conflict { .. }) => {
                self.found(&append, 1).await.ok_or(conflict)
            }
            (Fault::TakesAnyForm, AppendError::Malformed(_)) => {
                Ok(Appended { revision: 0, position: Position(1), duplicate: false })
            }
            (_, error) => Err(error),
        }
    }

    /// Takes an append for a repeat where so many of its events are anywhere in its stream.
    async fn found(&self, append: &StreamAppend, enough: usize) -> Option<Appended> {
        let mut there = self.log.read_stream(&append.stream, 0, usize::MAX).await.unwrap();
        there.retain(|event: &RecordedEvent| append.events.iter().any(|given| given.id == event.id));
        let last = there.last().filter(|_| there.len() >= enough)?;
        Some(Appended { revision: last.revision, position: last.position, duplicate: true })
    }
}

#[async_trait]
impl EventLog for Broken {
    async fn append(&self, mut append: StreamAppend) -> Result<Appended, AppendError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        self.spoil(&mut append);
        match self.fault {
            Fault::FailsAtTimes if call % 100 == 99 => return Err(AppendError::Overloaded),
            Fault::LooksBeforeItAppends => {
                let now = self.as_it_is(append.clone()).await;
                tokio::task::yield_now().await;
                if now.expected == append.expected {
                    append = self.as_it_is(append).await;
                }
            }
            Fault::ComparesIdsEverywhere => {
                let all = self.log.read_all(Position(0), usize::MAX).await?;
                let mut of_others = all.iter().filter(|event| event.stream != append.stream);
                if of_others.any(|there| append.events.iter().any(|event| event.id == there.id)) {
                    let stream = append.stream.clone();
                    return Err(AppendError::Conflict { stream, expected: None, actual: None });
                }
            }
            // A drop between the steps leaves the first one.
            Fault::StopsHalfWay
                if append.events.len() > 1 && self.log.last_event(&append.stream).await?.is_none() =>
            {
                let rest = append.events.split_off(1);
                let stream = append.stream.clone();
                self.log.append(append).await?;
                tokio::task::yield_now().await;
                let expected = ExpectedRevision::Exact(0);
                return self.log.append(StreamAppend { stream, expected, events: rest }).await;
            }
            _ => {}
        }
        let mut appended = match self.log.append(append.clone()).await {
            Ok(appended) => appended,
            Err(error) => return self.answer_wrongly(append, error).await,
        };
        match self.fault {
            Fault::KnowsNoRepeats if appended.duplicate => {
                let actual = self.log.last_event(&append.stream).await?.map(|last| last.revision);
                return Err(AppendError::Conflict { stream: append.stream, expected: None, actual });
            }
            Fault::HidesRepeats => appended.duplicate = false,
            Fault::CountsBackwards => appended.position.0 = (1 << 40) - appended.position.0,
            _ => {}
        }
        Ok(appended)
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let from = if self.fault == Fault::IgnoresFrom { 0 } else { from };
        let limit = if self.fault == Fault::IgnoresLimit { usize::MAX } else { limit };
        self.log.read_stream(&self.name(stream), from, limit).await
    }

    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        match self.fault {
            Fault::LastIsFirst => Ok(self.log.read_stream(stream, 0, 1).await?.pop()),
            _ => self.log.last_event(&self.name(stream)).await,
        }
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        let after = match self.fault {
            Fault::SkipsBetweenPages if after.0 > 0 => Position(after.0 + 1),
            Fault::RepeatsBetweenPages => Position(after.0.saturating_sub(1)),
            _ => after,
        };
        let page = self.log.read_all(after, limit).await?;
        let large = page.iter().map(|event| event.data.len()).sum::<usize>() > 16 << 20;
        Ok(if large && self.fault == Fault::GivesUpOnLargePages { Vec::new() } else { page })
    }

    async fn head(&self) -> Result<Position, LogError> {
        let head = self.log.head().await?;
        Ok(if self.fault == Fault::HeadLags { Position(head.0.saturating_sub(1)) } else { head })
    }

    async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError> {
        let start =
            if self.fault == Fault::FollowerStartsEarly { after.0.saturating_sub(1) } else { after.0 };
        let inner = self.log.subscribe(Position(start)).await?;
        Ok(Box::new(Follower { inner, log: self.log.clone(), fault: self.fault, at: start, batches: 0 }))
    }
}

struct Follower {
    inner: Box<dyn Subscription>,
    log: MemoryLog,
    fault: Fault,
    at: u64,
    batches: u64,
}

#[async_trait]
impl Subscription for Follower {
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        if self.fault == Fault::FollowerIsNotWoken && self.log.head().await?.0 <= self.at {
            // Whoever finds nothing is forgotten.
            return std::future::pending().await;
        }
        let limit = if self.fault == Fault::FollowerIgnoresLimit { usize::MAX } else { limit };
        let mut batch = self.inner.next_batch(limit).await?;
        self.batches += 1;
        self.at = batch.last().map_or(self.at, |last| last.position.0);
        match self.fault {
            Fault::FollowerSkips if self.batches.is_multiple_of(5) && batch.len() > 1 => {
                drop(batch.remove(0))
            }
            Fault::FollowerRepeats if self.batches.is_multiple_of(5) => {
                self.inner = self.log.subscribe(Position(self.at - 1)).await?;
            }
            // The batch is in hand and not yet given: a drop here loses it.
            Fault::FollowerLosesWhenCut => tokio::task::yield_now().await,
            _ => {}
        }
        Ok(batch)
    }
}
