//! A real browser, for the tests of pages and for their pictures.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chromiumoxide::browser::{Browser as Chromium, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams, SetTouchEmulationEnabledParams,
};
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchMouseEventParams, DispatchMouseEventType, MouseButton,
};
use chromiumoxide::cdp::browser_protocol::network::OverrideNetworkStateParams;
use chromiumoxide::cdp::browser_protocol::page::{CaptureScreenshotParams, Viewport};
use chromiumoxide::cdp::browser_protocol::target::CreateTargetParams;
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use chromiumoxide::error::CdpError;
use futures::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;

/// Longer than anything here takes; only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// As many browsers at once: tests that wait for less than a browser computes run beside them.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// How many clicks may go astray before a page is taken to be one that nobody can click on.
const CLICKS: u32 = 20;

/// Chromium without a window, with a profile of its own.
pub struct Browser {
    chromium: Chromium,
    handler: JoinHandle<()>,
    profile: TempDir,
    _turn: SemaphorePermit<'static>,
}

/// A page of it.
#[derive(Clone)]
pub struct Tab(chromiumoxide::Page);

impl Browser {
    /// Starts Chromium, once there is room for another: the one that `RUNLEDGER_CHROMIUM` names, or the one that is installed.
    ///
    /// # Panics
    /// When there is none, or it does not start.
    pub async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// The same with further arguments.
    ///
    /// # Panics
    /// When there is none, or it does not start.
    pub async fn open_with(more: &[&str]) -> Self {
        let turn = BROWSERS.acquire().await.unwrap();
        let profile = TempDir::new().unwrap();
        let mut config = BrowserConfig::builder()
            .new_headless_mode()
            // Root has no sandbox, and tests often are.
            .no_sandbox()
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en"])
            .args(more.iter().copied())
            .user_data_dir(profile.path());
        if let Some(program) = std::env::var_os("RUNLEDGER_CHROMIUM") {
            config = config.chrome_executable(PathBuf::from(program));
        }
        let (chromium, mut handler) = Chromium::launch(config.build().unwrap()).await.unwrap();
        // It ends with the browser. Messages of newer browsers that the library does not know are no fault.
        let handler = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Self { chromium, handler, profile, _turn: turn }
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Panics
    /// When it can't be loaded.
    pub async fn tab(&self, url: &str) -> Tab {
        let tab = Tab(self.chromium.new_page("about:blank").await.unwrap());
        tab.touched(false).await;
        tab.go(url).await;
        tab
    }

    /// Opens a page in a window of its own and waits until it is loaded: it is seen while others are, too, as a
    /// tab behind another one is not. The page has a `spy` on its script (`spy.js`).
    ///
    /// # Panics
    /// When it can't be loaded.
    pub async fn window(&self, url: &str) -> Tab {
        let window = CreateTargetParams::builder().url("about:blank").new_window(true).build().unwrap();
        let tab = Tab(self.chromium.new_page(window).await.unwrap());
        tab.touched(false).await;
        tab.0.evaluate_on_new_document(include_str!("spy.js")).await.unwrap();
        tab.go(url).await;
        tab
    }

    /// Ends it.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn close(mut self) {
        self.chromium.close().await.unwrap();
        self.chromium.wait().await.unwrap();
        self.handler.await.unwrap();
        drop(self.profile);
    }
}

impl Tab {
    /// Loads another page.
    ///
    /// # Panics
    /// When it can't be loaded.
    pub async fn go(&self, url: &str) {
        self.0.goto(url).await.unwrap();
    }

