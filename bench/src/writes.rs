//! How the rows of a batch are best written: the projector's way beside others. The timeline is the largest of
//! the read tables; the rows are those of runs that are interleaved.

use std::fmt::Write;
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::Failure;
use crate::report::{Figure, Rounds};
use crate::rig::Rig;

/// Rows in a transaction, as in the projector's batches.
const BATCH: usize = 10_000;
/// Transactions of a round.
const BATCHES: usize = 10;
/// Runs that are interleaved.
const RUNS: usize = 5_000;

const COLUMNS: &str = "tenant, run_id, revision, position, event_id, event_type, schema_version, occurred_at,
    recorded_at, actor, data";

/// A way to write rows.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// One statement over arrays.
    Unnest,
    /// The protocol's way for files.
    Copy,
    /// The first, half of the runs on each of two connections: a batch is there when both are.
    InParallel,
}

/// What is written of an event.
#[derive(Default)]
struct Rows {
    runs: Vec<Uuid>,
    revisions: Vec<i64>,
    positions: Vec<i64>,
    ids: Vec<Uuid>,
    data: Vec<String>,
}

impl Rows {
    /// The batch with that number; of the runs only each `of`-th, from `part` on.
    fn of_batch(batch: usize, part: usize, of: usize) -> Result<Self, Failure> {
        let mut rows = Self::default();
        for position in (batch * BATCH..(batch + 1) * BATCH).filter(|n| n % RUNS % of == part) {
            let run = position % RUNS;
            rows.runs.push(Uuid::new_v5(&Uuid::NAMESPACE_OID, &run.to_le_bytes()));
            rows.revisions.push(i64::try_from(position / RUNS)?);
            rows.positions.push(i64::try_from(position)?);
            rows.ids.push(Uuid::new_v4());
            rows.data.push(format!(
                r#"{{"item":"volume-{position}","reason_code":"permission_denied","message":"may not read it"}}"#
            ));
        }
        Ok(rows)
    }
}

/// All ways in turn; each is held against the projector's.
pub async fn measure(rig: &Rig, rounds: usize) -> Result<Vec<Figure>, Failure> {
    let mut connections = [
        PgConnection::connect_with(&rig.options()).await?,
        PgConnection::connect_with(&rig.options()).await?,
    ];
    sqlx::raw_sql("CREATE TABLE public.timeline (LIKE projection.run_events INCLUDING ALL)")
        .execute(&mut connections[0])
        .await?;
    for connection in &mut connections {
        // As the projector's own.
        sqlx::raw_sql("SET synchronous_commit = off").execute(connection).await?;
    }
    let mut measured = [(Way::Copy, Rounds::default()), (Way::InParallel, Rounds::default())];
    for round in 1..=rounds {
        let unnest = rate(rig, &mut connections, Way::Unnest).await?;
        for (way, rounds) in &mut measured {
            let this = rate(rig, &mut connections, *way).await?;
            println!("writes, round {round}: {way:?} {this:.0} rows/s, Unnest {unnest:.0} rows/s");
            rounds.push(this, unnest);
        }
    }
    sqlx::raw_sql("DROP TABLE public.timeline").execute(&mut connections[0]).await?;
    let [(_, copy), (_, parallel)] = measured;
    let unnest = "unnest on one connection";
    Ok(vec![
        copy.figure("rows of the timeline by COPY", unnest),
        parallel.figure("rows of the timeline by unnest, two connections, divided by run", unnest),
    ])
}

async fn rate(rig: &Rig, connections: &mut [PgConnection; 2], way: Way) -> Result<f64, Failure> {
    sqlx::raw_sql("TRUNCATE public.timeline").execute(&mut connections[0]).await?;
    rig.settle().await?;
    let mut took = Duration::ZERO;
    for batch in 0..BATCHES {
        let [one, other] = connections;
        let parts = match way {
            Way::Unnest | Way::Copy => vec![Rows::of_batch(batch, 0, 1)?],
            Way::InParallel => vec![Rows::of_batch(batch, 0, 2)?, Rows::of_batch(batch, 1, 2)?],
        };
        let begin = Instant::now();
        match (way, parts.as_slice()) {
            (Way::Copy, [rows]) => copy(one, rows).await?,
            (_, [rows]) => unnest(one, rows).await?,
            (_, [rows, others]) => {
                tokio::try_join!(unnest(one, rows), unnest(other, others))?;
            }
            _ => {}
        }
        took += begin.elapsed();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rows = (BATCH * BATCHES) as f64;
    Ok(rows / took.as_secs_f64())
}

async fn unnest(db: &mut PgConnection, rows: &Rows) -> Result<(), Failure> {
    let sql = format!(
        "INSERT INTO public.timeline ({COLUMNS})
         SELECT 'bench', run, revision, position, id, 'ItemFailed', 1, now(), now(), 'producer', data::json
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::text[])
             AS t (run, revision, position, id, data)"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&rows.runs)
        .bind(&rows.revisions)
        .bind(&rows.positions)
        .bind(&rows.ids)
        .bind(&rows.data)
        .execute(db)
        .await?;
    Ok(())
}

async fn copy(db: &mut PgConnection, rows: &Rows) -> Result<(), Failure> {
    let mut text = String::new();
    for (n, data) in rows.data.iter().enumerate() {
        // The data has no character that this form would have to escape.
        let (run, revision, position, id) = (rows.runs[n], rows.revisions[n], rows.positions[n], rows.ids[n]);
        writeln!(
            text,
            "bench\t{run}\t{revision}\t{position}\t{id}\tItemFailed\t1\tnow\tnow\tproducer\t{data}"
        )?;
    }
    let mut copy = db.copy_in_raw(&format!("COPY public.timeline ({COLUMNS}) FROM STDIN")).await?;
    copy.send(text.as_bytes()).await?;
    copy.finish().await?;
    Ok(())
}
