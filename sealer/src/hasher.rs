//! A thread for the hashing, apart from those that serve requests.

use std::sync::mpsc::{Sender, channel};
use std::thread;

use tokio::sync::oneshot;

use crate::error::SealError;

/// How much the thread steps back behind others (see nice(1)): as far as it goes. Where all cores are wanted it has a
/// hundredth of one, which seals some thousand events a second, and what waits is sealed when there is time.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// Runs one piece of work after the other, on a thread that gives way to appends: they wait for no hashing, neither of
/// a batch that a thread of the runtime is at, nor where both want the same core. It ends with its last owner.
pub(crate) struct Hasher(Sender<Box<dyn FnOnce() + Send>>);

impl Hasher {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`SealError::NoHasher`] where the system gives none.
    pub fn start() -> Result<Self, SealError> {
        let (sender, work) = channel::<Box<dyn FnOnce() + Send>>();
        let thread = thread::Builder::new().name("sealer".to_owned());
        let at_work = move || {
            step_back();
            work.into_iter().for_each(|piece| piece());
        };
        thread.spawn(at_work).map_err(|error| SealError::NoHasher(error.to_string()))?;
        Ok(Self(sender))
    }

    /// What a piece of work gives.
    ///
    /// # Errors
    /// [`SealError::NoHasher`] where an earlier piece or this one has ended the thread by a panic.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SealError> {
        let (sender, done) = oneshot::channel();
        // Nobody may wait any more.
        let piece = Box::new(move || drop(sender.send(work())));
        let panicked = || SealError::NoHasher("it has panicked".to_owned());
        self.0.send(piece).map_err(|_| panicked())?;
        done.await.map_err(|_| panicked())
    }
}

/// On Linux niceness is a thread's own; elsewhere it is the process's, and appends would step back too.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "hashing has the priority of the process");
    }
}
