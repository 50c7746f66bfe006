//! The contract suite on a cluster: on one that speaks the protocol from memory, started by each test, or on
//! the real one that `RUNLEDGER_TEST_KURRENTDB` names. There, each test has streams under a prefix of its own.

use std::sync::Arc;
use std::time::Duration;

use eventlog::EventLog;
use eventlog::kurrent::{KurrentConfig, KurrentLog};
use kurrent_server::Cluster;
use uuid::Uuid;

async fn on_a_cluster<F: Future<Output = ()>>(case: impl FnOnce(Arc<dyn EventLog>) -> F) {
    let double = match std::env::var("RUNLEDGER_TEST_KURRENTDB") {
        Ok(_) => None,
        Err(_) => Some(Cluster::start(1).await),
    };
    let address = match &double {
        Some(cluster) => cluster.url(),
        None => std::env::var("RUNLEDGER_TEST_KURRENTDB").unwrap(),
    };
    let mut config = KurrentConfig::parse(&address).unwrap();
    // A server on a slow disk may take its time.
    config.patience = Duration::from_secs(60);
    config.prefix = format!("{}runledger-contract-{}-", config.prefix, Uuid::new_v4().simple());
    case(Arc::new(KurrentLog::open(config).unwrap())).await;
}

macro_rules! case {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            on_a_cluster(eventlog::contract::$name).await;
        }
    };
}
eventlog::for_each_contract_case!(case);
