//! What pages say, in one table: every sentence that more than one place says, and all that the script says. Words of
//! one place only are in its template. In names and ids of what people run, the glossary's terms (`docs/glossary.md`).

use std::fmt::Write;

// Lists without rows.
pub(super) const NO_RUNS_YET: &str = "No runs yet. As soon as a producer starts one, it is listed here.";
pub(super) const NO_MATCHING_RUNS: &str = "No matching runs.";
pub(super) const NO_MORE_RUNS: &str = "There are no more runs.";
pub(super) const INITIATORS_BY_ID: &str = "Initiators are found by their whole id, not by their name.";
pub(super) const NO_ITEMS_YET: &str = "No items yet.";
pub(super) const NO_ITEMS_THEN: &str = "No items had been reported by then.";
pub(super) const NO_MATCHING_ITEMS: &str = "No matching items.";
pub(super) const NO_MORE_ITEMS: &str = "There are no more items.";
pub(super) const NO_NAMED_ITEMS: &str = "This run reported how many items it had, not which ones.";
pub(super) const NO_NOTIFICATIONS_YET: &str =
    "No notifications yet. You are notified here when a run you started is queued, and when it ends.";
pub(super) const ALL_CAUGHT_UP: &str = "All caught up.";
pub(super) const NO_MORE_NOTIFICATIONS: &str = "There are no more notifications.";
pub(super) const NO_ACTIONS_YET: &str = "Nothing has been changed yet.";
pub(super) const NO_MATCHING_ACTIONS: &str = "No matching changes.";
pub(super) const NO_MORE_ACTIONS: &str = "There are no more changes.";
pub(super) const NO_CHANGED_ITEMS: &str = "No item’s outcome changed between these two moments.";

// Filters.
pub(super) const REMOVE_FILTER: &str = "Remove this filter";
pub(super) const CLEAR_FILTERS: &str = "Clear all filters";
pub(super) const SHOW_ALL_RUNS: &str = "Show all runs";

// How a run stands.
pub(super) const STALLED: &str = "Stalled";
pub(super) const HELD: &str = "Held";
pub(super) const LATE: &str = "Late";
pub(super) const OUT_OF_DATE: &str = "Out of date: an event could not be applied";

// Moments of a run.
pub(super) const WRITE_A_MOMENT: &str = "Write an event’s number, or a time (UTC) such as 2026-01-31 08:15.";
pub(super) const ONE_MOMENT: &str = "Give an event or a time, not both: one says it all.";
pub(super) const BEFORE_THE_RUN: &str =
    "The ledger did not know the run yet at that time. Choose a later one.";
pub(super) const BACK_TO_NOW: &str = "Back to now";
pub(super) const SINCE_THEN: &str = "What has changed since";

// Times in filters.
pub(super) const WRITE_A_TIME: &str = "Write a time (UTC) such as 2026-01-31 08:15.";

/// What the script says, by the names that it has for it. `{}` is where it puts what it knows.
const SCRIPT: [(&str, &str); 17] = [
    ("live", "Live"),
    ("paused", "Paused"),
    ("dead", "Not connected"),
    ("liveLong", "Live. Times are UTC."),
    ("pausedLong", "Paused. Times are UTC."),
    ("deadLong", "Not connected. Times are UTC."),
    ("lost", "Connection lost. This page shows what was known at {}; it reconnects by itself."),
    ("offline", "You are offline. This page shows what was known at {}; it reconnects by itself."),
    ("ended", "Your session has ended."),
    ("signIn", "Sign in again"),
    ("pause", "Pause updates"),
    ("resume", "Resume updates"),
    ("waitsOne", "(1 event waiting)"),
    ("waits", "({} events waiting)"),
    ("loading", "Loading …"),
    ("loadingEvent", "event {}, loading"),
    ("filtered", "Runs, filtered"),
];

/// The table of the script, as a module of it.
pub(super) fn script() -> String {
    let mut module = String::from("// Made from hub/src/texts.rs.\nexport default {\n");
    for (name, text) in SCRIPT {
        // Writing to a String does not fail. JSON is JavaScript (ECMA-262, since 2019).
        let _ = writeln!(module, "  {name}: {},", serde_json::Value::from(text));
    }
    module.push_str("};\n");
    module
}

/// What to do about a filter of runs that is wrong, where that is more than what was expected.
pub(super) fn mend_filter(name: &str, value: &str) -> Option<String> {
    Some(match name {
        "kind" => "Kinds are names like backup.nightly: choose one from the list.".to_owned(),
        "label" if !value.contains(':') => "Write a label as name:value, such as env:prod.".to_owned(),
        "status" => format!("There is no status “{value}”. Choose one above the list."),
        "liveness" | "held" | "late" => {
            "Choose “Stalled”, “Late” or “Held” above the list instead.".to_owned()
        }
        "parent" => "That is not the id of a run: copy it from the run’s page.".to_owned(),
        "cursor" | "newer" => {
            "This page of the list can’t be found. Start again from the newest runs.".to_owned()
        }
        _ => return None,
    })
}

/// What to do about a filter of items that is wrong.
pub(super) fn mend_item_filter(name: &str, value: &str) -> Option<String> {
    match name {
        "status" => Some(format!("There is no outcome “{value}”. Choose one from the list.")),
        "reason_code" => {
            Some("Reason codes are names like permission_denied: choose one above the list.".to_owned())
        }
        _ => None,
    }
}

/// A run has not come so far.
pub(super) fn no_such_event(wanted: &str, last: &str) -> String {
    format!("The run has no event {wanted} yet: its last is {last}.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_what_to_do() {
        assert_eq!(
            mend_filter("status", "done").unwrap(),
            "There is no status “done”. Choose one above the list."
        );
        assert!(mend_filter("label", "env").unwrap().contains("name:value"));
        // There is more to say than that it has no colon.
        assert_eq!((mend_filter("label", "Env:prod"), mend_filter("limit", "0")), (None, None));
        assert!(mend_item_filter("status", "x").is_some() && mend_item_filter("limit", "0").is_none());
    }

    #[test]
    fn the_script_has_its_texts() {
        let module = script();
        assert!(module.starts_with("// Made from") && module.contains("\n  live: \"Live\",\n"), "{module}");
        assert_eq!(module.lines().count(), SCRIPT.len() + 3);
    }
}
