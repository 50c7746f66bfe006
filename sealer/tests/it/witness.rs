//! Witnesses: real ones by their HTTP, one that is away, and what they hold against a ledger that was rebuilt or restored.

use std::sync::Arc;
use std::time::Duration;

use crate::support::*;
use ::witness::Witness;
use loopback::Loopback;
use seal::note::{SignedNote, VerifierKey};
use seal::policy::{Policy, Untrusted};
use seal::witness::{LogKeys, Submission};
use sealer::{KeyFile, SealError};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// A witness of a ledger.
pub struct Cosigner {
    folder: TempDir,
    key: VerifierKey,
    place: Loopback,
    serving: Option<AbortOnDropHandle<()>>,
}

impl Cosigner {
    /// One that does not run yet.
    async fn away() -> Self {
        let folder = TempDir::new().unwrap();
        let key = ::witness::create(&folder.path().join("key"), "w.example", &folder.path().join("memory"));
        Self { folder, key: key.unwrap(), place: Loopback::take(), serving: None }
    }

    pub async fn start(ledger: &Ledger) -> Self {
        let mut cosigner = Self::away().await;
        cosigner.comes(ledger).await;
        cosigner
    }

    async fn comes(&mut self, ledger: &Ledger) {
        let mut logs = LogKeys::default();
        let keys = KeyFile::read(&ledger.key()).unwrap().verifiers(LEDGER).unwrap();
        keys.into_iter().for_each(|key| logs.add_ledger(key).unwrap());
        let key = ::witness::read_key(&self.folder.path().join("key")).unwrap();
        let witness = Witness::open(key, logs, &self.folder.path().join("memory")).unwrap();
        let listener = self.place.listen().await;
        let routes = ::witness::router(Arc::new(witness));
        let serving = async move { axum::serve(listener, routes).await.unwrap() };
        self.serving = Some(AbortOnDropHandle::new(tokio::spawn(serving)));
    }

    fn url(&self) -> String {
        format!("http://{}", self.place)
    }
}

/// A policy of these witnesses, so many of whom must cosign, and of the logs with those origins.
pub fn policy(ledger: &Ledger, witnesses: &[&Cosigner], quorum: usize, origins: &[&str]) -> Policy {
    let keys = KeyFile::read(&ledger.key()).unwrap();
    let mut text = String::new();
    for origin in origins {
        text += &format!("log {}\n", keys.verifiers(origin).unwrap()[0]);
    }
    let mut names = String::new();
    for (n, witness) in witnesses.iter().enumerate() {
        text += &format!("witness w{n} {} {}\n", witness.key, witness.url());
        names += &format!(" w{n}");
    }
    Policy::parse(&format!("{text}group g {quorum}{names}\nquorum g\n")).unwrap()
}

async fn seal(ledger: &Ledger, policy: &Policy) -> Result<(), SealError> {
    ledger.sealer_with(&ledger.pool, Some(policy.clone())).seal_now().await
}

/// The newest note of each log, with its origin.
pub async fn newest(ledger: &Ledger) -> Vec<(String, SignedNote)> {
    let notes: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT ON (log_id) note FROM seal.checkpoints WHERE note IS NOT NULL ORDER BY log_id, size DESC",
    )
    .fetch_all(&ledger.pool)
    .await
    .unwrap();
    let origin = |note: &SignedNote| note.text.lines().next().unwrap().to_owned();
    let notes = notes.iter().map(|note| note.parse().unwrap());
    notes.map(|note| (origin(&note), note)).collect()
}

