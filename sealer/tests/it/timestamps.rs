//! Time stamps of the ledger's own log, by `openssl ts` on loopback, and what an authority may answer otherwise.

use std::time::Duration;

use seal::Hash;
use sealer::{Sealer, SealerConfig, StampStatus, TimeStamping, time_stamps};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::authority::{Answers, Authority, openssl};
use crate::support::{LEDGER, Ledger, run_stream};

fn stamping(ledger: &Ledger, authorities: &[&str], every: Duration) -> Sealer {
    let authorities = authorities.iter().map(|url| (*url).to_owned()).collect();
    let config = SealerConfig {
        sign_every: Duration::from_millis(30),
        time_stamps: Some(TimeStamping { authorities, every }),
        ..SealerConfig::default()
    };
    Sealer::new(ledger.log.clone(), ledger.pool.clone(), ledger.key(), config).unwrap()
}

async fn due_again(pool: &PgPool) {
    sqlx::query("UPDATE seal.time_stamping SET next_at = '-infinity'").execute(pool).await.unwrap();
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_ledgers_own_log_is_stamped_where_there_is_news(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let authority = Authority::start().await;
    let sealer = stamping(&ledger, &[&authority.url], Duration::from_secs(3_600));
    assert!(!sealer.stamp_now().await.unwrap(), "there is nothing yet");
    ledger.story().await;
    assert!(sealer.stamp_now().await.unwrap());
    assert!(!sealer.stamp_now().await.unwrap(), "it is not due");
    due_again(&pool).await;
    assert!(!sealer.stamp_now().await.unwrap(), "there is nothing new");

    let (note, response, newest): (String, Vec<u8>, String) = sqlx::query_as(
        "SELECT t.note, response, c.note FROM seal.time_stamps AS t JOIN seal.checkpoints AS c USING (log_id, size)
         JOIN seal.logs USING (log_id) WHERE tenant IS NULL ORDER BY t.size DESC LIMIT 1",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(note, newest);
    let claimed = seal::time_stamp::claimed(&response).unwrap();
    assert_eq!(claimed.imprint, Hash::of(&[note.as_bytes()]));
    let StampStatus { newest, failures, failure } = time_stamps(&pool).await.unwrap();
    let (at, by) = newest.unwrap();
    assert_eq!((at.to_rfc3339(), by), (claimed.at.replace('Z', "+00:00"), authority.url.clone()));
    assert_eq!((failures, failure), (0, None));
    // As a reader does.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("timestamp.checkpoint"), &note).unwrap();
    std::fs::write(folder.path().join("timestamp.tsr"), &response).unwrap();
    std::fs::copy(authority.certificate(), folder.path().join("AUTHORITY.pem")).unwrap();
    let verify = "ts -verify -data timestamp.checkpoint -in timestamp.tsr -CAfile AUTHORITY.pem";
    assert!(openssl(folder.path(), verify).status.success());
    std::fs::write(folder.path().join("timestamp.checkpoint"), format!("{note}\n")).unwrap();
    assert!(!openssl(folder.path(), verify).status.success());
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_answer_that_is_none_is_refused_and_told(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let authority = Authority::start().await;
    let sealer = stamping(&ledger, &[&authority.url], Duration::from_secs(3_600));
    ledger.story().await;
    let hostile = [
        (Answers::OtherNonce, "has another nonce"),
        (Answers::NoNonce, "has another nonce"),
        (Answers::OtherImprint, "is about other bytes"),
        (Answers::Refusal, "it refuses, with status 2"),
        (Answers::Garbage, "no time-stamp response"),
        (Answers::Cut, "no time-stamp response"),
        (Answers::Huge, "longer than 65536 bytes"),
        (Answers::Error, "402 Payment Required: no more today"),
        (Answers::Never, "timed out"),
    ];
    for (n, (how, says)) in (1..).zip(hostile) {
        authority.answers(how);
        due_again(&pool).await;
        assert!(!sealer.stamp_now().await.unwrap(), "{how:?}");
        let status = time_stamps(&pool).await.unwrap();
        let failure = status.failure.unwrap();
        assert!(failure.starts_with(&authority.url) && failure.contains(says), "{how:?}: {failure}");
        assert_eq!((status.newest, status.failures), (None, n));
        // It is left alone for a while.
        assert!(!sealer.stamp_now().await.unwrap());
        assert_eq!(time_stamps(&pool).await.unwrap().failures, n);
    }
    assert_eq!(ledger.number("SELECT count(*) FROM seal.time_stamps").await, 0);
    // One that is away, and one that is not; without what identifies us.
    authority.answers(Answers::Well);
    due_again(&pool).await;
    let (away, other) = ("http://user:secret@127.0.0.1:9/tsa?key=secret", Authority::start().await);
    other.answers(Answers::Error);
    let sealer = stamping(&ledger, &[away, &other.url], Duration::from_secs(3_600));
    assert!(!sealer.stamp_now().await.unwrap());
    let failure = time_stamps(&pool).await.unwrap().failure.unwrap();
    assert!(failure.starts_with("http://127.0.0.1:9/tsa: ") && failure.contains(&other.url), "{failure}");
    assert!(!failure.contains("secret"), "{failure}");
    due_again(&pool).await;
    let sealer = stamping(&ledger, &[away, &authority.url], Duration::from_secs(3_600));
    assert!(sealer.stamp_now().await.unwrap());
    assert_eq!(time_stamps(&pool).await.unwrap().failures, 0);
    for wrong in ["ftp://a", "what"] {
        let config = SealerConfig {
            time_stamps: Some(TimeStamping { authorities: vec![wrong.into()], every: Duration::ZERO }),
            ..SealerConfig::default()
        };
        assert!(Sealer::new(ledger.log.clone(), pool.clone(), ledger.key(), config).is_err(), "{wrong}");
    }
}

/// While an authority does not answer, checkpoints are signed as ever.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_authority_that_hangs_holds_up_nothing(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let authority = Authority::start().await;
    authority.answers(Answers::Never);
    let sealer = stamping(&ledger, &[&authority.url], Duration::from_millis(10));
    let stop = CancellationToken::new();
    let running = tokio::spawn(sealer.run(stop.clone()));
    let mut before = 0;
    for n in 0..3 {
        ledger.append(&run_stream("acme", n), 0, 2).await;
        let signed = async {
            let count = "SELECT count(*) FROM seal.checkpoints WHERE note IS NOT NULL";
            while ledger.number(count).await <= before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            ledger.number(count).await
        };
        before = tokio::time::timeout(Duration::from_secs(60), signed).await.expect("signed in time");
    }
    stop.cancel();
    // The one that hangs is given up.
    tokio::time::timeout(Duration::from_secs(5), running).await.expect("it stops at once").unwrap();
    assert_eq!(ledger.number("SELECT count(*) FROM seal.time_stamps").await, 0);
}

/// Who changes what is kept of a time stamp is found by the audit.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_audit_compares_time_stamps_with_what_was_signed(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let authority = Authority::start().await;
    let sealer = stamping(&ledger, &[&authority.url], Duration::from_secs(3_600));
    ledger.story().await;
    assert!(sealer.stamp_now().await.unwrap());
    ledger.append(&run_stream("acme", 7), 0, 2).await;
    ledger.seal().await;
    due_again(&pool).await;
    assert!(sealer.stamp_now().await.unwrap());
    let audited = ledger.audit().await;
    assert_eq!((audited.time_stamps, audited.findings), (2, vec![]));

    let newest = "size = (SELECT max(size) FROM seal.time_stamps)";
    let older = "(SELECT o FROM seal.time_stamps AS o ORDER BY size LIMIT 1)";
    sqlx::raw_sql("CREATE TABLE public.kept AS TABLE seal.time_stamps").execute(&pool).await.unwrap();
    for (sql, says) in [
        (format!("UPDATE seal.time_stamps SET claimed_at = claimed_at - interval '1 day' WHERE {newest}"), "it claims 2"),
        (format!("UPDATE seal.time_stamps SET note = ({older}).note WHERE {newest}"), "another size or root"),
        (
            format!("UPDATE seal.time_stamps SET response = ({older}).response, claimed_at = ({older}).claimed_at WHERE {newest}"),
            "about another text",
        ),
        (format!("UPDATE seal.time_stamps SET response = '\\x3000' WHERE {newest}"), "no time-stamp response"),
        (format!("UPDATE seal.time_stamps SET note = 'nonsense' WHERE {newest}"), "its note: "),
        (
            format!("UPDATE seal.time_stamps SET note = replace(note, '{LEDGER}', 'other.example') WHERE {newest}"),
            "of another log",
        ),
        (
            format!(
                "SET session_replication_role = replica; UPDATE seal.time_stamps SET size = size + 100 WHERE {newest};
                 SET session_replication_role = origin"
            ),
            "no checkpoint of that size",
        ),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&pool).await.unwrap();
        let found: Vec<String> = ledger.audit().await.findings.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{sql}: {found:?}");
        assert!(found[0].contains("the time stamp of ") && found[0].contains(says), "{sql}: {}", found[0]);
        assert!(found[0].contains(&authority.url), "{}", found[0]);
        assert_eq!(ledger.number("SELECT count(*) FROM seal.findings").await, 1);
        let back = "TRUNCATE seal.time_stamps; INSERT INTO seal.time_stamps TABLE public.kept";
        sqlx::raw_sql(back).execute(&pool).await.unwrap();
        assert_eq!(ledger.audit().await.findings, [], "{sql}, undone");
        assert_eq!(ledger.number("SELECT count(*) FROM seal.findings").await, 0);
    }
}
