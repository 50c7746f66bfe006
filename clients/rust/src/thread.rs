//! The thread that sends. Its own, so that it also serves programs that are not asynchronous, and those whose runtime is
//! blocked, which is just when somebody wants to know.

use std::future::Future;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::ThreadId;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::error::Error;
use crate::sender::Sender;

/// What runs an abandoned flush to its end is waited for so much longer.
const SLACK: Duration = Duration::from_millis(100);

pub(crate) struct Background {
    handle: Handle,
    stop: Arc<Notify>,
    thread: ThreadId,
}

impl Background {
    /// `end_on_sigterm`: see [`Builder::end_on_sigterm`](crate::Builder::end_on_sigterm).
    ///
    /// # Errors
    /// Where the system gives no thread, or no signals.
    pub fn start(sender: &Arc<Sender>, end_on_sigterm: bool) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        if end_on_sigterm {
            let told = {
                let _inside = runtime.enter();
                signal(SignalKind::terminate())?
            };
            handle.spawn(end(told, Arc::clone(sender)));
        }
        let stop = Arc::new(Notify::new());
        let (stopped, sender) = (Arc::clone(&stop), Arc::clone(sender));
        let thread = std::thread::Builder::new().name("runledger".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = sender.serve() => {}
                    () = stopped.notified() => {}
                }
            });
        })?;
        Ok(Self { handle, stop, thread: thread.thread().id() })
    }

    /// Has the thread do it, whichever runtime the caller has, and lets go of it with the caller's future.
    ///
    /// # Errors
    /// [`Error::Away`] where the thread has ended.
    pub async fn does<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        struct Task<T>(tokio::task::JoinHandle<T>);
        impl<T> Drop for Task<T> {
            fn drop(&mut self) {
                self.0.abort();
            }
        }
        let mut task = Task(self.handle.spawn(what));
        (&mut task.0).await.map_err(Error::away)
    }

    /// The last of a ledger is gone: waits until it is told what was reported, and ends the thread.
    pub fn end(&self, sender: Arc<Sender>) {
        let time = sender.limits.exit_timeout;
        if sender.is_busy() && std::thread::current().id() != self.thread {
            let (told, heard) = mpsc::channel();
            self.handle.spawn(async move { told.send(sender.flush(time).await) });
            if heard.recv_timeout(time + SLACK) != Ok(true) {
                tracing::warn!("not all was sent; the next process with this spool sends it");
            }
        }
        self.stop.notify_one();
    }
}

/// SIGTERM: the runs of the process end, that is told, and then the process ends as it would have.
async fn end(mut told: Signal, sender: Arc<Sender>) {
    if told.recv().await.is_none() {
        return;
    }
    sender.abort_all("the worker was told to end (SIGTERM)");
    sender.flush(sender.limits.exit_timeout).await;
    let signal = signal_hook::consts::SIGTERM;
    if signal_hook::low_level::emulate_default_handler(signal).is_err() {
        signal_hook::low_level::exit(128 + signal);
    }
}
