//! The client, and another one in its place when it is of no more use.
//!
//! The client (1.2.0) does not find back by itself: one whose first connection failed stays dead, and one
//! whose leader died goes on asking the dead one. So every failure of the connection makes a new client.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eventstore::{Client, ClientSettings, Credentials, Error};
use rand::Rng;
use tokio::time::{Instant, sleep, timeout};

use super::door::Door;
use super::nodelay::NoDelay;
use super::outage::Outage;
use crate::error::LogError;

/// How long the cluster may take to answer one call. Its own limit for an append is below that.
const ONE_CALL: Duration = Duration::from_secs(5);

/// Pauses between tries, each up to twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A way to the cluster.
pub(super) struct Link {
    settings: ClientSettings,
    user: Option<Credentials>,
    current: Mutex<Current>,
    patience: Duration,
    nodelay: NoDelay,
    outage: Outage,
    door: Door,
}

struct Current {
    client: Client,
    /// Grows with every client.
    number: u64,
}

/// What came of a call.
pub(super) struct Done<T> {
    pub(super) result: Result<T, Error>,
    /// An earlier try may have been done although it was not answered.
    pub(super) repeated: bool,
}

impl Link {
    pub(super) fn new(
        settings: ClientSettings,
        user: Option<Credentials>,
        patience: Duration,
    ) -> Result<Self, LogError> {
        // What is wrong with its files is told by their names, before the client looks at them.
        let door = Door::new(&settings)?;
        let client = make(&settings)?;
        let nodelay = NoDelay::new(settings.clone());
        nodelay.expect_new();
        let current = Mutex::new(Current { client, number: 0 });
        Ok(Self { settings, user, current, patience, nodelay, outage: Outage::default(), door })
    }

    /// In whose name calls are made.
    pub(super) fn user(&self) -> Option<&Credentials> {
        self.user.as_ref()
    }

    /// The client of this moment, for a call whose failure does not matter.
    pub(super) fn client(&self) -> Client {
        self.current().0
    }

    /// What is wrong where a call has failed, as far as the way to the nodes tells.
    pub(super) async fn explain(&self, error: LogError) -> LogError {
        match error {
            LogError::Unavailable(_) => self.door.knock().await.unwrap_or(error),
            error => error,
        }
    }

    fn current(&self) -> (Client, u64) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        (current.client.clone(), current.number)
    }

    /// Puts a new client in the place of that one, unless somebody has done so already.
    fn replace(&self, number: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number != number {
            return;
        }
        match make(&self.settings) {
            Ok(client) => {
                *current = Current { client, number: number + 1 };
                self.nodelay.expect_new();
            }
            Err(error) => tracing::warn!(%error, "can't make a new client of the event log"),
        }
    }

    /// Calls until the cluster answers, for as long as our patience lasts. What is called may be done twice.
    pub(super) async fn call<T, F, A>(&self, call: F) -> Done<T>
    where
        F: Fn(Client) -> A,
        A: Future<Output = Result<T, Error>>,
    {
        let until = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        let mut repeated = false;
        loop {
            let (client, number) = self.current();
            let made = std::time::Instant::now();
            let result = timeout(ONE_CALL, call(client)).await.unwrap_or(Err(Error::DeadlineExceeded));
            let error = match result {
                Err(error) if may_pass(&error) => error,
                result => {
                    self.nodelay.answered(made);
                    self.outage.answered();
                    return Done { result, repeated };
                }
            };
            match &error {
                // The client goes to the leader that is named. If that one is dead too, the next try tells.
                Error::NotLeaderException(leader) => self.nodelay.expect_new_at(leader),
                error => {
                    self.outage.no_answer(error);
                    self.replace(number);
                }
            }
            if Instant::now() + pause > until {
                self.outage.given_up();
                return Done { result: Err(error), repeated };
            }
            repeated |= !matches!(error, Error::NotLeaderException(_));
            // Many who wait for the same leader must not all come at once.
            let part = rand::rng().random_range(0.5..1.0);
            sleep(pause.mul_f64(part)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether another try, perhaps by another client, may do better.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::ServerError(_)
        | Error::NotLeaderException(_)
        | Error::ConnectionClosed
        | Error::GrpcConnectionError(_)
        | Error::DeadlineExceeded
        | Error::InternalClientError
        | Error::InitializationError(_) => true,
        // Cancelled, as when a node stops; aborted; out of resources.
        Error::Grpc { code, .. } => matches!(i32::from(*code), 1 | 8 | 10),
        _ => false,
    }
}

/// What is left when it did not pass.
pub(super) fn failure(error: &Error) -> LogError {
    match error {
        Error::AccessDenied => LogError::Refused(
            "the cluster does not know its user by this password, or the user may not read and append everything: \
             look at name and password in its address (--event-log), and at the user's groups"
                .to_owned(),
        ),
        // Never with the server's words where these may name a user.
        error => LogError::Unavailable(error.to_string()),
    }
}

/// A certificate that can't be read makes the client panic; nobody should have to die for that.
fn make(settings: &ClientSettings) -> Result<Client, LogError> {
    let made = catch_unwind(AssertUnwindSafe(|| Client::new(settings.clone())));
    match made {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(LogError::Refused(format!("the client can't be made: {error}"))),
        Err(_) => {
            Err(LogError::Refused("the client can't be made: is the certificate a PEM file?".to_owned()))
        }
    }
}
