//! The events of a run, one line each.

use std::collections::HashMap;

use domain::json::Strict;
use domain::{Stamp, TenantId};
use reads::TenantRead;
use reads::directory::{KnownName, known};
use reads::events::EventView;
use reads::runs::RunView;
use serde_json::Value;

use super::words::{self, DisplayTime};

/// An event of a run.
pub(super) struct Entry {
    pub(super) revision: u64,
    pub(super) position: u64,
    pub(super) name: String,
    /// The class that gives it its colour.
    pub(super) class: &'static str,
    /// What it says, in a line.
    pub(super) text: String,
    pub(super) reason_code: Option<String>,
    pub(super) actor: String,
    pub(super) occurred: DisplayTime,
    pub(super) recorded: DisplayTime,
    /// The day on which it occurred, where that is another than the one of the entry above.
    pub(super) day: Option<String>,
    /// How long after the run was queued.
    pub(super) offset: String,
    /// The time that the producer gave can't be: the offset is by the ledger's clock.
    pub(super) skewed: bool,
    /// All that it says.
    pub(super) data: String,
    /// The run as it was after it.
    pub(super) href: String,
    /// What it changed, where there was a run before it.
    pub(super) changed: Option<String>,
    /// What has changed since.
    pub(super) since: String,
}

/// What the directory calls items, by their namespaces and ids.
pub(super) type Names = HashMap<(String, String), KnownName>;

/// What the directory calls the items of these events.
///
/// # Errors
/// The database's.
pub(super) async fn names(
    read: &mut TenantRead,
    tenant: &TenantId,
    events: &[EventView],
) -> Result<Names, sqlx::Error> {
    let about_items = events.iter().filter(|event| event.event_type.starts_with("Item"));
    let places = about_items.filter_map(|event| {
        let Strict(data) = serde_json::from_str(event.data.get()).unwrap_or_default();
        place(&data)
    });
    let (namespaces, ids): (Vec<String>, Vec<String>) = places.unzip();
    let [namespaces, ids] = [&namespaces, &ids].map(|texts| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        texts
    });
    known(read.conn(), tenant, (&namespaces, &ids)).await
}

/// In which namespace the item of an event is an id, and which.
fn place(data: &Value) -> Option<(String, String)> {
    let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
    text("namespace").zip(text("item"))
}

/// The events of a run, in their order.
pub(super) fn entries(events: Vec<EventView>, run: &RunView, run_href: &str, names: &Names) -> Vec<Entry> {
    let mut above = None;
    let entry = |event: EventView| {
        let day = event.occurred_at.date_naive();
        let entry = Entry::new(event, run, run_href, names);
        let changed = above.replace(day) != Some(day);
        Entry { day: changed.then(|| day.format("%-d %B %Y").to_string()), ..entry }
    };
    events.into_iter().map(entry).collect()
}

impl Entry {
    fn new(event: EventView, run: &RunView, run_href: &str, names: &Names) -> Self {
        let queued_at = run.queued_at;
        let stamp = Stamp { occurred_at: event.occurred_at, recorded_at: Some(event.recorded_at) };
        let skewed = stamp.is_contradicted(queued_at);
        let Strict(data) = serde_json::from_str(event.data.get()).unwrap_or_default();
        let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| data.get(name).and_then(Value::as_u64);
        let said = match event.event_type.as_str() {
            "Queued" => text("title").or_else(|| text("kind")),
            "Started" | "Resumed" => match (text("worker"), number("heartbeat_seconds")) {
                (Some(worker), Some(seconds)) => {
                    Some(format!("by {worker}, with a heartbeat every {seconds} s"))
                }
                (Some(worker), None) => Some(format!("by {worker}")),
                (None, Some(seconds)) => Some(format!("with a heartbeat every {seconds} s")),
                (None, None) => None,
            },
            "ItemSucceeded" | "ItemFailed" | "ItemSkipped" => {
                let named = place(&data).and_then(|place| {
                    let name = names.get(&place)?.name.as_ref()?;
                    Some(format!("{name} ({})", place.1))
                });
                let item = named.or_else(|| text("label")).or_else(|| text("item"));
                let parts = [item, text("message")];
                Some(parts.into_iter().flatten().collect::<Vec<_>>().join(": "))
            }
            "Progressed" => text("message")
                .or_else(|| number("items_total").map(|n| format!("{} in all", words::counted(n, "item")))),
            "Completed" => {
                let tally = data.get("tally").map(|tally| {
                    let of = |name: &str| words::number(tally.get(name).and_then(Value::as_u64).unwrap_or(0));
                    let (succeeded, failed, skipped) = (of("succeeded"), of("failed"), of("skipped"));
                    format!("{succeeded} succeeded, {failed} failed, {skipped} skipped")
                });
                Some([tally, text("message")].into_iter().flatten().collect::<Vec<_>>().join(": "))
            }
            _ => text("message"),
        };
        Self {
            revision: event.revision,
            position: event.position,
            class: match event.event_type.as_str() {
                "ItemFailed" | "Failed" | "Aborted" => "failed",
                "ItemSucceeded" => "succeeded",
                // It went through, and may have left failures behind.
                "Completed" if !run.status.is_active() => run.status.as_str(),
                _ => "plain",
            },
            name: in_words(&event.event_type),
            text: said.unwrap_or_default(),
            reason_code: text("reason_code"),
            actor: event.actor,
            occurred: DisplayTime::new(event.occurred_at, event.recorded_at),
            recorded: DisplayTime::new(event.recorded_at, event.recorded_at),
            day: None,
            offset: words::offset(if skewed { event.recorded_at } else { event.occurred_at } - queued_at),
            skewed,
            data: words::json(&data),
            href: format!("{run_href}?revision={}", event.revision),
            changed: event
                .revision
                .checked_sub(1)
                .map(|before| format!("{run_href}/difference?from={before}&to={}", event.revision)),
            since: format!("{run_href}/difference?from={}", event.revision),
        }
    }
}

/// `ItemFailed` is "Item failed".
pub(super) fn in_words(event_type: &str) -> String {
    let mut words = String::with_capacity(event_type.len() + 4);
    for (index, letter) in event_type.chars().enumerate() {
        if index > 0 && letter.is_uppercase() {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_words() {
        assert_eq!((in_words("Queued"), in_words("ItemFailed")), ("Queued".into(), "Item failed".into()));
    }
}
