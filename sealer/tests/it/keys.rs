//! The key file.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::support::*;
use seal::note::SignedNote;
use sealer::{KeyFile, KeyFileError};
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
