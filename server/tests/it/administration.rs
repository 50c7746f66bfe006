//! What the command line does to the administration is told with the user and the host that did it.

use crate::support::site::{Site, serve, terminated};
use crate::support::{LOOK_AGAIN, PATIENCE};
use serde_json::{Value, json};

/// What an auditor sees, as soon as there is that much, without what is newer.
async fn events(site: &Site, base: &str, token: &str, count: usize) -> Vec<Value> {
    let asking = async {
        loop {
            let url = format!("{base}/v1/tenants/acme/admin/events");
            let answer = site.http.get(url).bearer_auth(token).send().await.unwrap();
            let answer: Value = answer.json().await.unwrap();
            let mut events = answer["events"].as_array().cloned().unwrap_or_default();
            if events.len() >= count {
                events.reverse();
                return events;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("the relay takes it to the log")
}

/// Runs a program of the system's, and gives what it printed.
async fn said(program: &str, args: &[&str]) -> String {
    let output = tokio::process::Command::new(program).args(args).output().await.unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn commands_leave_the_operating_systems_user_and_host() {
    let site = Site::start().await;
    site.run(&["migrate"]).await;
    site.run(&["tenant", "create", "acme", "--name", "Acme"]).await;
    let token = async |role: &str| {
        let args = ["--json", "--tenant", "acme", "--role", role, "--principal", role];
        let made = site.run(&[&["token", "create"], &args[..]].concat()).await;
        serde_json::from_str::<Value>(&made).unwrap()
    };
    let auditor = token("auditor").await["token"].as_str().unwrap().to_owned();
    let owner = token("owner").await["token_id"].as_str().unwrap().to_owned();
    site.run(&["token", "revoke", &owner]).await;
    site.run(&["token", "revoke", &owner]).await;
    let policy = ["policy", "set", "--tenant", "acme", "--kind", "*", "--fail-stale"];
    site.run(&policy).await;
    site.run(&policy).await;
    site.run(&["policy", "remove", "--tenant", "acme", "--kind", "*"]).await;

    let (mut api, base) = site.serve(&[]).await;
    let actor = format!("{}@{}", said("id", &["-un"]).await, said("uname", &["-n"]).await);
    let all = events(&site, &base, &auditor, 6).await;
    let types: Vec<&Value> = all.iter().map(|event| &event["type"]).collect();
    assert_eq!(
        json!(types),
        json!([
            "TenantCreated",
            "TokenCreated",
            "TokenCreated",
            "TokenRevoked",
            "PolicySet",
            "PolicyRemoved"
        ]),
        "each once, in their order"
    );
    for event in &all {
        assert_eq!((&event["actor_kind"], &event["actor"]), (&json!("os"), &json!(actor)), "{event}");
    }

    // While nobody serves, and after the process was killed, nothing is lost and nothing is doubled.
    api.kill().await.unwrap();
    site.run(&["token", "create", "--tenant", "acme", "--role", "readonly", "--principal", "ria"]).await;
    let (api, base) = serve(&site.url(), &[]).await;
    let all = events(&site, &base, &auditor, 7).await;
    assert_eq!((all.len(), &all[6]["data"]["principal"]), (7, &json!("ria")));
    assert!(terminated(api).await);

    // A new epoch is told by who began it.
    site.run(&["restored"]).await;
    let (api, base) = serve(&site.url(), &[]).await;
    let all = events(&site, &base, &auditor, 8).await;
    assert_eq!((&all[7]["type"], &all[7]["actor"]), (&json!("EpochBegun"), &json!(actor)), "{all:?}");
    site.run(&["projector", "verify"]).await;
    assert!(terminated(api).await);
    site.postgres.stop().await.unwrap();
}
