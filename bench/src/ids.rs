//! What an index over all event ids would cost: appends, and the size of the log.

use std::time::Duration;

use sqlx::PgPool;

use crate::Failure;
use crate::appends::through_the_log;
use crate::report::{Figure, Rounds};
use crate::rig::Rig;

/// As the log had it once: ids are random, so each of them touches a page of its own.
const CREATE: &str = "CREATE UNIQUE INDEX ids_of_all ON log.events (event_id)";
const DROP: &str = "DROP INDEX IF EXISTS log.ids_of_all";

/// Appends without the index beside appends with it, on the same log in turns, and the log's bytes for each event.
pub async fn measure(rig: &Rig, rounds: usize, length: Duration) -> Result<Vec<Figure>, Failure> {
    let pool = rig.pool(1).await?;
    let (mut single, mut batched) = (Rounds::default(), Rounds::default());
    for round in 1..=rounds {
        for (rounds, producers, batch) in [(&mut single, 64, 1), (&mut batched, 8, 25)] {
            let without = through_the_log(rig, producers, batch, length).await?;
            sqlx::query(CREATE).execute(&pool).await?;
            let with = through_the_log(rig, producers, batch, length).await;
            sqlx::query(DROP).execute(&pool).await?;
            let with = with?;
            println!("ids, round {round}: batches of {batch}: without {without:.0}/s, with {with:.0}/s");
            rounds.push(without, with);
        }
    }
    let without = bytes_an_event(&pool).await?;
    sqlx::query(CREATE).execute(&pool).await?;
    let with = bytes_an_event(&pool).await;
    sqlx::query(DROP).execute(&pool).await?;
    pool.close().await;
    let with = with?;
    let mut size = Figure::plain("size of the log without an index over all ids", without, "bytes/event")
        .beside("with it", with);
    size.ratio = Some(without / with);
    Ok(vec![
        single.figure("single events without an index over all ids, 64 producers", "with it"),
        batched.figure("batches of 25 without an index over all ids, 8 producers", "with it"),
        size,
    ])
}

/// The log's table and indexes, shared among its events.
async fn bytes_an_event(pool: &PgPool) -> Result<f64, Failure> {
    let size = "SELECT pg_total_relation_size('log.events')::float8 / greatest(count(*), 1) FROM log.events";
    Ok(sqlx::query_scalar(size).fetch_one(pool).await?)
}
