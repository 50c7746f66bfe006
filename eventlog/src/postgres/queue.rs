//! The bounded queue in front of the writer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::error::{AppendError, LogError};
use crate::port::{Appended, StreamAppend};

/// What an event weighs beside its own bytes: its share of vectors, strings and answers.
const EVENT_OVERHEAD: usize = 256;

/// An append that waits for its answer.
pub(super) struct Request {
    pub append: StreamAppend,
    /// How many bytes it is counted as.
    pub bytes: usize,
    /// A commit that held it was sent and not answered: what the log has of it may be from us.
    pub in_doubt: bool,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
    queued_at: Instant,
    _room: OwnedSemaphorePermit,
}

impl Request {
    /// Answers the caller, who may have gone away, and gives the append.
    pub fn answer(self, result: Result<Appended, AppendError>) -> StreamAppend {
        metrics::histogram!("runledger_append_seconds").record(self.queued_at.elapsed());
        if let Err(AppendError::Conflict { .. }) = &result {
            metrics::counter!("runledger_append_conflicts_total").increment(1);
        }
        let _caller_went_away = self.reply.send(result);
        self.append
    }
}

/// The end at which appends come in.
pub(super) struct Intake {
    /// None once the log is shutting down.
    sender: Mutex<Option<mpsc::Sender<Request>>>,
    room: Arc<Semaphore>,
    bytes: usize,
}

/// A queue for that many requests and bytes.
pub(super) fn queue(requests: usize, bytes: usize) -> (Intake, mpsc::Receiver<Request>) {
    let (sender, receiver) = mpsc::channel(requests.max(1));
    let bytes = bytes.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
    let room = Arc::new(Semaphore::new(bytes));
    (Intake { sender: Mutex::new(Some(sender)), room, bytes }, receiver)
}

impl Intake {
    /// Takes an append in, or refuses it at once.
    pub fn take(
        &self,
        append: StreamAppend,
    ) -> Result<oneshot::Receiver<Result<Appended, AppendError>>, AppendError> {
        let bytes = weight(&append);
        let permits = u32::try_from(bytes).ok().filter(|_| bytes <= self.bytes);
        let permits = permits.ok_or(AppendError::Malformed("it has more bytes than the queue ever takes"))?;
        let Some(sender) = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return Err(LogError::Unavailable("it is shutting down".into()).into());
        };
        let room = self.room.clone().try_acquire_many_owned(permits).map_err(|_| AppendError::Overloaded)?;
        let (reply, answer) = oneshot::channel();
        let queued_at = Instant::now();
        let request = Request { append, bytes, in_doubt: false, reply, queued_at, _room: room };
        match sender.try_send(request) {
            Ok(()) => Ok(answer),
            Err(mpsc::error::TrySendError::Full(_)) => Err(AppendError::Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(gone()),
        }
    }

    /// Takes nothing in from now on. What was taken in is still answered.
    pub fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// The writer ended without an answer.
pub(super) fn gone() -> AppendError {
    LogError::Unavailable("its writer has stopped".into()).into()
}

fn weight(append: &StreamAppend) -> usize {
    let event = |event: &crate::port::NewEvent| {
        EVENT_OVERHEAD + event.event_type.len() + event.data.len() + event.metadata.len()
    };
    append.stream.len() + append.events.iter().map(event).sum::<usize>()
}
