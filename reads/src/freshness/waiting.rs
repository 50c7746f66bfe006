//! Requests that wait for the projection: so many of each token, and so many in all. They wait aside, see
//! [`crate::admission`], so that requests which wait for nothing find room.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// How many requests of one token may wait at once.
pub const MOST_OF_A_TOKEN: usize = 128;

/// How many of all together.
const MOST: usize = 4_096;

/// As many wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// Of this token.
    Token,
    /// Of all.
    All,
}

/// The requests that wait, counted.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    tokens: Mutex<Tokens>,
}

#[derive(Debug, Default)]
struct Tokens {
    all: usize,
    each: HashMap<Uuid, usize>,
}

/// A slot among the requests that wait, given back when it is dropped.
#[derive(Debug)]
pub struct WaitingSlot<'a> {
    waiting: &'a Waiting,
    token: Uuid,
}

impl Waiting {
    /// Takes a slot for a request of that token.
    ///
    /// # Errors
    /// [`Crowded`] where that token, or all together, have as many as may wait.
    pub(super) fn enter(&self, token: Uuid) -> Result<WaitingSlot<'_>, Crowded> {
        let mut tokens = self.tokens();
        if tokens.all >= MOST {
            return Err(Crowded::All);
        }
        let of_token = tokens.each.entry(token).or_default();
        if *of_token >= MOST_OF_A_TOKEN {
            return Err(Crowded::Token);
        }
        *of_token += 1;
        tokens.all += 1;
        Ok(WaitingSlot { waiting: self, token })
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WaitingSlot<'_> {
    fn drop(&mut self) {
        let mut tokens = self.waiting.tokens();
        tokens.all = tokens.all.saturating_sub(1);
        if let Entry::Occupied(mut of_token) = tokens.each.entry(self.token) {
            *of_token.get_mut() -= 1;
            if *of_token.get() == 0 {
                of_token.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_for_each_token_and_for_all_and_given_back() {
        let waiting = Waiting::default();
        let token = |n: usize| Uuid::from_u128(n as u128);
        let mut places = Vec::new();
        for n in 0..MOST / MOST_OF_A_TOKEN {
            for _ in 0..MOST_OF_A_TOKEN {
                places.push(waiting.enter(token(n)).unwrap());
            }
            if places.len() < MOST {
                assert_eq!(waiting.enter(token(n)).unwrap_err(), Crowded::Token);
            }
        }
        assert_eq!(waiting.enter(Uuid::max()).unwrap_err(), Crowded::All);
        places.pop();
        waiting.enter(Uuid::max()).unwrap();
        drop(places);
        let tokens = waiting.tokens();
        assert_eq!((tokens.all, tokens.each.len()), (0, 0));
    }
}
