//! How a run stood at both moments, side by side.

use chrono::{DateTime, Utc};
use reads::runs::RunView;

use crate::summary::{Badge, Progress};
use crate::words::{self, DisplayTime};

/// One thing that is known of a run, at both moments.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) from: Value,
    pub(super) to: Value,
    /// Whether it is another one then.
    pub(super) changed: bool,
    /// By how much it has grown or shrunk.
    pub(super) delta: Option<String>,
}

/// What is told only where it has changed: its name, how it is shown, and what it was at both moments.
type Other = (&'static str, fn(String) -> Value, Option<String>, Option<String>);

/// What it was.
pub(super) enum Value {
    Status(Badge),
    Progress(Progress),
    Text(String),
    Code(String),
    Nothing,
}

/// Status and items always; of the rest what has changed.
pub(super) fn facts(from: &RunView, to: &RunView) -> Vec<Fact> {
    let state = |run: &RunView| (run.status, run.ended_as, run.presumed, run.superseded);
    let mut facts = vec![
        Fact {
            name: "Status",
            from: Value::Status(Badge::of(from)),
            to: Value::Status(Badge::of(to)),
            changed: state(from) != state(to),
            delta: None,
        },
        Fact {
            name: "Progress",
            from: Value::Progress(Progress::of(from.items, from.status)),
            to: Value::Progress(Progress::of(to.items, to.status)),
            changed: from.items != to.items,
            delta: None,
        },
        count("Succeeded", from.items.succeeded, to.items.succeeded),
        count("Failed", from.items.failed, to.items.failed),
        count("Skipped", from.items.skipped, to.items.skipped),
    ];
    let total = |run: &RunView| run.items.total.map(words::number);
    let others: [Other; 10] = [
        ("Items expected", Value::Text, total(from), total(to)),
        ("Reason", Value::Code, from.reason_code.clone(), to.reason_code.clone()),
        ("Message", Value::Text, from.message.clone(), to.message.clone()),
        ("Progress message", Value::Text, from.progress_message.clone(), to.progress_message.clone()),
        ("Worker", Value::Text, from.worker.clone(), to.worker.clone()),
        ("Started", Value::Text, time(from.started_at), time(to.started_at)),
        ("Started by", Value::Text, from.started_by.clone(), to.started_by.clone()),
        ("Ended", Value::Text, time(from.ended_at), time(to.ended_at)),
        ("Ended by", Value::Text, from.ended_by.clone(), to.ended_by.clone()),
        ("Heartbeat every", Value::Text, seconds(from), seconds(to)),
    ];
    let changed = others.into_iter().filter(|(_, _, from, to)| from != to);
    facts.extend(changed.map(|(name, value, from, to)| Fact {
        name,
        from: from.map_or(Value::Nothing, value),
        to: to.map_or(Value::Nothing, value),
        changed: true,
        delta: None,
    }));
    facts
}

fn count(name: &'static str, from: u64, to: u64) -> Fact {
    let delta = match (to.checked_sub(from), from.checked_sub(to)) {
        (Some(more @ 1..), _) => Some(format!("+{}", words::number(more))),
        (_, Some(fewer @ 1..)) => Some(format!("−{}", words::number(fewer))),
        _ => None,
    };
    let value = |n| Value::Text(words::number(n));
    Fact { name, from: value(from), to: value(to), changed: from != to, delta }
}

fn time(at: Option<DateTime<Utc>>) -> Option<String> {
    at.map(|at| DisplayTime::new(at, at).full)
}

fn seconds(run: &RunView) -> Option<String> {
    run.heartbeat_seconds.map(|seconds| format!("{seconds} s"))
}
