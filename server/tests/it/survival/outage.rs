//! The database goes away under load, and comes back.

use super::audit::audit;
use super::counts::{count, say};
use super::health::{lives, ready, unready};
use super::load::Load;
use super::program::Program;
use super::site::{Site, TENANT};

#[tokio::test]
async fn a_killed_postgres_is_waited_for() {
    let mut site = Site::start().await;
    let api = site.serve(&[]).await;
    let mut load = Load::start(16, vec![api.url.clone()], TENANT, &site.token);
    for round in 1..=count("RUNLEDGER_SOAK_OUTAGES", 3) {
        load.acknowledged(100).await;
        if round % 3 == 0 {
            site.stop_postgres().await;
        } else {
            site.kill_postgres().await;
        }
        // On Postgres, nothing that is said from here on can be durable.
        let before = load.total();
        lives(&api).await;
        unready(&api).await;
        load.refused(16).await;
        // What was committed at the last moment may be told a little later, and nothing else.
        let last_moment = load.total() - before;
        assert!(!site.is_on_postgres() || last_moment <= 16 * 3, "acknowledged without a database");
        let at_rest = load.total();
        load.refused(16).await;
        assert!(!site.is_on_postgres() || load.total() == at_rest, "acknowledged without a database");
        lives(&api).await;
        site.start_postgres().await;
        ready(&api).await;
        load.acknowledged(100).await;
        say(format!("outage {round}: back, {} acknowledged", load.total()));
    }
    let seen = load.finish().await;
    assert!(seen.refusals.values().sum::<usize>() >= 32);
    audit(&site.url, &site.event_log, &seen).await;
    api.stop().await;
    site.stop_postgres().await;
}

#[tokio::test]
async fn connections_that_are_cut_lose_nothing() {
    let mut site = Site::start().await;
    let api = site.serve(&[]).await;
    let db = site.db().await;
    let mut load = Load::start(16, vec![api.url.clone()], TENANT, &site.token);
    for _ in 0..count("RUNLEDGER_SOAK_CUTS", 20) {
        load.acknowledged(40).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'runledger'",
        )
        .execute(&db)
        .await
        .unwrap();
    }
    load.acknowledged(100).await;
    ready(&api).await;
    let seen = load.finish().await;
    audit(&site.url, &site.event_log, &seen).await;
    db.close().await;
    api.stop().await;
    site.stop_postgres().await;
}

#[tokio::test]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    let mut site = Site::start().await;
    site.stop_postgres().await;
    let mut api = Program::spawn(site.command(&["serve", "--listen", "127.0.0.1:0"]));
    let mut projector = site.projector();
    for program in [&mut api, &mut projector] {
        let line = program.line("database does not answer").await;
        assert_eq!(line["level"], "WARN", "{line}");
        program.url = format!("http://{}", line["address"].as_str().unwrap_or_default());
    }
    lives(&api).await;
    let said = unready(&api).await;
    assert_eq!(said["database"], "unavailable");
    site.start_postgres().await;
    ready(&api).await;
    let mut load = Load::start(4, vec![api.url.clone()], TENANT, &site.token);
    load.acknowledged(100).await;
    let seen = load.finish().await;
    audit(&site.url, &site.event_log, &seen).await;
    projector.stop().await;
    api.stop().await;
    site.stop_postgres().await;
}

#[tokio::test]
async fn who_waits_for_a_database_can_still_be_stopped() {
    let mut site = Site::start().await;
    site.stop_postgres().await;
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["projector", "run"]] {
        let mut waiting = Program::spawn(site.command(args));
        waiting.line("database does not answer").await;
        waiting.stop().await;
    }
}