    /// What a script comes to; promises are waited for.
    ///
    /// # Panics
    /// When the script throws.
    pub async fn run(&self, script: &str) -> Value {
        let params = EvaluateParams::builder()
            .expression(script)
            .await_promise(true)
            .return_by_value(true)
            .build()
            .unwrap();
        loop {
            match self.0.evaluate_expression(params.clone()).await {
                Ok(result) => return result.value().cloned().unwrap_or(Value::Null),
                Err(CdpError::JavascriptException(thrown)) => panic!("{script}: {thrown}"),
                // A page has just come in the place of another: then it is asked of the new one.
                Err(error)
                    if ["context", "navigated"].iter().any(|word| error.to_string().contains(word)) =>
                {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{script}: {error}"),
            }
        }
    }

    /// Waits until an expression about the page is true: it is asked whenever the page changes.
    ///
    /// # Panics
    /// When it does not become true.
    pub async fn until(&self, condition: &str) {
        let script = format!(
            "new Promise((done) => {{
                const met = () => {{ try {{ return Boolean({condition}); }} catch (error) {{ return false; }} }};
                const watch = new MutationObserver(() => {{ if (met()) {{ watch.disconnect(); done(true); }} }});
                watch.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
                if (met()) {{ watch.disconnect(); done(true); }}
            }})"
        );
        if tokio::time::timeout(PATIENCE, self.run(&script)).await.is_err() {
            let seen = tokio::time::timeout(PATIENCE, self.text()).await;
            panic!("{condition} did not become true; the page says {seen:?}");
        }
    }

    /// Shows it before the other tabs of its window.
    ///
    /// # Panics
    /// When it is gone.
    pub async fn to_front(&self) {
        self.0.bring_to_front().await.unwrap();
    }

    /// Moves the mouse there, in CSS pixels, and presses or releases its button, or neither.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn mouse(&self, kind: DispatchMouseEventType, (x, y): (f64, f64)) {
        let event = DispatchMouseEventParams::builder().r#type(kind).x(x).y(y).button(MouseButton::Left);
        self.0.execute(event.buttons(1).click_count(1).build().unwrap()).await.unwrap();
    }

    /// Clicks what a selector finds.
    ///
    /// # Panics
    /// When there is nothing.
    pub async fn click(&self, selector: &str) {
        self.to_front().await;
        self.0.find_element(selector).await.unwrap().click().await.unwrap();
    }

    /// Clicks what a selector finds and waits until the page that comes is loaded.
    ///
    /// # Panics
    /// When there is nothing.
    pub async fn follow(&self, selector: &str) {
        // A page behind another one takes no clicks.
        self.to_front().await;
        for _ in 0..CLICKS {
            // A load event may still be that of the page that is left, so the pages are told apart by a mark. A page
            // that changes under the pointer lets a click go astray: then it does nothing, and another one is made.
            let mark = format!(
                "window.left = new Promise((astray) => addEventListener('click', (click) => {{
                    if (click.target.closest({selector:?})) return;
                    click.preventDefault();
                    click.stopImmediatePropagation();
                    astray('astray');
                }}, {{ capture: true, once: true }})); true"
            );
            self.run(&mark).await;
            self.0.find_element(selector).await.unwrap().click().await.unwrap();
            let loaded = "window.left || document.readyState === 'complete' ||
                new Promise((done) => addEventListener('load', () => done(true)))";
            let loaded = tokio::time::timeout(PATIENCE, self.run(loaded)).await;
            match loaded.unwrap_or_else(|_| panic!("no page comes by a click on {selector}")) {
                Value::String(_astray) => {}
                _ => return,
            }
        }
        panic!("all clicks on {selector} go astray");
    }

    /// Types into the field that a selector finds.
    ///
    /// # Panics
    /// When there is none.
    pub async fn type_into(&self, selector: &str, text: &str) {
        self.to_front().await;
        let field = self.0.find_element(selector).await.unwrap();
        field.click().await.unwrap().type_str(text).await.unwrap();
    }

    /// Presses a key, where the focus is.
    ///
    /// # Panics
    /// When there is nothing in focus.
    pub async fn press(&self, key: &str) {
        self.0.find_element(":focus, body").await.unwrap().press_key(key).await.unwrap();
    }

    /// The text of the page, as it is seen.
    pub async fn text(&self) -> String {
        self.run("document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// The address.
    pub async fn address(&self) -> String {
        self.run("location.href").await.as_str().unwrap_or_default().to_owned()
    }

    /// Shows pages as on a screen of that size, in CSS pixels, in the dark or not.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn screen(&self, width: i64, height: i64, dark: bool) {
        let phone = width < 600;
        let metrics =
            SetDeviceMetricsOverrideParams::new(width, height, if phone { 2.0 } else { 1.0 }, phone);
        self.0.execute(metrics).await.unwrap();
        self.touched(phone).await;
        let scheme = MediaFeature::new("prefers-color-scheme", if dark { "dark" } else { "light" });
        self.0.execute(SetEmulatedMediaParams::builder().feature(scheme).build()).await.unwrap();
    }

    /// Whether pages are used by fingers, as the library would have it for all, or by a mouse.
    async fn touched(&self, by_fingers: bool) {
        self.0.execute(SetTouchEmulationEnabledParams::new(by_fingers)).await.unwrap();
    }

    /// Shows pages in the few colours that who reads has chosen, as Windows' contrast themes do.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn in_forced_colours(&self) {
        let forced = MediaFeature::new("forced-colors", "active");
        self.0.execute(SetEmulatedMediaParams::builder().feature(forced).build()).await.unwrap();
    }

    /// Tells the page that the browser has lost the network, or has it back.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn offline(&self, offline: bool) {
        let state = OverrideNetworkStateParams::builder().offline(offline).latency(0.0);
        let state = state.download_throughput(-1.0).upload_throughput(-1.0);
        self.0.execute(state.build().unwrap()).await.unwrap();
    }

    /// Shows pages as on a sheet of A4, upright, less its margins.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn on_paper(&self) {
        self.0.execute(SetDeviceMetricsOverrideParams::new(718, 1_047, 1.0, false)).await.unwrap();
        self.0.execute(SetEmulatedMediaParams::builder().media("print").build()).await.unwrap();
        // What was hidden in a closed part is laid out with the next frame.
        self.0.bring_to_front().await.unwrap();
        self.run(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
        )
        .await;
    }

    /// A picture of the page, as PNG: of the whole of it, or of its beginning where it is taller.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn picture(&self, width: i64, tallest: i64) -> Vec<u8> {
        let whole = self.run("document.documentElement.scrollHeight").await.as_i64().unwrap();
        let (width, height) = (width as f64, whole.min(tallest) as f64);
        let clip = Viewport { x: 0.0, y: 0.0, width, height, scale: 1.0 };
        let params = CaptureScreenshotParams::builder().clip(clip).capture_beyond_viewport(true).build();
        let picture = self.0.execute(params).await.unwrap();
        STANDARD.decode(AsRef::<[u8]>::as_ref(&picture.data)).unwrap()
    }

    /// Signs in by the form.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn sign_in(&self, base: &str, token: &str) {
        // Who is signed in already is asked again only on the way to some page.
        self.go(&format!("{base}/sign-in?next=/")).await;
        self.run(&format!("document.getElementById('token').value = {}", json!(token))).await;
        self.follow("button[type=submit]").await;
        assert!(self.address().await.ends_with("/runs"), "{}", self.text().await);
    }
}
