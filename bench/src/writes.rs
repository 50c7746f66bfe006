//! How the rows of a batch are best written: the projector's way beside others. The timeline is the largest of
//! the read tables; the rows are those of runs that are interleaved.

use std::fmt::Write;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgHasArrayType, PgTypeInfo};
use sqlx::{Connection, PgConnection, Postgres};
use uuid::Uuid;

use crate::Failure;
use crate::report::{Figure, Rounds};
use crate::rig::Rig;

/// Rows in a transaction, and transactions of a round: as in the projector's batches while it catches up, and while
/// it follows 2,000 events a second.
const LARGE: (usize, usize) = (10_000, 10);
const SMALL: (usize, usize) = (3, 2_000);
/// Runs that are interleaved.
const RUNS: usize = 5_000;

const COLUMNS: &str = "tenant, run_id, revision, position, event_id, event_type, schema_version, occurred_at,
    recorded_at, actor, correlation_id, causation_id, data";

/// A way to write rows.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// One statement over an array of rows: the projector's.
    Rows,
    /// One statement over an array for each column.
    Columns,
    /// The protocol's way for files.
    Copy,
    /// The first, half of the runs on each of two connections: a batch is there when both are.
    InParallel,
}

/// What is written of an event.
#[derive(Clone, sqlx::Encode)]
struct Row {
    tenant: &'static str,
    run_id: Uuid,
    revision: i64,
    position: i64,
    event_id: Uuid,
    event_type: &'static str,
    schema_version: i16,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    actor: &'static str,
    correlation_id: Option<&'static str>,
    causation_id: Option<&'static str>,
    data: String,
    token_id: Option<Uuid>,
    request_id: Option<&'static str>,
    origin: Option<&'static str>,
    reason_code: Option<&'static str>,
}

impl sqlx::Type<Postgres> for Row {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("projection.timeline_event")
    }
}

impl PgHasArrayType for Row {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("projection.timeline_event")
    }
}

/// The rows of a batch; of the runs only each `of`-th, from `part` on.
fn batch(size: usize, number: usize, part: usize, of: usize) -> Result<Vec<Row>, Failure> {
    let now = Utc::now();
    let positions = (number * size..(number + 1) * size).filter(|n| n % RUNS % of == part);
    let row = |position: usize| {
        Ok(Row {
            tenant: "bench",
            run_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, &(position % RUNS).to_le_bytes()),
            revision: i64::try_from(position / RUNS)?,
            position: i64::try_from(position)?,
            event_id: Uuid::new_v4(),
            event_type: "ItemFailed",
            schema_version: 1,
            occurred_at: now,
            recorded_at: now,
            actor: "producer",
            correlation_id: None,
            causation_id: None,
            data: format!(
                r#"{{"item":"volume-{position}","reason_code":"permission_denied","message":"may not read it"}}"#
            ),
            token_id: None,
            request_id: None,
            origin: None,
            reason_code: Some("permission_denied"),
        })
    };
    positions.map(row).collect()
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
        sqlx::raw_sql("SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan")
            .execute(connection)
            .await?;
    }
    let mut figures = Vec::new();
    let cases: [(_, &[_]); 2] =
        [(LARGE, &[Way::Columns, Way::Copy, Way::InParallel]), (SMALL, &[Way::Columns, Way::Copy])];
    for (sizes, ways) in cases {
        let mut measured: Vec<_> = ways.iter().map(|way| (*way, Rounds::default())).collect();
        for round in 1..=rounds {
            let usual = rate(rig, &mut connections, Way::Rows, sizes).await?;
            for (way, rounds) in &mut measured {
                let this = rate(rig, &mut connections, *way, sizes).await?;
                println!(
                    "writes, round {round}, {} a batch: {way:?} {this:.0} rows/s, Rows {usual:.0}",
                    sizes.0
                );
                rounds.push(this, usual);
            }
        }
        for (way, rounds) in measured {
            let by = match way {
                Way::Rows => "an array of rows",
                Way::Columns => "an array for each column",
                Way::Copy => "COPY",
                Way::InParallel => "two connections, divided by run",
            };
            let name = format!("rows of the timeline, {} a batch, by {by}", sizes.0);
            figures.push(rounds.figure(&name, "an array of rows on one connection"));
        }
    }
    sqlx::raw_sql("DROP TABLE public.timeline").execute(&mut connections[0]).await?;
    Ok(figures)
}

