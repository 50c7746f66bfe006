//! What a witness must not forget.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::support::*;
use witness::{Uncosigned, WitnessError, read_key};

#[tokio::test]
async fn it_is_remembered_over_a_restart() {
    let site = Site::new();
    assert_eq!(submit(&site.routes(), &submission(0, 7, 0)).await.status, 200);
    let routes = site.routes();
    assert_eq!(submit(&routes, &submission(0, 7, 1)).await.status, 409);
    assert_eq!(submit(&routes, &submission(7, 7, 1)).await.status, 422);
    assert_eq!(submit(&routes, &submission(7, 9, 0)).await.status, 200);
}

#[test]
fn one_process_at_a_time_has_the_memory() {
    let site = Site::new();
    let first = site.open();
    assert!(matches!(site.try_open(), Err(WitnessError::Locked(_))));
    drop(first);
    site.open();
}

#[test]
fn a_lost_memory_is_no_empty_one() {
    let site = Site::new();
    std::fs::rename(site.memory(), site.folder.path().join("elsewhere")).unwrap();
    assert!(matches!(site.try_open(), Err(WitnessError::OtherMemory(_))));
    std::fs::create_dir(site.memory()).unwrap();
    assert!(matches!(site.try_open(), Err(WitnessError::OtherMemory(_))));
    let other = Site::new();
    std::fs::remove_dir(site.memory()).unwrap();
    std::fs::rename(other.memory(), site.memory()).unwrap();
    assert!(matches!(site.try_open(), Err(WitnessError::OtherMemory(_))));
}

#[tokio::test]
async fn a_damaged_file_is_no_new_log() {
    let site = Site::new();
    let routes = site.routes();
    assert_eq!(submit(&routes, &submission(0, 7, 0)).await.status, 200);
    let whole = std::fs::read_to_string(site.file()).unwrap();
    for damaged in [String::new(), whole.replace("\n7\n", "\n8\n"), whole[..whole.len() - 9].to_owned()] {
        std::fs::write(site.file(), damaged).unwrap();
        for (old, size, seed) in [(0, 9, 1), (7, 9, 0)] {
            assert_eq!(submit(&routes, &submission(old, size, seed)).await.status, 500);
        }
    }
    std::fs::write(site.file(), whole).unwrap();
    assert_eq!(submit(&routes, &submission(7, 9, 0)).await.status, 200);
}

#[test]
fn what_was_cosigned_is_in_the_file_before_it_is_answered() {
    let site = Site::new();
    let witness = site.open();
    let line = witness.add_checkpoint(submission(0, 7, 0), 100).unwrap().to_string();
    assert!(std::fs::read_to_string(site.file()).unwrap().contains(&line));
    // What can't be remembered is not cosigned.
    std::fs::create_dir(site.file().with_extension("new")).unwrap();
    let refused = witness.add_checkpoint(submission(7, 9, 0), 100);
    assert!(matches!(refused, Err(Uncosigned::Failed(WitnessError::File { .. }))), "{refused:?}");
}

#[test]
fn no_cosignature_is_older_than_the_last_one() {
    let site = Site::new();
    let witness = site.open();
    witness.add_checkpoint(submission(0, 7, 0), 100).unwrap();
    let refused = witness.add_checkpoint(submission(7, 9, 0), 90);
    assert!(matches!(refused, Err(Uncosigned::Failed(WitnessError::Clock(10)))), "{refused:?}");
    witness.add_checkpoint(submission(7, 9, 0), 100).unwrap();
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let site = Site::new();
    let path = site.key_file();
    let again = witness::create(&path, "w.example", &site.folder.path().join("more"));
    assert!(matches!(again, Err(WitnessError::File { .. })), "there already");
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(read_key(&path), Err(WitnessError::Open(_))));
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    for wrong in [String::new(), "nonsense".to_owned(), log().reveal()] {
        std::fs::write(&path, wrong).unwrap();
        assert!(matches!(read_key(&path), Err(WitnessError::Key { .. })));
    }
}
