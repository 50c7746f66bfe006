//! The key file.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::support::*;
use seal::note::SignedNote;
use sealer::{Audit, KeyFile, KeyFileError, SealError, must_be_key_of};
use sqlx::PgPool;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn old_and_new_keys_sign_until_the_old_one_is_retired(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let mut keys = KeyFile::read(&ledger.key()).unwrap();
    let old = keys.clone();
    keys.rotate().unwrap();
    ledger.append(&run_stream("acme", 0), 0, 1).await;
    ledger.seal().await;
    let note: String = sqlx::query_scalar(
        "SELECT note FROM seal.checkpoints AS c JOIN seal.logs USING (log_id) WHERE tenant = 'acme'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    let note: SignedNote = note.parse().unwrap();
    let origin = note.text.lines().next().unwrap();
    assert_eq!(note.signatures.len(), 2);
    note.verified_by(&old.verifiers(origin).unwrap()).unwrap();
    note.verified_by(&keys.verifiers(origin).unwrap()[..1]).unwrap();
    assert_eq!(keys.retire().unwrap(), 1);
    let read = KeyFile::read(&ledger.key()).unwrap();
    assert_eq!(read.verifiers(origin).unwrap(), keys.verifiers(origin).unwrap());
    assert_eq!(read.verifiers(origin).unwrap().len(), 1);
    // What the old one alone has signed is still known as ours; it signs nothing any more.
    let by_old = SignedNote { text: note.text.clone(), signatures: old.sign(origin, &note.text).unwrap() };
    by_old.verified_by(&read.all_verifiers(origin).unwrap()).unwrap();
    by_old.verified_by(&read.verifiers(origin).unwrap()).unwrap_err();
    assert_eq!(read.sign(origin, &note.text).unwrap().len(), 1);
}

/// What was signed before keys were rotated and retired is no finding.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_audit_knows_what_retired_keys_have_signed(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.story().await;
    let mut keys = KeyFile::read(&ledger.key()).unwrap();
    keys.rotate().unwrap();
    keys.retire().unwrap();
    assert_eq!(ledger.audit().await.findings, []);
    ledger.append(&run_stream("acme", 9), 0, 1).await;
    ledger.seal().await;
    assert_eq!(ledger.audit().await.findings, []);
    // A stranger's signature is one all the same.
    let forgotten = std::fs::read_to_string(ledger.key()).unwrap();
    let forgotten: Vec<_> = forgotten.lines().filter(|line| line.starts_with("PRIVATE")).collect();
    std::fs::write(ledger.key(), forgotten.join("\n")).unwrap();
    assert!(!ledger.audit().await.findings.is_empty());
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("seal.key");
    KeyFile::create(&path, LEDGER).unwrap();
    assert!(matches!(KeyFile::create(&path, LEDGER), Err(KeyFileError::File { .. })), "there already");
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(KeyFile::read(&path), Err(KeyFileError::Open(_))));
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "nonsense\n").unwrap();
    assert!(matches!(KeyFile::read(&path), Err(KeyFileError::Line { line: 1, .. })));
    std::fs::write(&path, "# none\n").unwrap();
    assert!(matches!(KeyFile::read(&path), Err(KeyFileError::Keys(_))));
    assert!(matches!(KeyFile::create(&folder.path().join("other"), "a b"), Err(KeyFileError::Name(_))));
}

