//! Connections on which nobody has shown a good token yet. There may be as many as there is room; when there is
//! none, the one that is here for the longest makes way for the one that comes. So nobody is kept out by clients that
//! hold connections and say nothing, say it slowly, or say what is refused: a caller with a token has time to show it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Those who are here. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Strangers(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    /// In the order in which they came, each with what ends it.
    here: BTreeMap<u64, CancellationToken>,
}

/// One of them, until it is known or gone.
#[derive(Debug)]
pub(super) struct Guest {
    number: u64,
    strangers: Strangers,
}

impl Strangers {
    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in; `gone` is cancelled when it must go.
    pub(super) fn admit(&self, gone: CancellationToken) -> Guest {
        let mut list = self.list();
        let number = list.next;
        list.next += 1;
        list.here.insert(number, gone);
        Guest { number, strangers: self.clone() }
    }

    /// Sends away who is here for the longest, if anybody is.
    pub(super) fn send_one_away(&self) {
        if let Some((_, gone)) = self.list().here.pop_first() {
            gone.cancel();
        }
    }
}

impl Guest {
    pub(super) fn is_known(&self) {
        self.strangers.list().here.remove(&self.number);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.is_known();
    }
}