/// Rows a second.
async fn rate(
    rig: &Rig,
    connections: &mut [PgConnection; 2],
    way: Way,
    (size, batches): (usize, usize),
) -> Result<f64, Failure> {
    sqlx::raw_sql("TRUNCATE public.timeline").execute(&mut connections[0]).await?;
    rig.checkpoint().await?;
    let mut took = Duration::ZERO;
    for number in 0..batches {
        let [one, other] = connections;
        let parts = match way {
            Way::InParallel => vec![batch(size, number, 0, 2)?, batch(size, number, 1, 2)?],
            _ => vec![batch(size, number, 0, 1)?],
        };
        let begin = Instant::now();
        match (way, parts.as_slice()) {
            (Way::Copy, [rows]) => copy(one, rows).await?,
            (Way::Columns, [rows]) => by_columns(one, rows).await?,
            (_, [rows]) => by_rows(one, rows).await?,
            (_, [rows, others]) => {
                tokio::try_join!(by_rows(one, rows), by_rows(other, others))?;
            }
            _ => {}
        }
        took += begin.elapsed();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rows = (size * batches) as f64;
    Ok(rows / took.as_secs_f64())
}

async fn by_rows(db: &mut PgConnection, rows: &[Row]) -> Result<(), Failure> {
    let sql = format!(
        "INSERT INTO public.timeline ({COLUMNS})
         SELECT tenant, run_id, revision, position, event_id, event_type, schema_version, occurred_at, recorded_at,
             actor, correlation_id, causation_id, data::json FROM unnest($1::projection.timeline_event[])"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(rows).execute(db).await?;
    Ok(())
}

async fn by_columns(db: &mut PgConnection, rows: &[Row]) -> Result<(), Failure> {
    let sql = format!(
        "INSERT INTO public.timeline ({COLUMNS})
         SELECT tenant, run_id, revision, position, event_id, event_type, schema_version, occurred_at, recorded_at,
             actor, correlation_id, causation_id, data::json
         FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::smallint[],
             $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::text[])
             AS t (tenant, run_id, revision, position, event_id, event_type, schema_version, occurred_at,
             recorded_at, actor, correlation_id, causation_id, data)"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(column(rows, |row| row.tenant))
        .bind(column(rows, |row| row.run_id))
        .bind(column(rows, |row| row.revision))
        .bind(column(rows, |row| row.position))
        .bind(column(rows, |row| row.event_id))
        .bind(column(rows, |row| row.event_type))
        .bind(column(rows, |row| row.schema_version))
        .bind(column(rows, |row| row.occurred_at))
        .bind(column(rows, |row| row.recorded_at))
        .bind(column(rows, |row| row.actor))
        .bind(column(rows, |row| row.correlation_id))
        .bind(column(rows, |row| row.causation_id))
        .bind(column(rows, |row| row.data.clone()))
        .execute(db)
        .await?;
    Ok(())
}

fn column<T>(rows: &[Row], value: impl Fn(&Row) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

async fn copy(db: &mut PgConnection, rows: &[Row]) -> Result<(), Failure> {
    let mut text = String::new();
    for row in rows {
        // The data has no character that this form would have to escape.
        let Row { tenant, run_id, revision, position, event_id, event_type, actor, data, .. } = row;
        writeln!(
            text,
            "{tenant}\t{run_id}\t{revision}\t{position}\t{event_id}\t{event_type}\t1\tnow\tnow\t{actor}\t\\N\t\\N\t{data}"
        )?;
    }
    let mut copy = db.copy_in_raw(&format!("COPY public.timeline ({COLUMNS}) FROM STDIN")).await?;
    copy.send(text.as_bytes()).await?;
    copy.finish().await?;
    Ok(())
}
