//! A database that was restored to an earlier moment, and is sealed anew: what that says, and what it can't be used for.

use std::path::PathBuf;

use crate::support::*;
use crate::witness::{Cosigner, newest, policy};
use chrono::DateTime;
use domain::admin::{ActorKind, AdminActor};
use redaction::CleanText;
use seal::continues::Continues;
use sealer::{Anew, Begun, KeyFile, SealError};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// Everything that a backup has, in the order in which it can be put back.
const TABLES: [&str; 10] = [
    "log.events",
    "log.head",
    "seal.progress",
    "seal.logs",
    "seal.runs",
    "seal.tiles",
    "seal.checkpoints",
    "seal.continues",
    "seal.findings",
    "administration.changes",
];

/// Keeps a backup of that name.
async fn back_up(ledger: &Ledger, name: &str) {
    let copies = TABLES.map(|table| format!("CREATE TABLE {name}.\"{table}\" AS TABLE {table};"));
    let sql = format!("CREATE SCHEMA {name}; {}", copies.concat());
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&ledger.pool).await.unwrap();
}

/// Puts it back.
async fn restore(ledger: Ledger, name: &str) -> Ledger {
    let tables = TABLES.map(|table| {
        format!(
            "DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {name}.\"{table}\";"
        )
    });
    let sql = format!(
        "BEGIN; ALTER TABLE log.events DISABLE TRIGGER ALL; ALTER TABLE log.head DISABLE TRIGGER ALL;
         SET LOCAL session_replication_role = replica; {}
         UPDATE seal.progress SET lease_until = NULL;
         ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_are_append_only;
         ALTER TABLE log.head ENABLE ALWAYS TRIGGER head_moves_forwards; COMMIT",
        tables.concat()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&ledger.pool).await.unwrap();
    Ledger { log: Ledger::start(&ledger.pool).await.log, ..ledger }
}

fn anew() -> Anew {
    Anew {
        why: CleanText::new("the disk was lost"),
        by: AdminActor {
            kind: ActorKind::Os,
            name: CleanText::new("ann@ledger-1"),
            token_id: None,
            request_id: None,
        },
        at: DateTime::from_timestamp(1_772_366_400, 0).unwrap(),
        known: Vec::new(),
    }
}

async fn begin(ledger: &Ledger, anew: &Anew) -> Result<Begun, SealError> {
    ledger.sealer().begin_anew(anew).await
}

/// A tenant for the administration to be told of it.
async fn with_tenants(pool: &PgPool) -> Ledger {
    let sql = "INSERT INTO access.tenants (tenant, name) VALUES ('acme', 'Acme'), ('demo', 'Demo')";
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
    Ledger::start(pool).await
}

/// Backed up after the story, sealed further, and restored.
async fn restored(pool: &PgPool) -> Ledger {
    let ledger = with_tenants(pool).await;
    ledger.story().await;
    back_up(&ledger, "backup").await;
    ledger.append(&run_stream("acme", 0), 7, 2).await;
    ledger.append(&run_stream("demo", 8), 0, 1).await;
    ledger.seal().await;
    restore(ledger, "backup").await
}

async fn notes(ledger: &Ledger, tenant: Option<&str>) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT note FROM seal.checkpoints JOIN seal.logs USING (log_id) WHERE tenant IS NOT DISTINCT FROM $1 ORDER BY checkpoints.size",
    )
    .bind(tenant)
    .fetch_all(&ledger.pool)
    .await
    .unwrap()
}

fn kept(ledger: &Ledger) -> PathBuf {
    ledger.folder.path().join("seal.key.checkpoint")
}

