//! The query parameters of the list of runs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::key::IdempotencyKey;
use domain::{Kind, PrincipalId, ReferencePart, RunId, Status};
use redaction::CleanText;
use uuid::Uuid;

use super::order::{By, Order, RunKey, asked_order};
use super::search::Search;
use super::usual::LateSince;
use crate::cursor::{self, Fingerprint};
use crate::error::ReadError;
use crate::params::{Form, Params, ReadQuery, must_lie_between, parse_enum, wrong};
use crate::pool::Plans;

/// Which runs. What is not given does not filter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Any of these; sorted, each once.
    pub status: Vec<&'static str>,
    pub kind: Option<String>,
    pub initiator: Option<String>,
    /// Named by a reference with that id, and with that source where one is given.
    pub reference: Option<(String, Option<String>)>,
    /// That did the work of this key.
    pub idempotency_key: Option<String>,
    /// That are parts of this run.
    pub parent: Option<Uuid>,
    /// All of these.
    pub labels: BTreeMap<String, String>,
    /// The ids that the directory calls as those labels say, by the labels' names: a run that has one of them will do as
    /// well. Known only when the database is asked.
    pub label_ids: BTreeMap<String, Vec<String>>,
    /// Queued then or later.
    pub since: Option<DateTime<Utc>>,
    /// Queued before.
    pub until: Option<DateTime<Utc>>,
    /// Ended then or later.
    pub ended_since: Option<DateTime<Utc>>,
    /// Ended before.
    pub ended_until: Option<DateTime<Utc>>,
    pub search: Option<Search>,
    /// Only those that are stalled.
    pub stalled: bool,
    /// Only those that the projection has quarantined.
    pub quarantined: bool,
    /// Only those that are late.
    pub late: bool,
    /// Since when runs are late, by kind. Known only when the database is asked.
    pub late_since: LateSince,
}

/// A page of runs.
#[derive(Debug)]
pub struct ListQuery {
    /// Which runs.
    pub filter: Filter,
    /// By which time.
    pub by: By,
    /// In which order.
    pub order: Order,
    /// The form of the answer.
    pub form: Form,
    /// How many at most.
    pub limit: u64,
    /// The run that the page begins behind.
    pub after: Option<RunKey>,
    /// The page ends before `after`, instead of beginning behind it.
    pub backwards: bool,
    pub(crate) list: Fingerprint,
}

impl ReadQuery for ListQuery {
    const ALLOWED: &'static [&'static str] = &[
        "status",
        "kind",
        "initiator",
        "ref",
        "ref_source",
        "idempotency_key",
        "parent",
        "label",
        "since",
        "until",
        "ended_since",
        "ended_until",
        "q",
        "liveness",
        "held",
        "late",
        "sort",
        "format",
        "cursor",
        "limit",
    ];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let filter = Filter {
            status: statuses(params)?,
            kind: params.parsed::<Kind>("kind")?.map(String::from),
            initiator: params.parsed::<PrincipalId>("initiator")?.map(String::from),
            reference: reference(params)?,
            idempotency_key: idempotency_key(params)?,
            parent: params.parsed::<RunId>("parent")?.map(Uuid::from),
            labels: labels(params)?,
            label_ids: BTreeMap::new(),
            since: params.time("since")?,
            until: params.time("until")?,
            ended_since: params.time("ended_since")?,
            ended_until: params.time("ended_until")?,
            search: params.one("q")?.map(|text| Search::parse(&text)).transpose()?,
            stalled: params
                .parse_enum("liveness", "stalled", |text| (text == "stalled").then_some(()))?
                .is_some(),
            quarantined: params.parse_enum("held", "true", |text| (text == "true").then_some(()))?.is_some(),
            late: params.parse_enum("late", "true", |text| (text == "true").then_some(()))?.is_some(),
            late_since: LateSince::new(),
        };
        if filter.quarantined && filter.stalled {
            return Err(wrong("held", "can't be asked together with liveness: ask for one after the other"));
        }
        if filter.late && (filter.stalled || filter.quarantined) {
            let detail = "can't be asked together with liveness or held: ask for one after the other";
            return Err(wrong("late", detail));
        }
        must_lie_between(("since", filter.since), ("until", filter.until))?;
        must_lie_between(("ended_since", filter.ended_since), ("ended_until", filter.ended_until))?;
        let ended = filter.ended_since.is_some() || filter.ended_until.is_some();
        let (by, order) = asked_order(params, ended)?;
        if by == By::Ended && (filter.stalled || filter.late) {
            return Err(wrong(
                if filter.late { "late" } else { "liveness" },
                "finds runs that have not ended, and this list has those that have",
            ));
        }
        let (form, limit) = params.form_and_limit()?;
        let list = Fingerprint::of("runs", &(&filter, by, order));
        let after: Option<RunKey> = cursor::take(params, &list)?;
        if after.is_some_and(|key| key.time().is_none()) {
            return Err(wrong("cursor", "names no moment: use next_cursor of a page, or begin without"));
        }
        Ok(Self { filter, by, order, form, limit, after, backwards: false, list })
    }

    fn plans(&self) -> Plans {
        self.filter.plans(self.by)
    }
}

