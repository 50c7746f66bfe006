//! An export goes as fast as its client takes it, and ends with the client and with the right to it.

use std::time::Duration;

use access::Role;
use reqwest::{Method, Response};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Client, TestApp};

use super::support::{Sealing, download, filled, sealed};

/// Begins an export and takes nothing of it.
async fn begun(client: &Client, path: &str) -> Response {
    let answer = client.request(Method::GET, path).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_export_holds_a_place_until_its_client_goes(pool: PgPoolOptions, database: PgConnectOptions) {
    let app =
        TestApp::with(pool, database, tests::Setup { without_projector: true, ..Default::default() }).await;
    let sealing = Sealing::start(&app).await;
    let (auditor, owner) = (app.client(Role::Auditor), app.client(Role::Owner));
    // More than the sockets of a machine hold.
    let (run, position) = filled(&app, 120_000).await;
    sealed(&auditor, position).await;
    let path = format!("/runs/{run}/export");
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(begun(&auditor, &path).await);
    }
    let mut owners = begun(&owner, &path).await;
    let refused = auditor.get(&path).await.problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "10");

    // A token that is revoked ends what is on its way.
    let token: uuid::Uuid =
        sqlx::query_scalar("SELECT token_id FROM access.tokens WHERE tenant = 'demo' AND role = 'owner'")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    access::revoke_token(&app.pool, token).await.unwrap();
    let cut = loop {
        match owners.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(cut, "what was cut off is not taken for whole");

    // So does a client that goes away. Its place is free as soon as that is noticed.
    drop(waiting);
    let asking = async {
        while auditor.request(Method::HEAD, &path).send().await.unwrap().status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("room in time");
    let whole = download(&auditor, &path).await;
    assert_eq!(whole.verified(&sealing, None).unwrap().events, 120_000);
    sealing.stop().await;
    app.stop().await;
}
