//! What the tests of pages share: a visitor without scripts, and runs to look at.

use access::Role;
use reqwest::{Client as Http, redirect};
use serde_json::{Value, json};
use tests::browser::{Browser, Tab};
use tests::{Answer, TestApp};

/// A visitor who has no scripts, and keeps the cookie by hand.
pub struct Visitor {
    http: Http,
    base: String,
    pub cookie: Option<String>,
}

impl Visitor {
    pub fn new(base: &str) -> Self {
        let http = Http::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { http, base: base.to_owned(), cookie: None }
    }

    /// One who has signed in by the form.
    pub async fn signed_in(app: &TestApp, tenant: &'static str, role: Role) -> Self {
        Self::signed_in_at(app, tenant, role, "").await
    }

    /// The same where the server is seen under a path.
    pub async fn signed_in_at(app: &TestApp, tenant: &'static str, role: Role, base: &str) -> Self {
        let mut visitor = Self::new(app.url());
        let answer = visitor.post("/sign-in", &[("token", app.token(tenant, role)), ("next", "")]).await;
        let answer = answer.expect(303);
        assert_eq!(answer.header("location"), format!("{base}/t/{tenant}/runs"));
        visitor.keep(&answer);
        visitor
    }

    pub fn keep(&mut self, answer: &Answer) {
        let cookie = answer.header("set-cookie").split(';').next().unwrap();
        self.cookie = Some(cookie.to_owned());
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).header("accept", "text/html");
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(reqwest::Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.request(reqwest::Method::POST, path).form(form)).await
    }

    /// The word against forgery on the page.
    pub async fn csrf(&self, path: &str) -> String {
        let text = self.get(path).await.expect(200).text;
        let (_, rest) = text.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }
}

/// A window with the runs of the tenant `demo`, as the operator sees them, live.
pub async fn at_runs(browser: &Browser, base: &str, app: &TestApp) -> Tab {
    let tab = browser.window("about:blank").await;
    tab.sign_in(base, app.token("demo", Role::Operator)).await;
    tab.until(LIVE).await;
    tab
}

/// Whether a page is live, for [`Tab::until`].
pub const LIVE: &str = "document.getElementById('connection').textContent.startsWith('Live')";

/// A run of the tenant `demo` that the operator has started, two of whose three items succeeded. Answers
/// its id and last position.
pub async fn partial_run(app: &TestApp, title: &str) -> (String, u64) {
    let producer = app.producer();
    let body = json!({
        "kind": "pages.partial", "title": title, "context": {"title": title}, "items_total": 3,
        "initiator": {"id": "operator", "name": "Olga Operator"}, "labels": {"env": "prod"},
    });
    let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
    let position = producer.append(&run, partial_events()).await.expect(200).number_at("/position");
    (run, position)
}

/// What happens to it.
pub fn partial_events() -> Value {
    json!([
        {"type": "Started", "worker": "w-1", "heartbeat_seconds": 60},
        {"type": "ItemSucceeded", "item": "alpha"},
        {"type": "ItemFailed", "item": "beta", "reason_code": "permission_denied", "message": "may not touch beta"},
        {"type": "ItemSucceeded", "item": "gamma"},
        {"type": "Completed", "message": "two of three"},
    ])
}