/// How many of the newest notes readers trust who demand so many cosignatures.
async fn trusted(ledger: &Ledger, witnesses: &[&Cosigner], quorum: usize) -> usize {
    let mut trusted = 0;
    for (origin, note) in newest(ledger).await {
        match policy(ledger, witnesses, quorum, &[&origin]).trust(&note) {
            Ok(_) => trusted += 1,
            Err(error) => assert!(matches!(error, Untrusted::NoQuorum { .. }), "{error}"),
        }
    }
    trusted
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn two_of_three_are_enough_while_one_is_away(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let (one, two, away) =
        (Cosigner::start(&ledger).await, Cosigner::start(&ledger).await, Cosigner::away().await);
    let policy = policy(&ledger, &[&one, &two, &away], 2, &[]);
    for n in 0..4 {
        ledger.append(&run_stream("acme", n), 0, 60).await;
        ledger.append(&run_stream("demo", n + 10), 0, 1 + n).await;
        seal(&ledger, &policy).await.unwrap();
        // Both tenants', and the ledger's own.
        assert_eq!(trusted(&ledger, &[&one, &two, &away], 2).await, 3);
    }
    assert_eq!(trusted(&ledger, &[&one, &two, &away], 3).await, 0);
    assert_eq!(ledger.audit().await.findings, []);
    assert_eq!(ledger.sampled().await, []);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_too_few_cosigned_is_kept_and_asked_for_again(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let (one, mut late) = (Cosigner::start(&ledger).await, Cosigner::away().await);
    let policy = policy(&ledger, &[&one, &late], 2, &[]);
    for count in 1..3 {
        ledger.append(&run_stream("acme", count), 0, 3).await;
        seal(&ledger, &policy).await.unwrap();
    }
    assert_eq!((trusted(&ledger, &[&one], 1).await, trusted(&ledger, &[&one, &late], 2).await), (2, 0));
    late.comes(&ledger).await;
    // There is no news.
    let checkpoints = ledger.number("SELECT count(*) FROM seal.checkpoints").await;
    seal(&ledger, &policy).await.unwrap();
    assert_eq!(trusted(&ledger, &[&one, &late], 2).await, 2);
    assert_eq!(ledger.number("SELECT count(*) FROM seal.checkpoints").await, checkpoints);
}

/// One that takes connections and answers nothing.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn events_become_leaves_while_a_witness_does_not_answer(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let silent = Cosigner::away().await;
    let _listener = silent.place.listen().await;
    ledger.append(&run_stream("acme", 0), 0, 1).await;
    let policy = policy(&ledger, &[&silent], 1, &[]);
    let stop = CancellationToken::new();
    let sealing = tokio::spawn(ledger.sealer_with(&pool, Some(policy)).run(stop.clone()));
    let until = async |sql| {
        while ledger.number(sql).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let patiently = async {
        until("SELECT count(*) FROM seal.checkpoints WHERE note IS NULL").await;
        ledger.append(&run_stream("acme", 1), 0, 1).await;
        until("SELECT count(*) FROM seal.progress WHERE position = 2").await;
        // Still the first one.
        assert_eq!(ledger.number("SELECT count(*) FROM seal.checkpoints WHERE note IS NULL").await, 1);
        until("SELECT count(*) FROM seal.checkpoints JOIN seal.logs USING (log_id) WHERE tenant IS NULL AND note IS NOT NULL").await;
    };
    tokio::time::timeout(Duration::from_secs(60), patiently).await.unwrap();
    stop.cancel();
    sealing.await.unwrap();
}

/// What somebody does who has the database and the key: another history in the place of the first one, under the same
/// names, with everything outside of the database gone but the witness.
async fn rebuild(ledger: &Ledger) {
    ledger
        .as_owner(
            "UPDATE log.events SET data = convert_to(replace(convert_from(data, 'UTF8'), 'message', 'massage'), 'UTF8')
                 WHERE position = 1;
             DELETE FROM seal.checkpoints; DELETE FROM seal.runs; DELETE FROM seal.tiles;
             UPDATE seal.logs SET size = 0, runs = 0, admin_count = 0, admin_first = NULL, admin_last = NULL;
             UPDATE seal.progress SET position = 0, lease_until = NULL",
        )
        .await;
    std::fs::remove_file(ledger.folder.path().join("seal.key.checkpoint")).unwrap();
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_tree_that_is_rebuilt_with_the_real_key_gets_no_cosignature(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let witness = Cosigner::start(&ledger).await;
    let policy = policy(&ledger, &[&witness], 1, &[]);
    ledger.append(&run_stream("acme", 0), 0, 3).await;
    seal(&ledger, &policy).await.unwrap();
    ledger.append(&run_stream("acme", 0), 3, 3).await;
    seal(&ledger, &policy).await.unwrap();
    let before = newest(&ledger).await;
    assert_eq!(trusted(&ledger, &[&witness], 1).await, 2);

    rebuild(&ledger).await;
    let ended = seal(&ledger, &policy).await;
    let Err(error @ SealError::Restored { outside: 4, ours: 0, .. }) = &ended else { panic!("{ended:?}") };
    assert!(error.to_string().contains("the witness w0"), "{error}");
    assert_eq!(ledger.number("SELECT count(*) FROM seal.checkpoints").await, 0);

    // Without the witness it goes, up to where it was and further; no reader trusts it.
    let again = Ledger { log: Ledger::start(&pool).await.log, ..ledger };
    again.seal().await;
    for n in 6..8 {
        again.append(&run_stream("acme", 0), n, 1).await;
        again.seal().await;
    }
    let rebuilt = newest(&again).await;
    let origins = |notes: &[(String, SignedNote)]| notes.iter().map(|one| one.0.clone()).collect::<Vec<_>>();
    assert_eq!(origins(&rebuilt), origins(&before), "the names are the same");
    assert_eq!(trusted(&again, &[&witness], 1).await, 0);

    // The witness takes it by no old size, and the sealer that asks it is told.
    for (_, note) in &rebuilt {
        for old in 0..12 {
            let submission = Submission { old, proof: Vec::new(), note: note.clone() };
            let asked = reqwest::Client::new().post(format!("{}/add-checkpoint", witness.url()));
            let status = asked.body(submission.to_string()).send().await.unwrap().status().as_u16();
            assert!([400, 409, 422].contains(&status), "{old} {status}");
        }
    }
    let ended = seal(&again, &policy).await;
    assert!(matches!(ended, Err(SealError::Forked { size: 4, .. })), "{ended:?}");
    assert_eq!(trusted(&again, &[&witness], 1).await, 0);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_database_that_was_put_back_is_noticed_from_the_witness_alone(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let (away, witness) = (Cosigner::away().await, Cosigner::start(&ledger).await);
    let policy = policy(&ledger, &[&away, &witness], 1, &[]);
    ledger.append(&run_stream("acme", 0), 0, 3).await;
    seal(&ledger, &policy).await.unwrap();
    sqlx::raw_sql("CREATE TABLE public.kept AS TABLE seal.checkpoints").execute(&pool).await.unwrap();
    ledger.append(&run_stream("acme", 0), 3, 3).await;
    seal(&ledger, &policy).await.unwrap();
    sqlx::raw_sql("DELETE FROM seal.checkpoints; INSERT INTO seal.checkpoints SELECT * FROM public.kept")
        .execute(&pool)
        .await
        .unwrap();
    std::fs::remove_file(ledger.folder.path().join("seal.key.checkpoint")).unwrap();
    let ended = seal(&ledger, &policy).await;
    let Err(error @ SealError::Restored { outside: 4, ours: 2, .. }) = &ended else { panic!("{ended:?}") };
    assert!(error.to_string().contains("the witness w1"), "{error}");
    assert_eq!(ledger.number("SELECT count(*) FROM seal.checkpoints").await, 2);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_policy_that_cannot_be_met_is_refused(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let witness = Cosigner::away().await;
    for (line, met) in
        [("", false), ("ftp://w.example", false), ("nonsense", false), ("http://w.example", true)]
    {
        let policy = Policy::parse(&format!("witness w {} {line}\nquorum w\n", witness.key)).unwrap();
        let config = sealer::SealerConfig { witnesses: Some(policy), ..Default::default() };
        let sealer = sealer::Sealer::new(ledger.log.clone(), pool.clone(), ledger.key(), config);
        assert_eq!(sealer.is_ok(), met, "{line}");
    }
}
