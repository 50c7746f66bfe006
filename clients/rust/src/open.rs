//! A run that ends in every case.

use std::any::Any;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::run::Run;

/// A run that is worked on here. What becomes of the work is its end: a result, a panic, and also that this is dropped
/// before either, as a future is that is cancelled.
#[must_use = "dropped at once it is a run that was aborted: `work`, `finish`"]
pub struct Open {
    run: Run,
}

impl Open {
    pub(crate) fn new(run: Run) -> Self {
        Self { run }
    }

    /// Does the work: its `Ok` completes the run, its `Err` fails it, and a panic does too, and goes on.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn work<T, E: Display + 'static>(
        self,
        work: impl AsyncFnOnce(Run) -> Result<T, E>,
    ) -> Result<T, E> {
        match caught(work(self.run.clone())).await {
            Ok(result) => self.finish(result),
            Err(panic) => {
                self.run.fail("internal", format!("the work panicked: {}", said(&*panic)));
                resume_unwind(panic)
            }
        }
    }

    /// Ends the run with what became of the work, for programs that are not asynchronous, and gives it back.
    ///
    /// # Errors
    /// That of `result`.
    pub fn finish<T, E: Display + 'static>(self, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.run.complete(),
            Err(error) => self.run.fail_by(error),
        }
        result
    }
}

impl Deref for Open {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.run.has_ended() {
        } else if std::thread::panicking() {
            self.run.fail("internal", "the work panicked");
        } else {
            self.run.abort("cancelled", "the work was dropped before its end");
        }
    }
}

/// What a future gives, or the panic that it ends with.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// What a panic says, where that is a text.
pub(crate) fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something that is no text")
}
