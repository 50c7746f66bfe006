//! A request's permit to be in hand, given up while the request only waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::problem::Problem;
use crate::problem_code::ProblemCode;

/// How long a request that has waited aside waits for a new permit: those that waited for the same come back together.
const COMES_BACK: Duration = Duration::from_secs(1);

/// A request's permit to be in hand. The request gives it up while it waits for something that takes no work, so that
/// requests which wait take no room from those which work. Clones are the same permit.
#[derive(Debug, Clone)]
pub struct AdmissionPermit {
    requests: Arc<Semaphore>,
    permit: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl AdmissionPermit {
    /// A permit of those that there are, if one is free.
    #[must_use]
    pub fn take(requests: &Arc<Semaphore>) -> Option<Self> {
        let permit = requests.clone().try_acquire_owned().ok()?;
        Some(Self { requests: requests.clone(), permit: Arc::new(Mutex::new(Some(permit))) })
    }

    /// Waits for something aside, and takes a permit again, for which the request may have to wait a moment too.
    ///
    /// # Errors
    /// 503 `overloaded` where there is none by then.
    pub async fn aside<T>(&self, something: impl Future<Output = T>) -> Result<T, Problem> {
        self.leave();
        let waited = something.await;
        let Ok(Ok(permit)) = timeout(COMES_BACK, self.requests.clone().acquire_owned()).await else {
            let detail =
                "The request has waited, and the server has as many others in hand by now as it takes.";
            return Err(Problem::unavailable(ProblemCode::Overloaded, detail, 1));
        };
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        Ok(waited)
    }

    /// Gives it up.
    pub fn leave(&self) {
        drop(self.permit.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_aside_makes_room_and_comes_back_into_it() {
        let requests = Arc::new(Semaphore::new(1));
        let first = AdmissionPermit::take(&requests).unwrap();
        assert!(AdmissionPermit::take(&requests).is_none());
        let other = first.aside(async { AdmissionPermit::take(&requests).unwrap() }).await;
        // The other one is still there when the wait is over.
        assert_eq!(other.unwrap_err().code, ProblemCode::Overloaded);
        let waited = first.aside(async { drop(AdmissionPermit::take(&requests).unwrap()) }).await;
        assert!(waited.is_ok() && AdmissionPermit::take(&requests).is_none());
        first.leave();
        assert!(AdmissionPermit::take(&requests).is_some());
    }
}