impl Filter {
    /// How its statements are planned. Where no more is asked than one of the indexes on a column and the order knows,
    /// no value makes another plan better.
    pub(super) fn plans(&self, by: By) -> Plans {
        let Self { status, kind, initiator, labels, search, stalled, quarantined, late, .. } = self;
        let others = [kind, initiator, &self.idempotency_key].into_iter().flatten().count();
        let columns = status.len() + others + usize::from(self.parent.is_some());
        let most = match by {
            By::Queued => 1,
            By::Ended => 0,
        };
        let queued = self.since.is_some() || self.until.is_some();
        let flagged = *stalled || *quarantined || *late;
        let more = flagged || search.is_some() || !labels.is_empty() || self.reference.is_some();
        if columns > most || more || by == By::Ended && queued { Plans::ForValues } else { Plans::Kept }
    }
}

impl ListQuery {
    /// Asks for the page before a cursor, for a way back through the list.
    ///
    /// # Errors
    /// [`ReadError::Invalid`] when it is no cursor of this list.
    pub fn end_before(&mut self, cursor: &str) -> Result<(), ReadError> {
        let key: RunKey = cursor::decode(&self.list, cursor)?;
        if key.time().is_none() {
            return Err(wrong("cursor", "names no moment: use the cursor of a page, or begin without"));
        }
        self.after = Some(key);
        self.backwards = true;
        Ok(())
    }

    /// The order in which rows are read: against that of the list where the page lies before a key.
    pub(super) fn reading_order(&self) -> Order {
        match (self.order, self.backwards) {
            (Order::NewestFirst, false) | (Order::OldestFirst, true) => Order::NewestFirst,
            (Order::OldestFirst, false) | (Order::NewestFirst, true) => Order::OldestFirst,
        }
    }
}

fn statuses(params: &mut Params) -> Result<Vec<&'static str>, ReadError> {
    let allowed = Status::ALL.map(Status::as_str).join(", ");
    let read = |text: String| parse_enum("status", &text, &allowed, Status::parse).map(Status::as_str);
    let mut statuses = params.all("status").into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    statuses.sort_unstable();
    statuses.dedup();
    Ok(statuses)
}

fn reference(params: &mut Params) -> Result<Option<(String, Option<String>)>, ReadError> {
    let id = params.parsed::<ReferencePart>("ref")?.map(String::from);
    let source = params.parsed::<ReferencePart>("ref_source")?.map(String::from);
    match (id, source) {
        (None, Some(_)) => Err(wrong("ref_source", "says whose reference it is: give ref, its id, as well")),
        (id, source) => Ok(id.map(|id| (id, source))),
    }
}

fn idempotency_key(params: &mut Params) -> Result<Option<String>, ReadError> {
    let Some(text) = params.one("idempotency_key")? else { return Ok(None) };
    match text.parse::<IdempotencyKey>() {
        Ok(key) => Ok(Some(key.to_string())),
        Err(error) => {
            let detail = format!(
                "{error}, as a run's idempotency_key shows it; what was sent in the header Idempotency-Key is found \
                 by ref"
            );
            Err(wrong("idempotency_key", detail))
        }
    }
}

