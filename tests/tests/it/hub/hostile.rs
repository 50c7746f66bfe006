//! What producers may send to harm who looks: it is shown as text, and never runs.

use access::Role;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::{Browser, Tab};

/// Each would set `pwned` if it ran, or make a text look like what it is not.
const HOSTILE: [&str; 14] = [
    "<script>window.pwned=1</script>",
    "\"><img src=x onerror=window.pwned=1>",
    "'><svg/onload=window.pwned=1>",
    "</title><script>window.pwned=1</script>",
    "</textarea><script>window.pwned=1</script>",
    "<a href=javascript:window.pwned=1>click</a>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<style>*{display:none}</style>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content=0;url=https://evil.example/>",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "\u{1b}[31mred\u{1b}[0m \u{202e}gnp.exe\u{202c} \u{2066}x\u{2069} \u{200f}y",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.pwned=1>",
];

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_that_producers_send_runs(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let mut runs = Vec::new();
    let mut position = 0;
    for (n, text) in HOSTILE.into_iter().enumerate() {
        let body = json!({
            "kind": "hostile", "title": text, "context": {"n": n, "text": text}, "labels": {"text": text},
            "initiator": {"id": "operator", "name": text},
        });
        let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
        let events = json!([
            {"type": "Started", "worker": text},
            {"type": "ItemFailed", "item": text, "label": text, "reason_code": "hostile", "message": text},
            {"type": "Progressed", "message": text},
            {"type": "Failed", "reason_code": "hostile", "message": text},
        ]);
        position = producer.append(&run, events).await.expect(200).number_at("/position");
        runs.push(run);
    }
    let browser = Browser::open().await;
    let tab = browser.tab("about:blank").await;
    for text in HOSTILE {
        harmless(&tab, app.url(), &format!("/sign-in?hopped=1&next={}", encoded(text))).await;
    }
    tab.sign_in(app.url(), app.token("demo", Role::Operator)).await;
    let mut pages = vec![format!("/t/demo/runs?after={position}"), "/t/demo/notifications".to_owned()];
    pages.extend(runs.iter().map(|run| format!("/t/demo/runs/{run}")));
    pages.extend(HOSTILE.map(|text| format!("/t/demo/runs?q={}", encoded(text))));
    pages.extend(HOSTILE.map(|text| format!("/t/demo/runs?kind={0}&label={0}&since={0}", encoded(text))));
    for page in pages {
        harmless(&tab, app.url(), &page).await;
    }
    tab.go(&format!("{}/t/demo/runs", app.url())).await;
    let titles = tab.run("[...document.querySelectorAll('a.title')].map((title) => title.textContent)").await;
    let titles: Vec<&str> = titles.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(titles.contains(&HOSTILE[0]) && titles.contains(&HOSTILE[11]), "{titles:?}");
    browser.close().await;
    app.stop().await;
}

async fn harmless(tab: &Tab, base: &str, page: &str) {
    tab.go(&format!("{base}{page}")).await;
    // Whatever a live update puts in place must be as harmless.
    let strange = tab
        .run(
            "(async () => {
                for (const details of document.querySelectorAll('details')) details.open = true;
                const part = await (await fetch(location.href)).text();
                const parsed = new DOMParser().parseFromString(part, 'text/html');
                return [document, parsed].map((page) => [
                    window.pwned === undefined,
                    [...page.querySelectorAll('script')].every((script) => script.getAttribute('src').startsWith('/assets/')),
                    page.querySelectorAll('iframe, base, math, style, mglyph, [onerror], [onload], a[href^=javascript]').length === 0,
                    [...page.querySelectorAll('img')].every((image) => image.src.endsWith('.svg')),
                    /[\\u001b\\u202a-\\u202e\\u2066-\\u2069]/.test(page.body.textContent),
                ]);
            })()",
        )
        .await;
    let fine = json!([true, true, true, true, false]);
    assert_eq!(strange, json!([fine, fine]), "{page}");
    assert!(tab.address().await.starts_with(base), "{page}");
}

fn encoded(text: &str) -> String {
    // The one that has control characters is refused as a parameter; that page must be harmless too.
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
