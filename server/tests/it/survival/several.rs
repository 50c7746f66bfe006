//! Two APIs and two projectors on one database: each is killed in turn, and the projector at work is held
//! still for longer than its lease.

use rustix::process::Signal;
use sqlx::PgPool;

use super::audit::audit;
use super::counts::{count, say};
use super::health::ready;
use super::load::Load;
use super::program::{Program, until};
use super::site::{Site, TENANT};

const AT_WORK: &str = "projecting";
const FENCED: &str = "another projector has taken over";

#[tokio::test]
async fn processes_die_in_turn_and_the_rest_goes_on() {
    let mut site = Site::start().await;
    let db = site.db().await;
    let mut apis = [site.serve(&["--no-projector"]).await, site.serve(&["--no-projector"]).await];
    let mut projectors = [site.projector(), site.projector()];
    let urls = |apis: &[Program; 2]| vec![apis[0].url.clone(), apis[1].url.clone()];
    let mut load = Load::start(16, urls(&apis), TENANT, &site.token);
    for round in 0..count("RUNLEDGER_SOAK_ROUNDS", 2) {
        load.acknowledged(80).await;
        let fresh = site.serve(&["--no-projector"]).await;
        std::mem::replace(&mut apis[round % 2], fresh).kill().await;
        load.point_at(urls(&apis));

        // Held still, perhaps in the middle of a batch, until the other one is at work; then woken up.
        let still = at_work(&db, &projectors).await;
        let (fenced, taken) = (projectors[still].said(FENCED), projectors[1 - still].said(AT_WORK));
        projectors[still].signal(Signal::STOP);
        projectors[1 - still].says_again(AT_WORK, taken).await;
        load.acknowledged(80).await;
        projectors[still].signal(Signal::CONT);
        projectors[still].says_again(FENCED, fenced).await;

        // The one at work is killed, and another one takes over.
        let active = at_work(&db, &projectors).await;
        std::mem::replace(&mut projectors[active], site.projector()).kill().await;
        at_work(&db, &projectors).await;
        load.acknowledged(80).await;
        say(format!("round {round}: {} acknowledged", load.total()));
    }
    for api in &apis {
        ready(api).await;
    }
    let seen = load.finish().await;
    audit(&site.url, &site.event_log, &seen).await;
    db.close().await;
    for program in apis.into_iter().chain(projectors) {
        program.stop().await;
    }
    site.stop_postgres().await;
}

/// Which of the projectors has the lease, by the fencing token that it has told. A lease never lasts longer than
/// 5 s from any moment on: how soon the next one takes over follows from that, whatever this machine does.
async fn at_work(db: &PgPool, projectors: &[Program; 2]) -> usize {
    until("a projector to be at work", async || {
        let lease = "SELECT fence, COALESCE(extract(epoch FROM lease_until - clock_timestamp()), 0)::float8
            FROM projection.checkpoints";
        let (fence, seconds): (i64, f64) = sqlx::query_as(lease).fetch_one(db).await.unwrap();
        assert!(seconds <= 5.0, "the lease lasts {seconds} s from now on");
        projectors.iter().position(|projector| projector.last(AT_WORK)["fence"] == fence)
    })
    .await
}
