//! How pages can be used: by keyboard, on a phone, with enough contrast, in light and in the dark.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::{Browser, Tab};

use super::site::partial_run;

/// Texts whose contrast with what is behind them is too low (WCAG 2.2, 1.4.3), and shapes (1.4.11).
const FAINT: &str = r#"(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = ([r, g, b]) => {
        const part = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = rgba(getComputedStyle(e).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const faint = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.textContent.trim() || element.closest('svg, option, .hidden, script')) continue;
        if (!element.checkVisibility()) continue;
        const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faint.push(`${element.localName}.${element.className} ${contrast.toFixed(2)}`);
    }
    for (const field of document.querySelectorAll('input[placeholder]')) {
        const style = getComputedStyle(field, '::placeholder');
        const [a, b] = [luminance(rgba(style.color)), luminance(behind(field))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5 || style.opacity !== '1') faint.push(`placeholder of ${field.name} ${contrast.toFixed(2)}`);
    }
    for (const shape of document.querySelectorAll('.strip svg .runs, .strip svg .bad, .bar .ok, .bar .bad, .bar .left')) {
        const [a, b] = [luminance(rgba(getComputedStyle(shape).fill)), luminance(behind(shape))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 3) faint.push(`${shape.className.baseVal} ${contrast.toFixed(2)}`);
    }
    return faint;
})()"#;

/// Fields and buttons without a name for who can't see them.
const NAMELESS: &str =
    "[...document.querySelectorAll('input:not([type=hidden]), select, button, a')].filter((e) =>
    !(e.labels?.length || e.textContent.trim() || e.ariaLabel || e.title)).map((e) => e.outerHTML)";

/// Targets smaller than 24 CSS pixels in height that are not within a sentence (WCAG 2.2, 2.5.8).
const SMALL: &str = "[...document.querySelectorAll('button, input:not([type=hidden]), select, summary, nav a, .chip, .groups a, .label, a.title, a.revision, .clear, .onward a, .compare a')].filter((e) =>
    e.checkVisibility() && !e.closest('.hidden') && !e.classList.contains('skip') && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML)";

