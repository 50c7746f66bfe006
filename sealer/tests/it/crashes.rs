//! A sealer that dies at any step.

use crate::support::*;
use sealer::SealError;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// Lets a sealer go so many steps (what it awaits), and drops it there, as a kill would. Whether it came to its end.
async fn killed_after(ledger: &Ledger, steps: usize) -> bool {
    let options = (*ledger.pool.connect_options()).clone().application_name("doomed");
    let pool = PgPoolOptions::new().connect_lazy_with(options);
    let sealer = ledger.sealer_on(&pool);
    let ended = polled(sealer.seal_now(), steps).await;
    // Its connections die with it.
    let killed = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                  WHERE application_name = 'doomed' AND datname = current_database()";
    sqlx::raw_sql(killed).execute(&ledger.pool).await.unwrap();
    ended.is_some_and(|done| done.map(|()| true).unwrap())
}

/// What a killed one leaves: a lease, which ends by itself.
async fn lease_ends(ledger: &Ledger) {
    sqlx::query("UPDATE seal.progress SET lease_until = NULL").execute(&ledger.pool).await.unwrap();
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn wherever_it_dies_each_size_has_one_tree(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    // Every note that was ever there.
    sqlx::raw_sql(
        "CREATE TABLE public.notes (log_id int, size bigint, note text);
         CREATE FUNCTION public.remember() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO public.notes VALUES (NEW.log_id, NEW.size, NEW.note); RETURN NULL; END $$;
         CREATE TRIGGER remembered AFTER UPDATE OF note ON seal.checkpoints FOR EACH ROW EXECUTE FUNCTION public.remember()",
    )
    .execute(&pool)
    .await
    .unwrap();
    let (mut steps, mut round) = (0, 0);
    loop {
        // Other events than at the kill before, so that a size that was signed could get another tree.
        ledger.append(&run_stream("acme", round), 0, 1 + round % 3).await;
        ledger.append(&run_stream("demo", 1_000 + round), 0, 1).await;
        let ended = killed_after(&ledger, steps).await;
        lease_ends(&ledger).await;
        if ended {
            break;
        }
        // Not at each of some 1,800: what is awaited takes several steps.
        steps += 13;
        round += 1;
    }
    assert!(steps > 500, "{steps} steps");
    ledger.seal().await;
    assert_eq!(ledger.audit().await.findings, []);
    let sizes = "SELECT count(*) FROM (SELECT log_id, size FROM public.notes GROUP BY 1, 2 HAVING count(DISTINCT note) > 1) AS two";
    assert_eq!(ledger.number(sizes).await, 0);
    assert_eq!(ledger.number("SELECT count(*) FROM seal.checkpoints WHERE note IS NULL").await, 0);
}

/// One that was paused for longer than its lease writes nothing.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_sealer_that_lost_its_lease_is_fenced(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.append(&run_stream("acme", 0), 0, 40).await;
    sqlx::raw_sql(
        "CREATE FUNCTION public.take_over() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN NEW.fence := NEW.fence + 1; RETURN NEW; END $$;
         CREATE TRIGGER taken_over BEFORE UPDATE OF position ON seal.progress FOR EACH ROW EXECUTE FUNCTION public.take_over()",
    )
    .execute(&pool)
    .await
    .unwrap();
    let ended = ledger.sealer().seal_now().await;
    assert!(matches!(ended, Err(SealError::Fenced)), "{ended:?}");
    assert_eq!(ledger.number("SELECT count(*) FROM seal.checkpoints").await, 0);
}