fn origin(note: &str) -> &str {
    note.lines().next().unwrap()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_restored_ledger_goes_on_under_other_names(pool: PgPool) {
    let ledger = restored(&pool).await;
    let ended = ledger.sealer().seal_now().await;
    assert!(matches!(ended, Err(SealError::Restored { outside: 9, ours: 6, .. })), "{ended:?}");
    let before = notes(&ledger, Some("acme")).await;
    let begun = Begun { generation: 2, tenants: 2, unused: vec![] };
    assert_eq!(begin(&ledger, &anew()).await.unwrap(), begun);

    let now = notes(&ledger, Some("acme")).await;
    assert_eq!(now[..2], before);
    assert_eq!(now.len(), 3);
    assert_eq!(origin(&now[2]), format!("{}/2", origin(&now[0])));
    assert_eq!(origin(notes(&ledger, None).await.last().unwrap()), "ledger.example/2");
    assert_eq!(origin(&std::fs::read_to_string(kept(&ledger)).unwrap()), "ledger.example/2");

    // From then on it is sealed as any other.
    ledger.append(&run_stream("acme", 0), 7, 3).await;
    ledger.append(&run_stream("demo", 9), 0, 2).await;
    ledger.append("admin-acme", 3, 1).await;
    ledger.seal().await;
    assert_eq!(notes(&ledger, Some("acme")).await.len(), 4);
    assert_eq!(
        (ledger.sampled().await, ledger.number("SELECT count(*) FROM seal.findings").await),
        (vec![], 0)
    );
    let audited = ledger.audit().await;
    assert_eq!(audited.findings, []);
    let said: Vec<_> = audited.restored.iter().map(|one| (one.tenant.as_deref(), &one.said)).collect();
    let of = |tenant: Option<&str>| -> Continues {
        said.iter().find(|(of, _)| *of == tenant).map(|(_, said)| (*said).clone()).unwrap()
    };
    assert_eq!(said.len(), 3);
    let (acme, own) = (of(Some("acme")), of(None));
    assert_eq!(
        (own.agrees.0, own.known.as_ref().map(|known| (known.log.as_str(), known.size))),
        (6, Some((LEDGER, 9)))
    );
    assert_eq!(
        (acme.agrees.0, acme.known, acme.prev, acme.why.as_str()),
        (17, None, None, "the disk was lost")
    );
    assert_eq!((acme.log.as_str(), acme.from.as_str()), (origin(&now[2]), origin(&now[0])));
    // It is history of the administration, of every tenant.
    let told = "SELECT count(*) FROM administration.changes WHERE event_type = 'SealedAnew'
                AND data = '{\"why\": \"the disk was lost\", \"generation\": 2}' AND actor = 'ann@ledger-1'";
    assert_eq!(ledger.number(told).await, 2);
    // There is nothing to begin anew any more.
    assert!(matches!(begin(&ledger, &anew()).await, Err(SealError::NothingLost)));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn wherever_it_is_interrupted_it_is_brought_to_its_end(pool: PgPool) {
    let ledger = restored(&pool).await;
    let file = std::fs::read(kept(&ledger)).unwrap();
    back_up(&ledger, "again").await;
    // Committed, and not signed.
    sqlx::raw_sql(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
         CREATE TRIGGER refused BEFORE UPDATE OF note ON seal.checkpoints FOR EACH ROW EXECUTE FUNCTION public.refuse()",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert!(matches!(begin(&ledger, &anew()).await, Err(SealError::Database(_))));
    sqlx::raw_sql("DROP TRIGGER refused ON seal.checkpoints").execute(&pool).await.unwrap();
    let ended = ledger.sealer().seal_now().await;
    assert!(matches!(ended, Err(SealError::Unfinished { database: 2, outside: 1 })), "{ended:?}");
    assert_eq!(begin(&ledger, &anew()).await.unwrap().generation, 2);
    assert_eq!(ledger.audit().await.findings, []);
    let mut ledger = restore(ledger, "again").await;
    std::fs::write(kept(&ledger), &file).unwrap();
    // And wherever else.
    let mut steps = 0;
    loop {
        let options = (*ledger.pool.connect_options()).clone().application_name("doomed");
        let doomed = PgPoolOptions::new().connect_lazy_with(options);
        let ended = polled(ledger.sealer_on(&doomed).begin_anew(&anew()), steps).await;
        let killed = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                      WHERE application_name = 'doomed' AND datname = current_database()";
        sqlx::raw_sql(killed).execute(&ledger.pool).await.unwrap();
        if ended.is_none() {
            sqlx::query("UPDATE seal.progress SET lease_until = NULL").execute(&ledger.pool).await.unwrap();
            match ledger.sealer().seal_now().await {
                Err(SealError::Restored { .. }) => {
                    assert_eq!(begin(&ledger, &anew()).await.unwrap().generation, 2)
                }
                Err(SealError::Unfinished { database: 2, outside: 1 }) => {
                    assert_eq!(begin(&ledger, &anew()).await.unwrap().generation, 2);
                }
                // Its last step was done.
                Ok(()) => {}
                other => panic!("{other:?} after {steps} steps"),
            }
        }
        ledger.append(&run_stream("acme", 0), 7, 1).await;
        ledger.seal().await;
        let audited = ledger.audit().await;
        assert_eq!((audited.findings, audited.restored.len()), (vec![], 3), "after {steps} steps");
        if ended.is_some() {
            break;
        }
        // Not at each of some hundred: what is awaited takes several steps.
        steps += 61;
        ledger = restore(ledger, "again").await;
        std::fs::write(kept(&ledger), &file).unwrap();
    }
    assert!(steps > 300, "{steps} steps");
}

/// A backup from before the first restore, put back after it: no name is used twice.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn no_name_is_used_twice(pool: PgPool) {
    let ledger = restored(&pool).await;
    begin(&ledger, &anew()).await.unwrap();
    ledger.append(&run_stream("acme", 0), 7, 3).await;
    ledger.seal().await;
    let ledger = restore(ledger, "backup").await;
    let ended = ledger.sealer().seal_now().await;
    assert!(matches!(ended, Err(SealError::Restored { .. })), "{ended:?}");
    assert_eq!(begin(&ledger, &anew()).await.unwrap().generation, 3);
    let audited = ledger.audit().await;
    assert_eq!(audited.findings, []);
    let own = audited.restored.iter().find(|one| one.tenant.is_none()).unwrap();
    assert_eq!((own.said.log.as_str(), own.said.from.as_str()), ("ledger.example/3", LEDGER));
    assert_eq!(own.said.known.as_ref().unwrap().log, "ledger.example/2");
    // And once more, from a backup that has the second.
    back_up(&ledger, "third").await;
    ledger.append(&run_stream("acme", 0), 7, 3).await;
    ledger.seal().await;
    let ledger = restore(ledger, "third").await;
    assert_eq!(begin(&ledger, &anew()).await.unwrap().generation, 4);
    let audited = ledger.audit().await;
    assert_eq!((audited.findings, audited.restored.len()), (vec![], 6));
    let of: Vec<_> =
        audited.restored.iter().filter(|one| one.tenant.is_none()).map(|one| &one.said).collect();
    assert_eq!(of[1].prev, Some(of[0].leaf()));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn checkpoints_that_were_kept_say_how_far_tenants_had_come(pool: PgPool) {
    let ledger = with_tenants(&pool).await;
    ledger.story().await;
    back_up(&ledger, "backup").await;
    ledger.append(&run_stream("acme", 0), 7, 2).await;
    ledger.seal().await;
    let (path, note) = (ledger.folder.path().join("acme"), notes(&ledger, Some("acme")).await.pop().unwrap());
    std::fs::write(&path, &note).unwrap();
    let ledger = restore(ledger, "backup").await;
    let strange = ledger.folder.path().join("strange");
    let keys = KeyFile::read(&ledger.key()).unwrap();
    let origin = "ledger.example/t/0123456789abcdef0123456789abcdef";
    let text = note.split_once("\n\n").unwrap().0.replacen(note.lines().next().unwrap(), origin, 1) + "\n";
    let signatures = keys.sign(origin, &text).unwrap();
    std::fs::write(&strange, seal::note::SignedNote { text, signatures }.to_string()).unwrap();
    let forged = ledger.folder.path().join("forged");
    std::fs::write(&forged, note.replacen("20\n", "21\n", 1)).unwrap();
    for path in [strange, forged, ledger.key(), "/nowhere/at/all".into()] {
        let refused = begin(&ledger, &Anew { known: vec![path.clone()], ..anew() }).await;
        assert!(matches!(refused, Err(SealError::Given { .. })), "{path:?} {refused:?}");
    }
    begin(&ledger, &Anew { known: vec![path], ..anew() }).await.unwrap();
    let audited = ledger.audit().await;
    let acme = audited.restored.iter().find(|one| one.tenant.as_deref() == Some("acme")).unwrap();
    assert_eq!(acme.said.known.as_ref().map(|known| (known.size, known.root.is_some())), Some((20, true)));
}

/// Whoever holds the lease goes on where nothing is begun.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_refused_takes_the_lease_from_nobody(pool: PgPool) {
    let fence = async |ledger: &Ledger| ledger.number("SELECT fence FROM seal.progress").await;
    let ledger = restored(&pool).await;
    let before = fence(&ledger).await;
    let strange = Anew { known: vec![ledger.key()], ..anew() };
    assert!(matches!(begin(&ledger, &strange).await, Err(SealError::Given { .. })));
    assert_eq!(fence(&ledger).await, before);
    begin(&ledger, &anew()).await.unwrap();
    let after = fence(&ledger).await;
    assert!(after > before);
    assert!(matches!(begin(&ledger, &anew()).await, Err(SealError::NothingLost)));
    assert_eq!(fence(&ledger).await, after);
}

/// Of several checkpoints of a log the newest is written down. The others are told, and compared where they can be.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn no_checkpoint_that_was_given_is_dropped_without_a_word(pool: PgPool) {
    let ledger = with_tenants(&pool).await;
    ledger.story().await;
    back_up(&ledger, "backup").await;
    for from in [7, 9] {
        ledger.append(&run_stream("acme", 0), from, 2).await;
        ledger.seal().await;
    }
    let of_acme = notes(&ledger, Some("acme")).await;
    assert_eq!(of_acme.len(), 4);
    let write = |name: &str, note: &str| {
        let path = ledger.folder.path().join(name);
        std::fs::write(&path, note).unwrap();
        path
    };
    let paths: Vec<PathBuf> = (0..4).map(|n| write(&format!("acme.{n}"), &of_acme[n])).collect();
    // One that the database should have and has otherwise: signed with the key, and of another tree.
    let keys = KeyFile::read(&ledger.key()).unwrap();
    let other = of_acme[1].lines().nth(2).unwrap();
    let (text, _) = of_acme[0].split_once("\n\n").unwrap();
    let text = text.replacen(text.lines().nth(2).unwrap(), other, 1) + "\n";
    let signatures = keys.sign(origin(&of_acme[0]), &text).unwrap();
    let forked = write("forked", &seal::note::SignedNote { text, signatures }.to_string());
    let ledger = restore(ledger, "backup").await;

    let ended = begin(&ledger, &Anew { known: vec![paths[3].clone(), forked.clone()], ..anew() }).await;
    assert!(
        matches!(&ended, Err(SealError::Forked { place, .. }) if *place == forked.display().to_string()),
        "{ended:?}"
    );
    let begun = begin(&ledger, &Anew { known: paths.clone(), ..anew() }).await.unwrap();
    assert_eq!(begun.unused, paths[..3]);
    let audited = ledger.audit().await;
    let acme = audited.restored.iter().find(|one| one.tenant.as_deref() == Some("acme")).unwrap();
    let newest: u64 = of_acme[3].lines().nth(1).unwrap().parse().unwrap();
    assert_eq!(acme.said.known.as_ref().map(|known| known.size), Some(newest));
}

/// A witness that knows more than the file beside the key, which is lost: to it they are new logs.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_witness_says_what_it_knows_and_cosigns_what_goes_on(pool: PgPool) {
    let ledger = with_tenants(&pool).await;
    let witness = Cosigner::start(&ledger).await;
    let policy = policy(&ledger, &[&witness], 1, &[]);
    let sealer = |ledger: &Ledger| ledger.sealer_with(&ledger.pool, Some(policy.clone()));
    ledger.story().await;
    sealer(&ledger).seal_now().await.unwrap();
    back_up(&ledger, "backup").await;
    ledger.append(&run_stream("acme", 0), 7, 2).await;
    sealer(&ledger).seal_now().await.unwrap();
    let ledger = restore(ledger, "backup").await;
    std::fs::remove_file(kept(&ledger)).unwrap();
    let ended = sealer(&ledger).seal_now().await;
    assert!(matches!(ended, Err(SealError::Restored { outside: 8, ours: 6, .. })), "{ended:?}");
    // Nobody else knows of it.
    assert!(matches!(begin(&ledger, &anew()).await, Err(SealError::NothingLost)));
    assert_eq!(sealer(&ledger).begin_anew(&anew()).await.unwrap().generation, 2);
    let audited = ledger.audit().await;
    assert_eq!(audited.findings, []);
    let own = audited.restored.iter().find(|one| one.tenant.is_none()).unwrap().said.known.clone().unwrap();
    assert_eq!((own.log.as_str(), own.size, own.root), (LEDGER, 8, None));
    for (origin, note) in newest(&ledger).await {
        assert!(origin.ends_with("/2") && policy.cosigners(&note).unwrap().len() == 1, "{origin}");
    }
    ledger.append(&run_stream("acme", 0), 7, 2).await;
    sealer(&ledger).seal_now().await.unwrap();
}

