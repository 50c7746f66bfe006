//! Who asks, and what for.

use eventlog::kurrent::{KurrentConfig, KurrentLog};
use eventlog::{EventLog, LogError, Position, Retention};
use kurrent_server::Cluster;

use super::{append, soon, whole};

/// `a b:p@ss;=/ä%` in base64 (RFC 7617).
const SHOWN: &str = "Basic YSBiOnBAc3M7PS/DpCU=";

#[tokio::test]
async fn any_password_is_shown_to_the_cluster_with_each_call() {
    let cluster = Cluster::start(3).await;
    for node in &cluster.nodes {
        *node.faults.expects.lock().unwrap() = Some(SHOWN.to_owned());
    }
    let url = cluster.url().replace("kurrentdb://", "kurrentdb://a%20b:p%40ss%3B%3D%2F%C3%A4%25@");
    let config = KurrentConfig::parse(&url).unwrap();
    assert!(!format!("{config:?}").contains("ss"), "{config:?}");
    let log = KurrentLog::open(config).unwrap();
    append(&log, "run-a", None).await;
    cluster.elect(1);
    append(&log, "run-a", Some(0)).await;
    assert_eq!(whole(&log, "run-a").await.len(), 2);
    assert_eq!(log.read_all(Position(0), 10).await.unwrap().len(), 2);
    let mut followed = log.subscribe(Position(0)).await.unwrap();
    assert_eq!(soon(followed.next_batch(10)).await.unwrap().len(), 2);
    log.check().await.unwrap();
    log.head().await.unwrap();
    log.retain("run-a", Retention { max_age: None, truncate_before: Some(1) }).await.unwrap();
    log.tombstone("run-a").await.unwrap();
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_without_the_password() {
    let cluster = Cluster::start(1).await;
    *cluster.nodes[0].faults.expects.lock().unwrap() = Some(SHOWN.to_owned());
    for user in ["", "ledger:tops3cret@", "ledger:tops%40cret@"] {
        let url = cluster.url().replace("kurrentdb://", &format!("kurrentdb://{user}"));
        let log = KurrentLog::open(KurrentConfig::parse(&url).unwrap()).unwrap();
        match log.check().await {
            Err(LogError::Unavailable(words)) => {
                assert!(words.contains("refuses us") && !words.contains("cret"), "{words}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_none_is_an_error_and_no_panic() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        .unwrap();
    let url = format!("kurrentdb://127.0.0.1:1?tls=true&tlsCaFile={}", file.path().display());
    let opened = KurrentLog::open(KurrentConfig::parse(&url).unwrap());
    assert!(matches!(opened.err(), Some(LogError::Unavailable(_))));
}
