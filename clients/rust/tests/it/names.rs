//! What ids are called: see `clients/behaviours.md`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use runledger_client::{Error, Limits};
use serde_json::{Value, json};

use crate::harness::{World, get, id, kind, only_run, until};
use crate::proxy::{Mode, Proxy};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn namespace() -> String {
    kind().replace('-', "_")
}

#[tokio::test]
async fn items_say_their_namespace() {
    let (world, name, space) = (World::new(), kind(), namespace());
    let ledger = world.ledger();
    let named = [("p-1", "Nightly backup"), ("p-2", "Weekly backup")];
    ledger.directory(&space, named, None).await.unwrap();
    let work = ledger.run(&name, json!({}), async |run| {
        run.item("p-1").namespace(&space).succeeded();
        let denied = io::Error::new(io::ErrorKind::PermissionDenied, "not yours");
        run.item("p-2").label("then called so").namespace(&space).record(Err::<(), _>(denied));
        run.item("p-3").namespace(&space).skipped(Some("unsupported"));
        run.item("p-4").namespace(&space).failed("conflict", "somebody else has it");
        run.succeeded("p-5");
        Ok::<_, AnyError>(())
    });
    work.await.unwrap();
    let run = only_run(&name, "partially_succeeded").await;
    let items = get(&format!("/runs/{}/items", id(&run))).await.unwrap();
    let shown = items["items"].as_array().unwrap().iter();
    let shown: BTreeMap<&str, (&Value, &Value)> =
        shown.map(|item| (item["item"].as_str().unwrap(), (&item["namespace"], &item["name"]))).collect();
    let (space, none) = (json!(space), Value::Null);
    let (nightly, weekly) = (json!("Nightly backup"), json!("Weekly backup"));
    let expected = [
        ("p-1", (&space, &nightly)),
        ("p-2", (&space, &weekly)),
        ("p-3", (&space, &none)),
        ("p-4", (&space, &none)),
        ("p-5", (&none, &none)),
    ];
    assert_eq!(shown, BTreeMap::from(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_sent_in_batches() {
    let (between, world, space, read_at) = (Proxy::start().await, World::new(), namespace(), Utc::now());
    let ledger = world.ledger_at(&between.url);
    let names = || (0..2_500).map(|n| (format!("p-{n}"), format!("Policy {n}")));
    between.set(Mode::Away);
    tokio::spawn({
        let between = between.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            between.set(Mode::Pass);
        }
    });
    assert_eq!(ledger.directory(&space, names(), Some(read_at)).await.unwrap(), 2_500);
    let asked = between.asked().into_iter().filter(|asked| asked.path.ends_with("/directory"));
    let sent: Vec<usize> = asked
        .map(|asked| {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            body["entries"].as_array().unwrap().len()
        })
        .collect();
    assert!(sent.len() > 3 && sent.ends_with(&[1_000, 500]), "asked again while it was away: {sent:?}");
    // What is known, or known better, is nothing new.
    until(async || (ledger.directory(&space, names(), Some(read_at)).await.unwrap() == 0).then_some(()))
        .await;
    let yesterday = Some(read_at - TimeDelta::days(1));
    assert_eq!(ledger.directory(&space, [("p-1", "Of yesterday")], yesterday).await.unwrap(), 0);
    assert_eq!(ledger.directory(&space, [("p-1", "Of today")], None).await.unwrap(), 1);

    for wrong in [("p-1", ""), ("", "no id")] {
        let refused = ledger.directory(&space, [wrong], None).await.unwrap_err();
        let Error::Refused { problem, .. } = &refused else { panic!("{refused}") };
        assert_eq!(problem.code(), "validation_failed");
    }
    between.set(Mode::Away);
    let limits = Limits { request_timeout: Duration::from_millis(200), ..World::limits() };
    let away = world.builder(&between.url).limits(limits).build().unwrap();
    assert!(matches!(away.directory(&space, names(), None).await, Err(Error::Away { .. })));
}
