//! The events on a cluster: everything above the log goes on as before, while nodes and processes die.

use std::sync::atomic::Ordering::SeqCst;

use kurrent_server::Cluster;
use serde_json::{Value, json};

use super::audit::audit;
use super::counts::{count, say};
use super::health::{ask, ready};
use super::load::Load;
use super::program::Program;
use super::program::until;
use super::site::{Site, TENANT};

#[tokio::test(flavor = "multi_thread")]
async fn leaders_and_processes_die_and_nothing_is_lost_or_doubled() {
    let mut cluster = Cluster::start(3).await;
    let mut site = Site::start_on(&cluster.url()).await;
    let mut apis = [site.serve(&[]).await, site.serve(&["--no-projector"]).await];
    let mut load = Load::start(8, vec![apis[0].url.clone(), apis[1].url.clone()], TENANT, &site.token);
    for round in 0..count("RUNLEDGER_SOAK_ROUNDS", 3) {
        load.acknowledged(60).await;
        // The leader dies, and another one is elected; the dead one comes back as a follower.
        let (dead, next) = (round % 3, (round + 1) % 3);
        cluster.nodes[dead].kill().await;
        cluster.elect(next);
        load.acknowledged(60).await;
        cluster.nodes[dead].revive().await;
        // A process dies.
        let fresh = site.serve(if round % 2 == 0 { &[] } else { &["--no-projector"] }).await;
        std::mem::replace(&mut apis[round % 2], fresh).kill().await;
        load.point_at(vec![apis[0].url.clone(), apis[1].url.clone()]);
        load.acknowledged(60).await;
        say(site.run(&["projector", "rebuild"]).await.trim());
    }
    let seen = load.finish().await;
    audit(&site.url, &site.event_log, &seen).await;
    for api in apis {
        api.stop().await;
    }
    site.stop_postgres().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_moves_to_a_cluster_with_all_it_has() {
    let mut site = Site::start_on_postgres().await;
    let api = site.serve(&[]).await;
    let mut load = Load::start(8, vec![api.url.clone()], TENANT, &site.token);
    load.acknowledged(1_000).await;
    let seen = load.finish().await;
    audit(&site.url, &site.event_log, &seen).await;

    let cluster = Cluster::start(1).await;
    let moved = site.on(&cluster.url());
    // Broken off at any moment, it goes on where it was; and it may be done while the ledger is in use.
    let copy = ["log", "copy", "--from", "postgres", "--to", &moved];
    let mut first = site.command(&copy).spawn().unwrap();
    until("the copy to be under way", async || {
        (cluster.nodes[0].faults.appends.load(SeqCst) >= 20).then_some(())
    })
    .await;
    first.kill().await.unwrap();
    say(site.run(&copy).await.trim());
    api.stop().await;

    // The read tables still speak of the old log, and nobody mixes the two up.
    let refused =
        site.command(&["serve", "--listen", "127.0.0.1:0", "--event-log", &moved]).output().await.unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("are folded from the event log postgres"), "{words}");
    site.event_log = moved;
    say(site.run(&["projector", "rebuild"]).await.trim());
    let api = site.serve(&[]).await;
    let mut again = Load::start(4, vec![api.url.clone()], TENANT, &site.token);
    again.acknowledged(100).await;
    let more = again.finish().await;
    audit(&site.url, &site.event_log, &seen.moved().and(more)).await;
    api.stop().await;
    site.stop_postgres().await;
}

/// Starts a run; gives the status of the answer and its body.
async fn start_a_run(site: &Site, api: &Program) -> (u16, Value) {
    let request = reqwest::Client::new()
        .post(format!("{}/v1/tenants/{TENANT}/runs", api.url))
        .bearer_auth(&site.token)
        .json(&json!({"kind": "t.x", "context": {}}));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Waiting mends nothing: a start ends with a code of its own, and what runs already says who refuses whom.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_refuses_us_is_told_from_one_that_is_away() {
    let cluster = Cluster::start(1).await;
    let mut site = Site::start_on(&cluster.url()).await;
    let api = site.serve(&[]).await;
    assert_eq!(start_a_run(&site, &api).await.0, 201);

    let expected = |password: Option<&str>| {
        *cluster.nodes[0].faults.expects.lock().unwrap() = password.map(str::to_owned);
    };
    expected(Some("Basic bm9ib2R5Om5vdGhpbmc="));
    until("/readyz to name the refusal", async || {
        let (status, body) = ask(&api, "/readyz").await?;
        (status == 503 && body["log"] == "refused").then_some(())
    })
    .await;
    let (status, problem) = start_a_run(&site, &api).await;
    assert_eq!((status, &problem["code"]), (503, &"log_refused".into()), "{problem}");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    for args in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["dev", "--listen", "127.0.0.1:0", "--data-dir", folder],
        &["projector", "run"],
    ] {
        let mut command = site.command(args);
        let refused = command.env("RUNLEDGER_DEV_EVENT_LOG", &site.event_log).output().await.unwrap();
        let (told, words) =
            (String::from_utf8_lossy(&refused.stdout), String::from_utf8_lossy(&refused.stderr));
        assert_eq!(refused.status.code(), Some(78), "{args:?}: {words}");
        assert!(words.contains("refuses us") && words.contains("password"), "{args:?}: {words}");
        assert!(!told.contains("ready") && !words.contains("listening"), "{args:?}: {told}{words}");
    }

    expected(None);
    ready(&api).await;
    assert_eq!(start_a_run(&site, &api).await.0, 200, "it is the run that is active");
    api.stop().await;
    site.stop_postgres().await;
}
