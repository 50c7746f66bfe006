//! Why the client's subscriptions are not used, and that the server's are as they should be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use eventstore::{
    Client, Position, SubscribeToAllOptions, Subscription, SubscriptionEvent, SubscriptionFilter,
};
use kurrent_server::Cluster;
use tracing::span;

use super::{append, log, soon};

async fn subscribed(cluster: &Cluster) -> Subscription {
    let client = Client::new(cluster.url().parse().unwrap()).unwrap();
    let filter = SubscriptionFilter::on_stream_name().add_prefix("run-");
    client.subscribe_to_all(&SubscribeToAllOptions::default().filter(filter)).await
}

#[tokio::test]
async fn a_subscription_gives_what_is_there_then_what_comes_and_checkpoints_between() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let first = append(&log, "run-a", None).await.position;
    cluster.append_foreign("others-a", 100, 200);
    let mut subscription = subscribed(&cluster).await;
    let mut seen: Vec<(&str, u64)> = Vec::new();
    let mut behind = false;
    while seen.last().is_none_or(|(what, _)| *what != "caught up") {
        seen.push(match soon(subscription.next_subscription_event()).await.unwrap() {
            SubscriptionEvent::EventAppeared(event) => ("event", event.get_original_event().position.commit),
            SubscriptionEvent::Checkpoint(Position { commit, .. }) => {
                behind |= commit > first.0;
                ("checkpoint", 0)
            }
            SubscriptionEvent::CaughtUp(_) => ("caught up", 0),
            SubscriptionEvent::Confirmed(_) => ("confirmed", 0),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen[..2], [("confirmed", 0), ("event", first.0)]);
    assert!(behind, "a checkpoint tells that nothing of ours follows: {seen:?}");
    append(&log, "run-a", Some(0)).await;
    assert_eq!(soon(subscription.next()).await.unwrap().get_original_event().revision, 1);
}

/// Counts what the client says, and stops it at last.
struct Counts(Arc<AtomicUsize>);

/// One warning is enough to say that a subscription is over; this many are a loop that never ends.
const A_LOOP: usize = 1_000;

impl tracing::Subscriber for Counts {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN && metadata.target().starts_with("kurrentdb")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        assert!(self.0.fetch_add(1, SeqCst) < A_LOOP, "this poll never ends");
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The loop is in one poll, so neither a time limit nor dropping the future ends it. Here it has a thread and
/// a runtime of its own, and is ended by what it says.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_the_server_ends_well_never_gives_its_thread_back() {
    let cluster = Cluster::start(1).await;
    cluster.nodes[0].faults.end_a_subscription();
    let (url, said) = (cluster.url(), Arc::new(AtomicUsize::new(0)));
    let counts = Counts(said.clone());
    let looping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tracing::subscriber::with_default(counts, || {
            runtime.block_on(async move {
                let client = Client::new(url.parse().unwrap()).unwrap();
                let mut subscription = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
                tokio::time::timeout(super::PATIENCE, async {
                    while subscription.next_subscription_event().await.is_ok() {}
                })
                .await
            })
        })
    });
    let ended = soon(tokio::task::spawn_blocking(|| looping.join())).await.unwrap();
    assert!(ended.is_err(), "the client gives its thread back: subscriptions can be used");
    assert!(said.load(SeqCst) >= A_LOOP);
}
