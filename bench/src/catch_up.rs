//! How fast the projector folds a log that is there already, beside the same fold in plain SQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use projector::{Projector, ProjectorConfig};
use sqlx::postgres::PgPool;
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::profile::Profile;
use crate::report::{Figure, Rounds};
use crate::rig::{Rig, connect};
use crate::sql_fold::{self, Spent};
use crate::{Args, Failure, workload};

/// The read tables and what of a row both folds must agree on.
const TABLES: [(&str, &str); 7] = [
    ("runs", "to_jsonb(t)"),
    ("run_items", "to_jsonb(t)"),
    ("run_events", "to_jsonb(t)"),
    // Postgres has no UUIDv5, so the baseline's ids are others.
    ("notifications", "to_jsonb(t) - 'notification_id'"),
    ("run_counts", "to_jsonb(t)"),
    ("run_hours", "to_jsonb(t)"),
    ("run_labels", "to_jsonb(t)"),
];

/// The least rate that is hoped for with the most runs interleaved, in events a second.
const LEAST: f64 = 30_000.0;

/// Catch-up with few and with many runs interleaved.
pub async fn measure(rig: &Rig, args: &Args, profile: Option<&Profile>) -> Result<Vec<Figure>, Failure> {
    let runs = args.events.div_ceil(workload::RUN_EVENTS);
    let mut config = ProjectorConfig::default();
    config.max_batch_events = args.batch_events.unwrap_or(config.max_batch_events);
    let mut figures = Vec::new();
    for &interleaved in &args.interleaved {
        let name = format!("catch_up_{interleaved}");
        let database = rig.make_database(&name).await?;
        println!("catch-up: appending {runs} runs, {interleaved} interleaved");
        workload::append(&database, runs, interleaved).await?;
        let pool = connect(database, 4).await?;
        sqlx::query("VACUUM ANALYZE log.events").execute(&pool).await?;
        let head = sqlx::query_scalar("SELECT position FROM log.head").fetch_one(&pool).await?;
        let log = Log { rig, pool, head, config: config.clone(), interleaved };
        let measured = log.rounds(args.rounds).await?;
        if let Some(profile) = profile {
            log.empty().await?;
            profile.clear();
            profile.print(log.by_projector().await?);
        }
        log.pool.close().await;
        rig.drop_database(&name).await?;
        let figure = measured.figure(
            format!("catch-up of {head} events, {interleaved} runs interleaved"),
            "set-based SQL fold",
        );
        figures.push(if interleaved < 5_000 {
            figure.at_least(0.5)
        } else {
            let met = figure.ratio.is_some_and(|ratio| ratio >= 0.5) && figure.value > LEAST;
            figure.target("at least 0.5x and over 30000 events/s", met)
        });
    }
    Ok(figures)
}

/// A log to be folded again and again.
struct Log<'a> {
    rig: &'a Rig,
    pool: PgPool,
    head: i64,
    config: ProjectorConfig,
    interleaved: usize,
}

impl Log<'_> {
    async fn rounds(&self, rounds: usize) -> Result<Rounds, Failure> {
        let mut measured = Rounds::default();
        for round in 1..=rounds {
            self.empty().await?;
            let (took, spent) = self.by_sql().await?;
            let theirs = rate(self.head, took);
            let by_sql = hashes(&self.pool).await?;
            if round == 1 {
                println!("catch-up: the SQL fold by statement: {}", shown(&spent));
            }
            self.empty().await?;
            let ours = rate(self.head, self.by_projector().await?);
            println!(
                "catch-up, {} interleaved, round {round}/{rounds}: SQL fold {theirs:.0}/s, projector {ours:.0}/s",
                self.interleaved
            );
            for ((table, ours), (_, theirs)) in hashes(&self.pool).await?.into_iter().zip(by_sql) {
                if ours != theirs {
                    return Err(format!("the two folds differ in projection.{table}").into());
                }
            }
            measured.push(ours, theirs);
        }
        Ok(measured)
    }

    /// Empties the read tables, and the write-back queue with them.
    async fn empty(&self) -> Result<(), Failure> {
        sqlx::raw_sql(
            "TRUNCATE projection.runs, projection.run_labels, projection.run_items, projection.run_events, \
             projection.notifications, projection.run_counts, projection.run_hours, projection.run_durations, \
             projection.dead_letters; \
         UPDATE projection.checkpoints SET position = 0",
        )
        .execute(&self.pool)
        .await?;
        self.rig.checkpoint().await
    }

    async fn by_sql(&self) -> Result<(Duration, Spent), Failure> {
        // A connection of its own: its temporary tables go with it.
        let mut connection = PgConnection::connect_with(&self.pool.connect_options()).await?;
        let size = i64::try_from(self.config.max_batch_events)?;
        let begin = Instant::now();
        let spent = sql_fold::fold(&mut connection, self.head, size).await?;
        let took = begin.elapsed();
        connection.close().await?;
        Ok((took, spent))
    }

    /// The projector as the program runs it, from its start until the checkpoint is at the head.
    async fn by_projector(&self) -> Result<Duration, Failure> {
        let options = self.pool.connect_options().as_ref().clone();
        let log = Arc::new(PostgresLog::connect(options.clone(), PostgresLogConfig::default()).await?);
        let own_pool = connect(options, 4).await?;
        let stop = CancellationToken::new();
        let projector = Projector::new(log.clone(), own_pool.clone(), self.config.clone());
        let begin = Instant::now();
        let task = tokio::spawn(projector.run(stop.clone()));
        loop {
            let reached: i64 = sqlx::query_scalar("SELECT position FROM projection.checkpoints")
                .fetch_one(&self.pool)
                .await?;
            if reached >= self.head {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let took = begin.elapsed();
        stop.cancel();
        task.await??;
        log.shutdown().await;
        own_pool.close().await;
        let held: i64 =
            sqlx::query_scalar("SELECT count(*) FROM projection.dead_letters").fetch_one(&self.pool).await?;
        if held > 0 { Err(format!("the projector held {held} events").into()) } else { Ok(took) }
    }
}

/// A hash of each read table.
async fn hashes(pool: &PgPool) -> Result<Vec<(&'static str, Option<String>)>, Failure> {
    let mut hashes = Vec::with_capacity(TABLES.len());
    for (table, row) in TABLES {
        let sql = format!(
            "SELECT md5(string_agg(row, '' ORDER BY row)) FROM (SELECT md5(({row})::text) AS row \
             FROM projection.{table} AS t) AS rows"
        );
        hashes.push((table, sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(pool).await?));
    }
    Ok(hashes)
}

fn rate(events: i64, took: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let events = events as f64;
    events / took.as_secs_f64()
}

fn shown(spent: &Spent) -> String {
    let each = spent.iter().map(|(name, time)| format!("{name} {:.2} s", time.as_secs_f64()));
    each.collect::<Vec<_>>().join(", ")
}
