//! `GET /t/{tenant}/administration`: what was done to the tenant's administration, for owners and auditors.

use api::ApiState;
use api::extract::Overseer;
use api::problem::Problem;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::TenantId;
use domain::admin::{ActorKind, AdminBody};
use domain::json::Strict;
use exports::SealState;
use reads::administration::{AdminEventView, AdminQuery, page_of_administration};
use serde_json::Value;

use super::filters::Time;
use super::frame::{Frame, Here};
use super::links::{Links, Toggle};
use super::refusal::{Refusal, html};
use super::texts;
use super::timeline::in_words;
use super::visitor::Visit;
use super::words::{self, DisplayTime};

#[derive(Template)]
#[template(path = "administration.html")]
struct AdministrationPage {
    frame: Frame,
    seal: Seal,
    rows: Vec<Row>,
    /// Every type: its name, its words, and whether it is chosen.
    types: Vec<(&'static str, String, bool)>,
    actor: String,
    since: Time,
    until: Time,
    filtered: bool,
    fault: Option<String>,
    base: String,
    next_page: Option<String>,
    first_page: Option<String>,
}

/// How far history is sealed.
struct Seal {
    /// What the newest checkpoint has, and when it was made; none before the first.
    signed: Option<(String, DisplayTime)>,
    /// Where all of it is taken away.
    export: String,
    /// Where it is not as it was sealed: the run's page, its id, and what is wrong.
    findings: Vec<(Option<(String, String)>, String)>,
}

impl Seal {
    fn new(state: SealState, base: &dyn Fn(&str) -> String, tenant: &TenantId, now: DateTime<Utc>) -> Self {
        let SealState { entries, runs, signed_at, findings } = state;
        let events = if entries == 1 { "entry" } else { "entries" };
        let what = format!("{} {events}, {}", words::number(entries), words::counted(runs, "run"));
        Self {
            signed: signed_at.map(|at| (what, DisplayTime::new(at, now))),
            export: base(&format!("/v1/tenants/{tenant}/export?administration=true")),
            findings: findings
                .into_iter()
                .map(|found| {
                    let run =
                        found.run_id.map(|run| (base(&format!("/t/{tenant}/runs/{run}")), run.to_string()));
                    let event =
                        found.revision.map_or_else(String::new, |revision| format!("event {revision}: "));
                    (run, format!("{event}{}", found.what))
                })
                .collect(),
        }
    }
}

/// Something that was done.
struct Row {
    revision: u64,
    position: u64,
    what: String,
    /// To what, in a line.
    text: String,
    /// All that it says.
    data: String,
    actor: String,
    /// What is known of the actor, in words.
    kind: &'static str,
    /// The list of this actor alone, where there is a name.
    of_actor: Option<Toggle>,
    request_id: Option<String>,
    at: DisplayTime,
}

/// `GET /t/{tenant}/administration`.
pub(super) async fn page(
    State(state): State<ApiState>,
    visit: Visit<AdminQuery>,
) -> Result<Response, Refusal> {
    let now = Utc::now();
    let Overseer(caller) = Overseer::of(visit.visitor.caller.clone())?;
    let mut read = visit.begin(&state).await?;
    let about = (Here::Administration, "Administration".to_owned());
    let frame = Frame::new(&state, &visit.visitor, &mut read, now, about).await?;
    let base = visit.visitor.outside.base.to(&format!("/t/{}/administration", caller.tenant));
    let links = Links::new(&base, &visit.pairs);
    let sealed = state.exports.state(&caller.tenant).await.map_err(Problem::from)?;
    let seal = Seal::new(sealed, &|path| visit.visitor.outside.base.to(path), &caller.tenant, now);
    let (rows, next_cursor, fault) = match &visit.query {
        Ok(query) => {
            let page = page_of_administration(&mut read, &caller.tenant, query).await?;
            let rows = page.events.into_iter().map(|event| Row::new(event, links, now)).collect();
            (rows, page.next_cursor, None)
        }
        Err(Problem { detail, .. }) => (Vec::new(), None, Some(detail.to_string())),
    };
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let value = |name: &str| links.value(name).unwrap_or_default().to_owned();
    let chosen = value("type");
    let types = AdminBody::TYPES.iter().map(|name| (*name, in_words(name), *name == chosen));
    let page = AdministrationPage {
        frame,
        seal,
        rows,
        types: types.collect(),
        actor: value("actor"),
        since: Time::new(value("since")),
        until: Time::new(value("until")),
        filtered: links.filters_but(&[]),
        fault,
        next_page: next_cursor.map(|cursor| links.with(&[], &[("cursor", &cursor)])),
        first_page: links.is_later_page().then(|| links.with(&[], &[])),
        base: base.clone(),
    };
    Ok((status, html(&page)?).into_response())
}

impl Row {
    fn new(event: AdminEventView, links: Links<'_>, now: DateTime<Utc>) -> Self {
        let Strict(data) = serde_json::from_str(event.data.get()).unwrap_or_default();
        Self {
            revision: event.revision,
            position: event.position,
            what: in_words(&event.event_type),
            text: said(&data),
            data: words::json(&data),
            of_actor: (!event.actor.is_empty()).then(|| links.toggled("actor", &event.actor)),
            actor: event.actor,
            kind: match event.actor_kind {
                ActorKind::Principal => "over HTTP",
                ActorKind::Os => "on the command line",
                ActorKind::Database => "in the database",
                ActorKind::System => "by itself",
                ActorKind::Unknown => "before it was written down",
            },
            request_id: event.request_id,
            at: DisplayTime::new(event.recorded_at, now),
        }
    }
}

/// What it was done to, in a line.
fn said(data: &Value) -> String {
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    let number = |name: &str| data.get(name).and_then(Value::as_u64);
    let mut parts: Vec<String> = Vec::new();
    if let (Some(role), Some(principal)) = (text("role"), text("principal")) {
        parts.push(format!("{role} for {principal}"));
    }
    if let Some(ends) = text("expires_at").and_then(|at| at.parse::<DateTime<Utc>>().ok()) {
        parts.push(format!("ends {}", ends.format("%-d %b %Y %H:%M:%S UTC")));
    }
    if let Some(changed) = data.get("changed").and_then(Value::as_array) {
        let names: Vec<&str> = changed.iter().filter_map(Value::as_str).collect();
        parts.push(format!("changed: {}", names.join(", ")));
    }
    match (text("name"), text("old_name")) {
        (Some(name), Some(old)) => parts.push(format!("{name}, before {old}")),
        (Some(name), None) => parts.push(name.to_owned()),
        _ => {}
    }
    if let (Some(form), Some(kind), Some(principal)) = (text("inlet_type"), text("kind"), text("principal")) {
        parts.push(format!("{form} of {kind} by {principal}"));
    } else if let Some(kind) = text("kind") {
        parts.push(if kind == "*" { "all other kinds".to_owned() } else { kind.to_owned() });
        parts.extend(number("queued_limit_seconds").map(|limit| format!("queued for {limit} s at most")));
        let fails = data.get("fail_stale").and_then(Value::as_bool) == Some(true);
        parts.push(if fails { "presumed failed when stalled" } else { "only shown when stalled" }.to_owned());
    }
    parts.extend(text("what").map(str::to_owned));
    parts.extend(number("events").map(|events| words::counted(events, "event")));
    parts.extend(text("key_id").map(|key| format!("key {key}")));
    parts.extend(number("epoch").map(|epoch| format!("epoch {epoch}")));
    parts.join(" · ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_done_is_said_in_a_line() {
        for (data, line) in [
            (json!({"token_id": "x", "role": "producer", "principal": "svc"}), "producer for svc"),
            (
                json!({"role": "owner", "principal": "ann", "expires_at": "2027-01-31T00:00:00Z",
                    "changed": ["role", "secret"]}),
                "owner for ann · ends 31 Jan 2027 00:00:00 UTC · changed: role, secret",
            ),
            (json!({"name": "Demo", "old_name": "Dmeo"}), "Demo, before Dmeo"),
            (
                json!({"kind": "*", "queued_limit_seconds": 60, "fail_stale": true}),
                "all other kinds · queued for 60 s at most · presumed failed when stalled",
            ),
            (
                json!({"inlet_id": "x", "inlet_type": "pings", "kind": "backup.nightly", "principal": "cron@db1"}),
                "pings of backup.nightly by cron@db1",
            ),
            (json!({"what": "all", "events": 1}), "all · 1 event"),
            (json!({}), ""),
        ] {
            assert_eq!(said(&data), line);
        }
    }
}
