//! What `/healthz` and `/readyz` say.

use serde_json::Value;

use super::program::{Program, until};

/// The process lives, whatever else is wrong.
pub async fn lives(program: &Program) {
    let (status, body) = ask(program, "/healthz").await.expect("a process that lives answers");
    assert_eq!((status, &body["status"]), (200, &"ok".into()), "{}", program.tail());
}

/// Waits until it says that it is ready.
pub async fn ready(program: &Program) -> Value {
    until("/readyz to be 200", async || {
        let (status, body) = ask(program, "/readyz").await?;
        (status == 200).then_some(body)
    })
    .await
}

/// Waits until it says that it is not ready; gives what is wrong.
pub async fn unready(program: &Program) -> Value {
    let body = until("/readyz to be 503", async || {
        let (status, body) = ask(program, "/readyz").await?;
        (status == 503).then_some(body)
    })
    .await;
    assert_eq!(body["code"], "not_ready", "{body}");
    let named = ["database", "reads", "log", "appends"].iter().any(|what| body[what] == "unavailable");
    assert!(named, "names it: {body}");
    body
}

pub async fn ask(program: &Program, path: &str) -> Option<(u16, Value)> {
    let answer = reqwest::get(format!("{}{path}", program.url)).await.ok()?;
    Some((answer.status().as_u16(), answer.json().await.ok()?))
}
