//! One active projector at a time.

use std::sync::Arc;

use crate::support::*;
use eventlog::EventLog;
use sqlx::PgPool;

/// Notes with which fencing token each position was reached.
async fn watch_the_fence(pool: &PgPool) {
    sqlx::raw_sql(
        "CREATE TABLE public.moves (n bigserial, fence bigint, position bigint);
         CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO public.moves (fence, position) VALUES (NEW.fence, NEW.position); RETURN NULL; END $$;
         CREATE TRIGGER noted AFTER UPDATE OF position ON projection.checkpoints
             FOR EACH ROW EXECUTE FUNCTION public.note()",
    )
    .execute(pool)
    .await
    .unwrap();
}

/// The tokens with which the checkpoint was moved, in order, each once.
async fn fences(pool: &PgPool) -> Vec<i64> {
    let moves = sqlx::query_scalar("SELECT fence FROM public.moves ORDER BY n").fetch_all(pool);
    let mut fences: Vec<i64> = moves.await.unwrap();
    fences.dedup();
    fences
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_next_takes_over_when_the_first_ends(pool: PgPool) {
    watch_the_fence(&pool).await;
    // However long this machine stands still, no lease ends before it is given back.
    sqlx::raw_sql(
        "CREATE FUNCTION public.lengthen() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN NEW.lease_until := NEW.lease_until + interval '1 hour'; RETURN NEW; END $$;
         CREATE TRIGGER lengthened BEFORE UPDATE OF lease_until ON projection.checkpoints
             FOR EACH ROW EXECUTE FUNCTION public.lengthen()",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut story = Story::default();
    story.given(0, [queued(), started()]).await;
    let mut progress = Progress::listen(&pool).await;
    let logs = [0, 1].map(|_| Watched::over(&story.log));
    let first = Running::start(Arc::new(logs[0].clone()), &pool, 100);
    logs[0].until_followed(1).await;
    let second = Running::start(Arc::new(logs[1].clone()), &pool, 100);
    progress.until(story.log.head().await.unwrap()).await;
    story.given(1, [queued(), started()]).await;
    progress.until(story.log.head().await.unwrap()).await;
    assert_eq!(*logs[1].followed.lock().unwrap(), Vec::<u64>::new(), "it stands by");

    first.stop().await;
    story.given(2, [queued(), started(), completed()]).await;
    progress.until(story.log.head().await.unwrap()).await;
    second.stop().await;
    assert_eq!(fences(&pool).await, [1, 2]);
    let live = Tables::dump(&pool).await;
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[]).await, live);
}

/// It slept through its lease; when it wakes, another holds the next token.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn whoever_lost_the_lease_writes_nothing(pool: PgPool) {
    watch_the_fence(&pool).await;
    let mut story = Story::default();
    let mut progress = Progress::listen(&pool).await;
    let log = Watched::over(&story.log);
    let running = Running::start(Arc::new(log.clone()), &pool, 100);
    log.until_followed(1).await;

    let lease = "UPDATE projection.checkpoints SET fence = fence + 1, lease_until = ";
    let of = |until: &str| sqlx::AssertSqlSafe(format!("{lease}{until}"));
    sqlx::query(of("now() + interval '1 hour'")).execute(&pool).await.unwrap();
    story.given(0, [queued(), started()]).await;
    // The other one dies, and its lease ends.
    sqlx::query(of("now()")).execute(&pool).await.unwrap();
    progress.until(story.log.head().await.unwrap()).await;
    running.stop().await;
    assert_eq!(fences(&pool).await, [4], "1 was lost, 2 and 3 were the other's");
}

/// It is overtaken between two looks at its lease: its batch was on its way already.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn whoever_loses_the_lease_while_a_batch_waits_writes_nothing(pool: PgPool) {
    watch_the_fence(&pool).await;
    let mut story = Story::default();
    let mut progress = Progress::listen(&pool).await;
    let log = Watched::over(&story.log);
    let running = Running::start(Arc::new(log.clone()), &pool, 100);
    log.until_followed(1).await;
    for run in 0.. {
        let mut other = database::begin(&pool).await.unwrap();
        sqlx::query("SELECT FROM projection.checkpoints FOR UPDATE").execute(&mut *other).await.unwrap();
        story.given(run, [queued(), started()]).await;
        let waiting = "SELECT query FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting = until("somebody who waits for the checkpoint's row", async || {
            sqlx::query_scalar::<_, String>(waiting).fetch_optional(&pool).await.unwrap()
        });
        // Where it is the look at the lease, there is another time.
        if waiting.await.starts_with("BEGIN") {
            let taken =
                "UPDATE projection.checkpoints SET fence = 7, lease_until = now(); TRUNCATE public.moves";
            sqlx::raw_sql(taken).execute(&mut *other).await.unwrap();
            other.commit().await.unwrap();
            break;
        }
        other.rollback().await.unwrap();
    }
    progress.until(story.log.head().await.unwrap()).await;
    running.stop().await;
    assert_eq!(fences(&pool).await, [8], "7 was the other's");
}

/// A lease is never longer than its term, and whoever stands by takes it the first time that it asks after the
/// end: what a death costs follows from these two, on a machine of any speed.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_first_one_that_asks_after_a_death_has_the_lease(pool: PgPool) {
    sqlx::raw_sql(
        "CREATE TABLE public.leases (fence bigint, seconds double precision);
         CREATE FUNCTION public.leased() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO public.leases
             VALUES (NEW.fence, extract(epoch FROM NEW.lease_until - clock_timestamp()));
             RETURN NULL;
         END $$;
         CREATE TRIGGER leased AFTER UPDATE ON projection.checkpoints
             FOR EACH ROW EXECUTE FUNCTION public.leased();
         CREATE TABLE public.asked (while_it_lasts boolean);
         CREATE FUNCTION public.asks() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO public.asked
             SELECT COALESCE(lease_until >= clock_timestamp(), false) FROM projection.checkpoints;
             RETURN NULL;
         END $$;
         CREATE TRIGGER asks BEFORE UPDATE OF fence ON projection.checkpoints
             FOR EACH STATEMENT EXECUTE FUNCTION public.asks()",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut story = Story::default();
    let logs = [0, 1].map(|_| Watched::over(&story.log));
    let first = Running::start(Arc::new(logs[0].clone()), &pool, 100);
    logs[0].until_followed(1).await;
    first.kill().await;
    let second = Running::start(Arc::new(logs[1].clone()), &pool, 100);
    logs[1].until_followed(1).await;
    let mut progress = Progress::listen(&pool).await;
    story.given(0, [queued(), started()]).await;
    progress.until(story.log.head().await.unwrap()).await;

    let longest: f64 =
        sqlx::query_scalar("SELECT max(seconds) FROM public.leases").fetch_one(&pool).await.unwrap();
    assert!(longest <= 5.0, "{longest} s");
    let fences: Vec<i64> = sqlx::query_scalar("SELECT DISTINCT fence FROM public.leases ORDER BY 1")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(fences, [1, 2]);
    let in_vain: i64 = sqlx::query_scalar("SELECT count(*) - 2 FROM public.asked WHERE NOT while_it_lasts")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(in_vain <= 0, "asked {in_vain} times in vain after the end");
    second.stop().await;
}