async fn pages(app: &TestApp, tab: &Tab) -> Vec<String> {
    let (run, position) =
        partial_run(app, "A title that is rather long, as titles of real operations are").await;
    let producer = app.producer();
    let failed = producer.new_run("looks.failed", json!({"n": 1})).await;
    let events = json!([{"type": "Failed", "reason_code": "dispatch_failed", "message": "nobody took it ".repeat(15)}]);
    producer.append(&failed, events).await.expect(200);
    let aborted =
        producer.new_run("looks.aborted-with-a-very-long-kind.name.of.many.words", json!({"n": 2})).await;
    let events = json!([{"type": "Started"}, {"type": "ItemSkipped", "item": "x".repeat(200)}, {"type": "Aborted", "reason_code": "cancelled", "message": "enough"}]);
    let position = producer.append(&aborted, events).await.expect(200).number_at("/position").max(position);
    producer.new_run("looks.queued", json!({"n": 3})).await;
    tab.sign_in(app.url(), app.token("demo", Role::Operator)).await;
    [
        format!("/t/demo/runs?after={position}"),
        "/t/demo/runs?kind=looks.failed&status=failed".to_owned(),
        "/t/demo/runs?status=nonsense".to_owned(),
        format!("/t/demo/runs/{run}"),
        format!("/t/demo/runs/{run}?revision=3"),
        format!("/t/demo/runs/{run}/difference?from=1&to=4"),
        format!("/t/demo/runs/{run}/difference?from=soon&to=4"),
        format!("/t/demo/runs/{aborted}/difference"),
        format!("/t/demo/runs/{failed}"),
        format!("/t/demo/runs/{aborted}"),
        "/t/demo/notifications".to_owned(),
        "/t/demo/runs/nothing".to_owned(),
    ]
    .map(|page| format!("{}{page}", app.url()))
    .to_vec()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_page_has_contrast_names_and_room(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = browser.tab("about:blank").await;
    let sign_in = format!("{}/sign-in?next=/t/demo/runs&signed_out=1", app.url());
    looks_right(&tab, &sign_in).await;
    for page in pages(&app, &tab).await {
        looks_right(&tab, &page).await;
    }
    browser.close().await;
    app.stop().await;
}

async fn looks_right(tab: &Tab, page: &str) {
    for (width, height, dark) in [(1280, 800, false), (1280, 800, true), (320, 640, false), (390, 844, true)]
    {
        tab.screen(width, height, dark).await;
        tab.go(page).await;
        let screen = format!("{page} at {width}, dark: {dark}");
        assert_eq!(tab.run(FAINT).await, json!([]), "{screen}: too faint");
        assert_eq!(tab.run(NAMELESS).await, json!([]), "{screen}: without a name");
        assert_eq!(tab.run(SMALL).await, json!([]), "{screen}: too small");
        let wide = tab.run("document.scrollingElement.scrollWidth - innerWidth").await;
        assert!(wide.as_i64().unwrap() <= 0, "{screen}: {wide} pixels wider than the screen");
        let headings = tab.run("document.querySelectorAll('h1').length").await;
        assert_eq!(headings, 1, "{screen}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_keyboard_goes_everywhere_in_order(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = browser.tab("about:blank").await;
    let page = pages(&app, &tab).await.remove(0);
    tab.go(&page).await;
    tab.press("Tab").await;
    assert_eq!(tab.run("document.activeElement.textContent").await, "Skip to the content");
    let visible = tab.run("document.activeElement.getBoundingClientRect().top >= 0").await;
    assert_eq!(visible, true, "what has the focus is seen");
    tab.press("Enter").await;
    tab.until("document.activeElement.id === 'main'").await;
    let mut seen = Vec::new();
    while seen.len() < 80 {
        tab.press("Tab").await;
        let here =
            tab.run("document.activeElement.className.baseVal ?? document.activeElement.className").await;
        let here = here.as_str().unwrap_or_default().to_owned();
        seen.push(here);
        if tab.run("document.activeElement.classList.contains('title')").await == true {
            break;
        }
    }
    let at = |class: &str| seen.iter().position(|seen| seen.contains(class));
    assert!(at("chip") < at("title") && at("title").is_some(), "{seen:?}");
    // The hours are one stop on the way.
    assert_eq!(seen.iter().filter(|seen| seen.contains("bar-link")).count(), 1, "{seen:?}");
    assert!(seen.len() < 25, "{seen:?}");
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_hours_are_read_by_the_arrow_keys(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = browser.tab("about:blank").await;
    let page = pages(&app, &tab).await.remove(0);
    tab.go(&page).await;
    let hour =
        async || tab.run("document.getElementById('hour').textContent").await.as_str().unwrap().to_owned();
    let at_rest = hour().await;
    tab.run("document.querySelector('.strip a:not([tabindex])').focus()").await;
    tab.until("document.getElementById('hour').textContent.includes('UTC: 4 runs queued')").await;
    let last = hour().await;
    tab.press("ArrowLeft").await;
    tab.until("document.getElementById('hour').textContent.includes('UTC: 0 runs queued')").await;
    tab.press("End").await;
    assert_eq!(hour().await, last);
    tab.press("ArrowDown").await;
    tab.until(
        "document.getElementById('hour').textContent.includes('UTC: 2 ended failed, 1 partially succeeded')",
    )
    .await;
    tab.press("ArrowUp").await;
    assert_eq!(hour().await, last);
    tab.press("Home").await;
    assert_ne!(hour().await, last);
    tab.press("Tab").await;
    assert_eq!(hour().await, at_rest);
    // Who has no script finds the same in a list.
    let listed = tab.run("document.querySelector('#hours li a').textContent").await;
    assert_eq!(listed, last);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_on_paper_has_all_of_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = browser.tab("about:blank").await;
    let page = pages(&app, &tab).await.remove(3);
    tab.go(&page).await;
    tab.on_paper().await;
    let seen = |selector: &str| {
        format!("document.querySelector('{selector}').checkVisibility({{ contentVisibilityAuto: true }})")
    };
    assert_eq!(tab.run(&seen(".context pre")).await, true, "the context is there, though it was closed");
    assert_eq!(
        tab.run("document.querySelector('.context pre').getBoundingClientRect().height > 20").await,
        true
    );
    for selector in [".slider", ".filters", ".pager", ".top nav", ".who form", ".ago"] {
        assert_eq!(tab.run(&seen(selector)).await, false, "{selector} is nothing on paper");
    }
    assert_eq!(tab.run("getComputedStyle(document.querySelector('table.items')).display").await, "table");
    let text = tab.text().await;
    assert!(!text.contains("just now") && !text.contains(" ago"), "{text}");
    browser.close().await;
    app.stop().await;
}