/// Somebody with the database alone can't have other names signed.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_database_alone_begins_nothing(pool: PgPool) {
    let ledger = with_tenants(&pool).await;
    ledger.story().await;
    sqlx::raw_sql("UPDATE seal.logs SET generation = 2").execute(&pool).await.unwrap();
    ledger.append(&run_stream("acme", 0), 7, 1).await;
    let ended = ledger.sealer().seal_now().await;
    assert!(matches!(ended, Err(SealError::Unfinished { database: 2, outside: 1 })), "{ended:?}");
    let ended = begin(&ledger, &anew()).await;
    assert!(matches!(ended, Err(SealError::Unfinished { .. })), "{ended:?}");
    assert_eq!(ledger.number("SELECT count(*) FROM seal.checkpoints WHERE generation > 1").await, 0);
}

/// Where nothing was lost, it can't be used to get away from what was signed.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_is_begun_anew_where_nothing_was_lost_or_the_tree_is_another(pool: PgPool) {
    let ledger = with_tenants(&pool).await;
    ledger.story().await;
    assert!(matches!(begin(&ledger, &anew()).await, Err(SealError::NothingLost)));
    let sql = "UPDATE seal.tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)
               WHERE log_id = (SELECT log_id FROM seal.logs WHERE tenant IS NULL)";
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    assert!(matches!(begin(&ledger, &anew()).await, Err(SealError::Forked { .. })));
}

/// Who takes the entry out, or changes what it says, is found.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_it_says_can_t_be_changed_or_taken_away(pool: PgPool) {
    let ledger = restored(&pool).await;
    begin(&ledger, &anew()).await.unwrap();
    back_up(&ledger, "good").await;
    let mut ledger = ledger;
    for sql in [
        "DELETE FROM seal.continues",
        "UPDATE seal.continues SET text = replace(text, 'the disk was lost', 'nothing was lost')",
        "UPDATE seal.continues SET index = index + 1",
        "UPDATE seal.checkpoints SET generation = 1",
        "UPDATE seal.continues SET generation = 3",
    ] {
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        let found = ledger.audit().await.findings;
        assert!(found.iter().any(|found| found.tenant.as_deref() == Some("acme")), "{sql}: {found:?}");
        ledger = restore(ledger, "good").await;
        assert_eq!(ledger.audit().await.findings, [], "{sql}, undone");
    }
}
