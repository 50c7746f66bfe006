//! Appends that are on their way. One that is given up and repeated at once waits for the first: a server that has written
//! it and not yet indexed it would let the repeat run into its own time limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

type Turns = Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>;

/// The appends on their way, by the ids of their first events.
#[derive(Default)]
pub(super) struct InHand {
    turns: Arc<Turns>,
}

/// The right to send an append, until it is dropped.
pub(super) struct Turn {
    turns: Arc<Turns>,
    id: Uuid,
    /// Another one of the same events was on its way.
    pub(super) waited: bool,
    guard: Option<OwnedMutexGuard<()>>,
}

impl InHand {
    /// Waits until no other append with that first event is on its way.
    pub(super) async fn turn(&self, id: Uuid) -> Turn {
        let (turn, waited) = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = turns.contains_key(&id);
            (turns.entry(id).or_default().clone(), waited)
        };
        let mut turn_of = Turn { turns: self.turns.clone(), id, waited, guard: None };
        turn_of.guard = Some(turn.lock_owned().await);
        turn_of
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard = None;
        // Whoever waits holds a clone; it is taken only under the lock.
        if turns.get(&self.id).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.id);
        }
    }
}
