//! Pages in a real browser over TLS: more of them than HTTP/1.1 has connections.

use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::Browser;

use super::http2::over_tls;

/// More than the six connections that browsers open to a server of HTTP/1.1.
const WINDOWS: usize = 9;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nine_pages_at_once_are_live(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, over_tls()).await;
    let run = app.producer().new_run("many.pages", json!({})).await;
    let browser = Browser::open_with(&["--ignore-certificate-errors"]).await;
    let first = browser.tab(&format!("{}/sign-in", app.url())).await;
    first.sign_in(app.url(), app.token("demo", access::Role::Operator)).await;
    let mut windows = Vec::new();
    for _ in 0..WINDOWS {
        let window = browser.window(&format!("{}/t/demo/runs/{run}", app.url())).await;
        assert!(window.text().await.contains("many.pages"));
        windows.push(window);
    }
    let protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol";
    assert_eq!(windows[WINDOWS - 1].run(protocol).await, "h2");
    app.producer()
        .append(&run, json!([{"type": "Started"}, {"type": "ItemSucceeded", "item": "seen-by-all"}]))
        .await;
    for window in &windows {
        window.until("document.body.innerText.includes('seen-by-all')").await;
    }
    browser.close().await;
    app.stop().await;
}
