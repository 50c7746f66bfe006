//! The form that filters the list of runs: what was asked for, and what of it is wrong.

use api::problem::Problem;
use chrono::{DateTime, Utc};

use super::links::Links;
use super::texts;

/// The parameters that have a field in the form.
const FIELDS: [&str; 8] = ["q", "kind", "initiator", "label", "since", "until", "ended_since", "ended_until"];

/// Those that are times.
const TIMES: [&str; 4] = ["since", "until", "ended_since", "ended_until"];

/// The filters as they were asked for.
#[derive(Default)]
pub(super) struct FilterForm {
    pub(super) q: String,
    pub(super) kind: String,
    pub(super) kinds: Vec<String>,
    pub(super) initiator: String,
    pub(super) labels: Vec<String>,
    pub(super) since: Time,
    pub(super) until: Time,
    pub(super) ended_since: Time,
    pub(super) ended_until: Time,
    /// What the form does not show, but keeps.
    pub(super) kept: Vec<(String, String)>,
    /// Whether it is shown open.
    pub(super) open: bool,
    /// What is wrong with one of them.
    pub(super) fault: Option<Fault>,
}

/// What is wrong with a parameter.
pub(super) struct Fault {
    /// Its name.
    name: String,
    /// Whether it has a field to say it at.
    has_field: bool,
    pub(super) text: String,
    /// The list without that parameter.
    pub(super) without: String,
}

/// A time as its field shows it.
#[derive(Default)]
pub(super) struct Time {
    pub(super) value: String,
    /// What a field for times would drop, so that it is shown in one for text.
    pub(super) is_text: bool,
}

impl FilterForm {
    pub(super) fn new(links: Links<'_>, kinds: Vec<String>, problem: Option<&Problem>) -> Self {
        let mut form = Self { kinds, ..Self::default() };
        for (name, value) in links.pairs() {
            let value = value.clone();
            match name.as_str() {
                "q" => form.q = value,
                "kind" => form.kind = value,
                "initiator" => form.initiator = value,
                "label" => form.labels.push(value),
                "since" => form.since = Time::new(value),
                "until" => form.until = Time::new(value),
                "ended_since" => form.ended_since = Time::new(value),
                "ended_until" => form.ended_until = Time::new(value),
                "cursor" | "newer" => {}
                _ => form.kept.push((name.clone(), value)),
            }
        }
        form.fault = problem.map(|problem| Fault::new(problem, links));
        // What is wrong and has no field can't be mended in the form, so it is not sent again.
        if let Some(fault) = form.fault.as_ref().filter(|fault| !fault.has_field) {
            form.kept.retain(|(name, _)| *name != fault.name);
        }
        // What is chosen stands above the list. The form is open where something is to be mended in it.
        form.open = form.fault.as_ref().is_some_and(|fault| fault.has_field && fault.name != "q");
        // Always one more to fill in.
        form.labels.push(String::new());
        form
    }

    /// What is wrong with that field.
    pub(super) fn wrong(&self, name: &str) -> Option<&str> {
        let fault = self.fault.as_ref().filter(|fault| fault.has_field && fault.name == name);
        fault.map(|fault| fault.text.as_str())
    }

    /// What is wrong and has no field.
    pub(super) fn elsewhere(&self) -> Option<&Fault> {
        self.fault.as_ref().filter(|fault| !fault.has_field)
    }
}

impl Fault {
    fn new(problem: &Problem, links: Links<'_>) -> Self {
        let first = problem.errors.first();
        let name = first.and_then(|error| error.pointer.strip_prefix('?')).unwrap_or_default();
        let has_field = FIELDS.contains(&name);
        // What is wrong with `newer` is told of `cursor`.
        let given = links.value(name).or_else(|| links.value("newer")).unwrap_or_default();
        let text = match first {
            // Nobody writes a field's value as a URL's.
            Some(_) if TIMES.contains(&name) && is_no_time(given) => texts::WRITE_A_TIME.to_owned(),
            Some(error) => texts::mend_filter(name, given).unwrap_or_else(|| {
                if has_field { error.detail.clone() } else { format!("{name}: {}", error.detail) }
            }),
            None => problem.detail.to_string(),
        };
        Self { without: links.with(&[name], &[]), name: name.to_owned(), has_field, text }
    }
}

fn is_no_time(value: &str) -> bool {
    DateTime::parse_from_rfc3339(value).is_err()
}

impl Time {
    /// As `datetime-local` has it (HTML standard, section 2.3.5.3), in UTC.
    pub(super) fn new(value: String) -> Self {
        match DateTime::parse_from_rfc3339(&value) {
            Ok(time) => {
                let format = if time.timestamp_subsec_micros() == 0 { "%FT%T" } else { "%FT%T%.3f" };
                Self { value: time.with_timezone(&Utc).format(format).to_string(), is_text: false }
            }
            Err(_) => Self { is_text: !value.is_empty(), value },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc_and_what_is_none_is_shown_as_it_is() {
        let of = |text: &str| {
            let time = Time::new(text.to_owned());
            (time.value, time.is_text)
        };
        assert_eq!(of("2026-11-24T10:00:00+02:00"), ("2026-11-24T08:00:00".to_owned(), false));
        assert_eq!(of("2026-11-24T10:00:00Z"), ("2026-11-24T10:00:00".to_owned(), false));
        assert_eq!(of("yesterday"), ("yesterday".to_owned(), true));
        assert_eq!(of(""), (String::new(), false));
    }
}
