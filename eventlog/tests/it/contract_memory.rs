//! The contract suite on the reference log.

use std::sync::Arc;

use eventlog::memory::MemoryLog;

macro_rules! case {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            eventlog::contract::$name(Arc::new(MemoryLog::new())).await;
        }
    };
}
eventlog::for_each_contract_case!(case);
