//! Connections that are taken and given back many times a second.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::PgPoolOptions;

/// How long a connection may lie idle and still be taken for sound.
const SURELY_SOUND: Duration = Duration::from_secs(1);

/// Options of a pool that asks a connection whether it is still there only when it has been idle: sqlx asks
/// each time, and that is one round trip more for all that the connection is taken for. What breaks within
/// that second is an error of the one who finds it.
#[must_use]
pub fn pool_options() -> PgPoolOptions {
    PgPoolOptions::new().test_before_acquire(false).before_acquire(|connection, known| {
        Box::pin(async move {
            if known.idle_for > SURELY_SOUND {
                connection.ping().await?;
            }
            Ok(true)
        })
    })
}