/// A key in base64 may have the character that stands before it.
#[test]
fn a_key_is_known_by_name_and_id_alone() {
    let folder = tempfile::TempDir::new().unwrap();
    for n in 0..50 {
        let keys = KeyFile::create(&folder.path().join(n.to_string()), LEDGER).unwrap();
        let id = keys.newest_id();
        let (name, id) = id.split_once('+').unwrap();
        assert!(name == LEDGER && id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    }
}

/// The key of another ledger: one of another name, and one that only has the same name.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_key_of_another_ledger_is_told(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    let ours = KeyFile::read(&ledger.key()).unwrap();
    let make = |file: &str, name: &str| KeyFile::create(&ledger.folder.path().join(file), name).unwrap();
    let (named, forged) = (make("named", "other.example"), make("forged", LEDGER));
    must_be_key_of(&pool, &named).await.unwrap();
    ledger.story().await;
    must_be_key_of(&pool, &ours).await.unwrap();
    for other in [&named, &forged] {
        let refused = must_be_key_of(&pool, other).await.unwrap_err();
        let path = other.path().display().to_string();
        assert!(
            matches!(&refused, SealError::OtherKey { path: of, log, .. } if *of == path && log == LEDGER),
            "{refused:?}"
        );
        assert!(refused.to_string().starts_with(&path), "{refused}");
    }
    // A new key beside the old one is no other ledger's.
    let mut rotated = ours.clone();
    rotated.rotate().unwrap();
    must_be_key_of(&pool, &rotated).await.unwrap();
    // Nor does such a key seal anything.
    let config = sealer::SealerConfig::default();
    let stranger =
        sealer::Sealer::new(ledger.log.clone(), pool.clone(), named.path().into(), config).unwrap();
    let before = ledger.number("SELECT count(*) FROM seal.checkpoints").await;
    ledger.append(&run_stream("acme", 9), 0, 1).await;
    assert!(matches!(stranger.seal_now().await, Err(SealError::OtherKey { .. })));
    assert_eq!(ledger.number("SELECT count(*) FROM seal.checkpoints").await, before);
    // Nor does an audit by it keep findings, by which the ledger would be told to differ.
    for other in [named, forged] {
        let audit = Audit::new(ledger.log.clone(), pool.clone(), Some(other));
        let refused = audit.run(None, &|_| {}).await.unwrap_err();
        assert!(matches!(refused, SealError::OtherKey { .. }), "{refused:?}");
        assert!(matches!(audit.adopt(&|_| {}).await, Err(SealError::OtherKey { .. })));
    }
    assert_eq!(ledger.number("SELECT count(*) FROM seal.findings").await, 0);
    // Where somebody has changed the newest note, ours is no stranger, and tells of it.
    let changed = "UPDATE seal.checkpoints SET note = CASE size % 2 WHEN 0 THEN 'gone' ELSE replace(note, '\u{2014} ', '\u{2014} x') END
                   WHERE (log_id, size) IN (SELECT log_id, max(size) FROM seal.checkpoints GROUP BY log_id)";
    sqlx::raw_sql(changed).execute(&pool).await.unwrap();
    assert!(!ledger.audit().await.findings.is_empty());
}

/// What is wrong with the file beside the key is told with its name.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_wrong_with_the_kept_checkpoint_names_the_file(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.story().await;
    let path = ledger.folder.path().join("seal.key.checkpoint");
    let good = std::fs::read_to_string(&path).unwrap();
    let other = KeyFile::create(&ledger.folder.path().join("other"), LEDGER).unwrap();
    let (text, _) = good.split_once("\n\n").unwrap();
    let text = format!("{text}\n");
    let signatures = other.sign(LEDGER, &text).unwrap();
    let by_another = SignedNote { text, signatures }.to_string();
    for (content, says) in [
        ("nonsense".to_owned(), "is no signed note"),
        (good.replacen(LEDGER, "other.example", 1), "is of another log, other.example"),
        (good.replacen("\n9\n", "\n10\n", 1).replacen("\n6\n", "\n7\n", 1), "was not signed by this key"),
        (by_another, "was not signed by this key"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = ledger.sealer().seal_now().await.unwrap_err();
        assert!(matches!(error, SealError::Kept { .. }), "{says}: {error:?}");
        let told = error.to_string();
        assert!(told.starts_with(&path.display().to_string()) && told.contains(says), "{told}");
    }
    std::fs::write(&path, good).unwrap();
    ledger.seal().await;
}
