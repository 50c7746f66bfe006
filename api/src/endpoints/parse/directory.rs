//! The body of `POST .../directory`.

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use commands::{Changes, NewName};
use domain::json::StrictMap;
use domain::key::IdempotencySecret;
use domain::{CLOCKS_APART, ItemName, Namespace};
use reads::forms;
use redaction::CleanText;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::compare;
use super::event::moment;
use crate::body::{from_value, parse};
use crate::problem::Problem;
use crate::problem_code::ProblemCode;

/// How many names one request may give.
const MAX_ENTRIES: usize = 1_000;

/// What `POST .../directory` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectoryBody {
    /// 1 to 1,000 names.
    #[schema(value_type = Vec<EntryBody>, min_items = 1, max_items = 1000)]
    entries: Vec<Box<RawValue>>,
}

/// What an id is called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryBody {
    /// Within which the id stands for one thing.
    #[schema(value_type = forms::Namespace)]
    namespace: Namespace,
    /// Which thing: as items and labels name it.
    #[schema(value_type = forms::ItemName)]
    id: String,
    /// What people call it; null takes back what was said before: the id is shown as not known.
    #[schema(value_type = Option<forms::Message>, required)]
    #[serde(deserialize_with = "given")]
    name: Option<String>,
    /// When it was called so. Of all that is said of an id, the newest counts.
    #[schema(value_type = DateTime<Utc>)]
    as_of: Value,
}

impl DirectoryBody {
    /// The names and what of them is kept otherwise than it was sent. The ledger's secret tells ids apart that lose
    /// something, as it does for items.
    ///
    /// # Errors
    /// 422 that names what is wrong with each entry, 413 where there are too many, 400 where one is no JSON.
    pub fn read(
        self,
        secret: &IdempotencySecret,
        now: DateTime<Utc>,
    ) -> Result<(Vec<NewName>, Changes), Problem> {
        let count = self.entries.len();
        if count == 0 {
            return Err(Problem::invalid("/entries", "at least one entry is needed"));
        }
        if count > MAX_ENTRIES {
            let detail =
                format!("{count} entries are too many for one request: send at most {MAX_ENTRIES} at once.");
            return Err(Problem::new(ProblemCode::TooManyEvents, detail).with("max_entries", MAX_ENTRIES));
        }
        let mut changes = Changes::default();
        let (mut names, mut wrong) = (Vec::with_capacity(count), Vec::new());
        for (index, sent) in self.entries.iter().enumerate() {
            match entry(sent.get(), &format!("/entries/{index}"), (secret, now), &mut changes) {
                Ok(name) => names.push(name),
                Err(problem) => wrong.push(problem),
            }
        }
        match Problem::of_all(wrong) {
            Some(problem) => Err(problem),
            None => Ok((names, changes)),
        }
    }
}

/// A member that may be null, and may not be missing: whoever forgets a name takes none back.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

fn entry(
    sent: &str,
    at: &str,
    (secret, now): (&IdempotencySecret, DateTime<Utc>),
    changes: &mut Changes,
) -> Result<NewName, Problem> {
    let StrictMap(fields) = parse(sent.as_bytes(), at)?;
    let EntryBody { namespace, id: sent_id, name: sent_name, as_of } =
        from_value(&Value::Object(fields), at)?;
    let unseen =
        |member| Problem::invalid(format!("{at}/{member}"), "it must hold at least one printable character");
    let id = ItemName::try_from(secret.item_name(&sent_id).into_string()).map_err(|_| unseen("id"))?;
    let name = sent_name.as_deref().map(CleanText::new);
    if name.as_ref().is_some_and(CleanText::is_empty) {
        return Err(unseen("name"));
    }
    let place = format!("{at}/as_of");
    let Some(as_of) = moment(&as_of, place.clone())? else {
        return Err(Problem::invalid(place, "it must say since when: the newest name counts"));
    };
    if as_of.year() < 2000 || as_of > now + CLOCKS_APART {
        let detail = "it must lie after 1999 and at most a day ahead of the ledger's clock: until then no other name \
                      could take its place";
        return Err(Problem::invalid(place, detail));
    }
    compare(changes, at, &json!({"id": sent_id, "name": sent_name}), &json!({"id": id, "name": name}))?;
    // As exact as the database keeps it.
    Ok(NewName { namespace, id, name, as_of: as_of.trunc_subsecs(6) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(entries: &Value) -> Problem {
        let body: DirectoryBody = serde_json::from_str(&json!({ "entries": entries }).to_string()).unwrap();
        body.read(&[7; 32].into(), "2026-01-31T08:15:00Z".parse().unwrap()).unwrap_err()
    }

    #[test]
    fn a_bad_entry_is_named_by_its_field() {
        let good =
            json!({"namespace": "policies", "id": "1", "name": "Nightly", "as_of": "2026-01-31T08:00:00Z"});
        for (member, value, says) in [
            ("namespace", json!("Policies"), "a-z"),
            ("namespace", json!("back-up"), "a-z"),
            ("namespace", json!(""), "a-z"),
            ("namespace", json!(7), "string"),
            ("id", json!(7), "string"),
            ("id", json!(" \u{200b}"), "printable"),
            ("name", json!(""), "printable"),
            ("name", json!(7), "string"),
            ("as_of", json!("soon"), "RFC 3339"),
            ("as_of", json!(null), "since when"),
            ("as_of", json!(7), "invalid type"),
            ("as_of", json!("1999-12-31T23:59:59Z"), "after 1999"),
            ("as_of", json!("2026-02-01T08:15:01Z"), "ahead"),
            ("more", json!(1), "unknown field"),
        ] {
            let mut bad = good.clone();
            bad[member] = value.clone();
            let problem = refused(&json!([good, bad]));
            assert_eq!(problem.status, 422, "{member} {value}");
            assert_eq!(problem.errors[0].pointer, format!("/entries/1/{member}"), "{value}");
            assert!(
                problem.errors[0].detail.contains(says),
                "{member} {value}: {}",
                problem.errors[0].detail
            );
        }
        for member in ["namespace", "id", "name", "as_of"] {
            let mut bad = good.clone();
            bad.as_object_mut().unwrap().remove(member);
            let problem = refused(&json!([bad]));
            assert_eq!(problem.errors[0].pointer, format!("/entries/0/{member}"));
            assert!(problem.errors[0].detail.contains("missing"), "{}", problem.errors[0].detail);
        }
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        let problem = refused(&json!([7, [], {}]));
        let places: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(places, ["/entries/0", "/entries/1", "/entries/2/namespace"]);
        assert_eq!(refused(&json!([])).errors[0].pointer, "/entries");
        let problem = refused(&vec![json!({}); 1_001].into());
        assert_eq!((problem.status, problem.code), (413, ProblemCode::TooManyEvents));
    }
}
