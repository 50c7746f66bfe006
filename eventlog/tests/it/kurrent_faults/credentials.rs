//! Who asks, and what for.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use eventlog::kurrent::{KurrentConfig, KurrentLog};
use eventlog::{AppendError, EventLog, ExpectedRevision, LogError, Position};
use kurrent_server::Cluster;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

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
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_without_the_password() {
    let cluster = Cluster::start(1).await;
    *cluster.nodes[0].faults.expects.lock().unwrap() = Some(SHOWN.to_owned());
    for user in ["", "ledger:tops3cret@", "ledger:tops%40cret@"] {
        let url = cluster.url().replace("kurrentdb://", &format!("kurrentdb://{user}"));
        let log = KurrentLog::open(KurrentConfig::parse(&url).unwrap()).unwrap();
        match log.check().await {
            Err(error @ LogError::Refused(_)) => {
                let words = error.to_string();
                assert!(words.contains("refuses us") && words.contains("password"), "{words}");
                assert!(!words.contains("cret"), "{words}");
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(log.takes_appends().await, Err(LogError::Refused(_))));
    }
}

/// At any time, and it is over as soon as it is mended.
#[tokio::test]
async fn a_password_that_is_changed_is_a_refusal_until_it_is_changed_back() {
    let cluster = Cluster::start(1).await;
    let log = super::log(&cluster);
    log.check().await.unwrap();
    log.takes_appends().await.unwrap();
    append(&log, "run-a", None).await;
    let faults = &cluster.nodes[0].faults;
    *faults.expects.lock().unwrap() = Some(SHOWN.to_owned());
    let refused = log.append(super::to("run-a", ExpectedRevision::Exact(0), &[super::event()])).await;
    assert!(matches!(refused, Err(AppendError::Log(LogError::Refused(_)))), "{refused:?}");
    assert!(matches!(log.check().await, Err(LogError::Refused(_))));
    assert!(matches!(log.takes_appends().await, Err(LogError::Refused(_))));
    *faults.expects.lock().unwrap() = None;
    log.check().await.unwrap();
    log.takes_appends().await.unwrap();
    assert_eq!(append(&log, "run-a", Some(0)).await.revision, 1);
}

/// Asked once before the first append, and again when one was refused; nothing is left behind.
#[tokio::test]
async fn who_may_read_and_not_append_is_told_before_the_first_append() {
    let cluster = Cluster::start(1).await;
    let log = super::log(&cluster);
    let readonly = &cluster.nodes[0].faults.readonly;
    readonly.store(true, SeqCst);
    log.check().await.unwrap();
    let refused = log.takes_appends().await;
    assert!(matches!(&refused, Err(LogError::Refused(words)) if words.contains("append")), "{refused:?}");
    readonly.store(false, SeqCst);
    log.takes_appends().await.unwrap();
    assert_eq!(log.read_all(Position(0), 10).await.unwrap(), []);
    let asked = cluster.nodes[0].faults.appends.load(SeqCst);
    log.takes_appends().await.unwrap();
    assert_eq!(cluster.nodes[0].faults.appends.load(SeqCst), asked, "it was answered before");
}

/// Nodes that speak TLS with a certificate of an authority that is not ours, or of another name.
#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_a_refusal() {
    let of = |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (theirs, ours, misnamed) = (of("localhost"), of("localhost"), of("elsewhere"));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, pem: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let ca = file("ours.pem", ours.cert.pem());
    let misnamed_ca = file("misnamed.pem", misnamed.cert.pem());
    for (server, ca, says) in
        [(&theirs, &ca, "tlsCaFile"), (&misnamed, &misnamed_ca, "localhost"), (&ours, &ca, "")]
    {
        let port = shakes_hands(server).await;
        let url = format!("kurrentdb://localhost:{port}?tls=true&tlsCaFile={ca}&maxDiscoverAttempts=1");
        let mut config = KurrentConfig::parse(&url).unwrap();
        config.patience = Duration::from_millis(50);
        let checked = soon(KurrentLog::open(config).unwrap().check()).await;
        match (says, checked) {
            // The handshake is good; that nobody speaks the protocol behind it is another thing.
            ("", Err(LogError::Unavailable(_))) => {}
            (says, Err(LogError::Refused(words))) => assert!(words.contains(says), "{words}"),
            (says, other) => panic!("{says}: {other:?}"),
        }
    }
}

/// Listens with that certificate and ends each connection after its handshake.
async fn shakes_hands(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> u16 {
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("localhost:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { acceptor.accept(connection).await.map(drop) });
        }
    });
    port
}

#[tokio::test]
async fn a_node_that_nobody_is_at_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut config =
        KurrentConfig::parse(&format!("esdb://{address}?tls=false&maxDiscoverAttempts=1")).unwrap();
    config.patience = Duration::from_millis(50);
    match soon(KurrentLog::open(config).unwrap().check()).await {
        Err(LogError::Unavailable(words)) => assert!(words.contains(&address.to_string()), "{words}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    for (parameters, named) in [
        ("tlsCaFile=/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("userCertFile=/nowhere/cert.pem&userKeyFile=/nowhere/key.pem", "/nowhere/cert.pem"),
    ] {
        let url = format!("kurrentdb://127.0.0.1:1?tls=true&{parameters}");
        match KurrentLog::open(KurrentConfig::parse(&url).unwrap()).err() {
            Some(LogError::Refused(words)) => assert!(words.contains(named), "{words}"),
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
    assert!(matches!(opened.err(), Some(LogError::Refused(_))));
}