fn labels(params: &mut Params) -> Result<BTreeMap<String, String>, ReadError> {
    let mut labels = BTreeMap::new();
    for text in params.all("label") {
        let Some((name, value)) = text.split_once(':').filter(|(name, _)| !name.is_empty()) else {
            return Err(wrong("label", format!("{text:?} is not a label: write NAME:VALUE")));
        };
        // The same door as the labels of runs, so that what was sent is what finds it.
        let value = CleanText::new(value).into_string();
        match labels.insert(name.to_owned(), value.clone()) {
            Some(other) if other != value => {
                return Err(wrong(
                    "label",
                    format!("{name} is given with two values; a run has one at most"),
                ));
            }
            _ => {}
        }
    }
    Ok(labels)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<ListQuery, ReadError> {
        let mut params = Params::of(Some(query)).unwrap();
        let list = ListQuery::from_params(&mut params)?;
        params.end(ListQuery::ALLOWED)?;
        Ok(list)
    }

    #[test]
    fn nothing_given_means_all_newest_first() {
        let list = read("").unwrap();
        assert_eq!((list.filter, list.order, list.limit), (Filter::default(), Order::NewestFirst, 50));
    }

    #[test]
    fn everything_given_is_read() {
        let list = read(
            "status=running&status=failed&status=running&kind=a.b&initiator=ann&label=env:prod&label=url:a:b\
             &since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00%2B01:00&q=Drift&liveness=stalled&sort=queued_at&limit=200",
        )
        .unwrap();
        let filter = list.filter;
        assert_eq!(filter.status, ["failed", "running"]);
        assert_eq!((filter.kind.as_deref(), filter.initiator.as_deref()), (Some("a.b"), Some("ann")));
        assert_eq!((filter.labels["env"].as_str(), filter.labels["url"].as_str()), ("prod", "a:b"));
        assert!(filter.since < filter.until && filter.search.is_some() && filter.stalled);
        assert_eq!((list.order, list.limit), (Order::OldestFirst, 200));
        let key = "0a".repeat(32);
        let run = "0190f000-0000-7000-8000-000000000000";
        let list = read(&format!("ref=n%207&ref_source=urn:ci&idempotency_key={key}&parent={run}")).unwrap();
        assert_eq!(list.filter.reference, Some(("n 7".to_owned(), Some("urn:ci".to_owned()))));
        assert_eq!(list.filter.idempotency_key, Some(key));
        assert_eq!(list.filter.parent.map(|run| run.to_string()).as_deref(), Some(run));
        assert_eq!(read("ref=7").unwrap().filter.reference, Some(("7".to_owned(), None)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, parameter) in [
            ("status=done", "status"),
            ("status=running,failed", "status"),
            ("kind=Not%20A%20Kind", "kind"),
            ("kind=a&kind=b", "kind"),
            ("initiator=", "initiator"),
            ("ref=", "ref"),
            ("ref_source=ci", "ref_source"),
            ("ref=a&ref=b", "ref"),
            ("idempotency_key=abc", "idempotency_key"),
            ("parent=abc", "parent"),
            ("parent=0190f000-0000-4000-8000-000000000000", "parent"),
            ("label=env", "label"),
            ("label=:x", "label"),
            ("label=env:a&label=env:b", "label"),
            ("since=now", "since"),
            ("until=2026", "until"),
            ("q=", "q"),
            ("liveness=alive", "liveness"),
            ("held=yes", "held"),
            ("held=true&liveness=stalled", "held"),
            ("late=yes", "late"),
            ("late=true&liveness=stalled", "late"),
            ("late=true&held=true", "late"),
            ("late=true&sort=-ended_at", "late"),
            ("sort=title", "sort"),
            ("ended_since=now", "ended_since"),
            ("ended_since=2026-01-02T00:00:00Z&ended_until=2026-01-01T00:00:00Z", "ended_until"),
            ("ended_until=2026-01-01T00:00:00Z&sort=queued_at", "sort"),
            ("sort=-ended_at&liveness=stalled", "liveness"),
            ("format=xml", "format"),
            ("format=csv&limit=10001", "limit"),
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("cursor=abc", "cursor"),
            ("page=2", "page"),
        ] {
            let error = read(query).unwrap_err();
            assert_eq!(error.as_invalid().unwrap().0, parameter, "{query}");
        }
    }

    #[test]
    fn a_cursor_holds_for_the_same_filters_in_any_order_and_any_page_length() {
        let first = read("status=failed&status=queued&kind=a").unwrap();
        let key = RunKey::new(DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(), Uuid::max());
        let cursor = cursor::encode(&first.list, key).unwrap();
        let same = read(&format!("kind=a&limit=3&cursor={cursor}&status=queued&status=failed")).unwrap();
        assert_eq!(same.after, Some(key));
        for other in [
            "kind=a",
            "status=failed&status=queued&kind=b",
            "status=failed&status=queued&kind=a&sort=queued_at",
            "status=failed&status=queued&kind=a&liveness=stalled",
            "status=failed&status=queued&kind=a&held=true",
            "status=failed&status=queued&kind=a&late=true",
        ] {
            assert!(read(&format!("{other}&cursor={cursor}")).is_err(), "{other}");
        }
        let never = RunKey::of_micros(i64::MAX, Uuid::max());
        let never = cursor::encode(&read("").unwrap().list, never).unwrap();
        assert_eq!(read(&format!("cursor={never}")).unwrap_err().as_invalid().unwrap().0, "cursor");
    }
}
