//! The items of a run on its page: how they stand, or how they stood.

use api::problem::Problem;
use chrono::{DateTime, Utc};
use domain::{Outcome, TenantId};
use reads::failures::{self, FailureGroup};
use reads::items::{ItemView, ItemsQuery, PastItems, page_of_items};
use reads::runs::RunView;
use reads::{Params, ReadError, TenantRead};

use super::links::Links;
use super::texts;
use super::words::{self, DisplayTime};

/// The parameters that are about items.
const PARAMETERS: [&str; 5] = ["status", "reason_code", "item", "cursor", "limit"];

/// What is shown of the items.
pub(super) struct Items {
    pub(super) groups: Vec<Group>,
    pub(super) rows: Vec<Item>,
    pub(super) form: Form,
    pub(super) next: Option<String>,
    pub(super) first: Option<String>,
    /// All items, without filters.
    pub(super) all: String,
    /// What is wrong with the filters.
    pub(super) fault: Option<String>,
    /// How many of how many are shown.
    pub(super) extent: String,
    /// The revision that the rows show, where they are a later page of a run that has gone on since the first.
    pub(super) kept_at: Option<String>,
}

/// Failed items with one reason.
pub(super) struct Group {
    pub(super) reason_code: String,
    pub(super) items: String,
    /// Shows these items alone, or all again.
    pub(super) href: String,
    pub(super) chosen: bool,
}

/// An item.
pub(super) struct Item {
    pub(super) name: String,
    /// What people know it by, if anybody has said.
    pub(super) label: Option<String>,
    /// It is an id of a namespace that the directory does not know.
    pub(super) unknown: Option<String>,
    pub(super) class: &'static str,
    pub(super) outcome: &'static str,
    pub(super) reason_code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) occurred: DisplayTime,
    pub(super) revision: u64,
}

/// The filters, as they were asked for.
#[derive(Default)]
pub(super) struct Form {
    pub(super) status: String,
    pub(super) reason_code: String,
    pub(super) item: String,
    /// The moment at which they are shown, as it was asked for.
    pub(super) moment: Vec<(&'static str, String)>,
    pub(super) filtered: bool,
}

/// Takes the filters of the items out of the parameters. The page's form sends the chosen reason along with
/// whatever outcome is chosen next, and only failed items have one of that kind: then the outcome counts.
///
/// # Errors
/// [`ReadError::Invalid`] when one is wrong.
pub(super) fn from_params(params: &mut Params) -> Result<ItemsQuery, ReadError> {
    use reads::ReadQuery;

    let status = params.pairs().iter().find(|(name, _)| name == "status");
    if status.is_some_and(|(_, status)| status != Outcome::Failed.as_str()) {
        params.all("reason_code");
    }
    ItemsQuery::from_params(params)
}

/// Whether a problem is about the filters of the items.
pub(super) fn is_about(problem: &Problem) -> bool {
    problem.errors.iter().any(|error| PARAMETERS.iter().any(|name| error.pointer == format!("?{name}")))
}

/// What is wrong with the filters of the items, and what to do about it.
pub(super) fn fault(problem: &Problem, links: Links<'_>) -> String {
    let Some(error) = problem.errors.first() else { return problem.detail.to_string() };
    let name = error.pointer.trim_start_matches('?');
    let value = links.value(name).unwrap_or_default();
    texts::mend_item_filter(name, value).unwrap_or_else(|| format!("{name}: {}", error.detail))
}

impl Items {
    /// The items of the run that a page shows: as they are, or as they were.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn new(
        read: &mut TenantRead,
        (tenant, shown): (&TenantId, &RunView),
        query: Option<&ItemsQuery>,
        past: Option<&PastItems>,
        links: Links<'_>,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let run = shown.run_id;
        let page = match (query, past) {
            (Some(query), Some(past)) => Some(past.page(read, tenant, run, query).await),
            (Some(query), None) => Some(page_of_items(read, tenant, run, query).await),
            (None, _) => None,
        };
        let (page, fault) = match page.transpose().map_err(Problem::from) {
            Ok(page) => (page, None),
            // A cursor of another run, say: all the rest of the page can be shown.
            Err(problem) if is_about(&problem) => (None, Some(fault(&problem, links))),
            Err(problem) => return Err(problem),
        };
        let kept_at = page.as_ref().map(|page| page.revision).filter(|revision| *revision < shown.revision);
        let (rows, next_cursor) = page.map(|page| (page.items, page.next_cursor)).unwrap_or_default();
        let groups = match past {
            Some(past) => past.groups(),
            None => failures::groups(read.conn(), tenant, run).await?,
        };
        let form = Form::new(links);
        let more = next_cursor.is_some() || links.is_later_page();
        let extent = words::extent(rows.len(), form.in_all(shown), more, "item");
        let at_items = |href: String| format!("{href}#items");
        // The events of the timeline are another list.
        let kept = |more: &[(&str, &str)]| at_items(links.with(&["events_from"], more));
        Ok(Self {
            groups: groups.into_iter().map(|group| Group::new(group, &form, links)).collect(),
            rows: rows.into_iter().map(|item| Item::new(item, now)).collect(),
            form,
            next: next_cursor.map(|cursor| kept(&[("cursor", &cursor)])),
            first: links.is_later_page().then(|| kept(&[])),
            all: at_items(links.with(&["events_from", "status", "reason_code", "item"], &[])),
            fault,
            extent,
            kept_at: kept_at.map(words::number),
        })
    }
}

impl Group {
    fn new(group: FailureGroup, form: &Form, links: Links<'_>) -> Self {
        let code = group.reason_code.unwrap_or_default();
        let chosen = form.reason_code == code;
        let more = [("reason_code", code.as_str())];
        let href =
            links.with(&["events_from", "status", "reason_code"], if chosen { &[] } else { more.as_slice() });
        Self { items: words::number(group.items), href: format!("{href}#items"), chosen, reason_code: code }
    }
}

impl Item {
    fn new(item: ItemView, now: DateTime<Utc>) -> Self {
        let (label, unknown) = words::known_as(item.label, item.namespace, item.name);
        Self {
            name: item.item,
            label,
            unknown,
            class: item.status.as_str(),
            outcome: match item.status {
                Outcome::Failed => "Failed",
                Outcome::Skipped => "Skipped",
                Outcome::Succeeded => "Succeeded",
            },
            reason_code: item.reason_code,
            message: item.message,
            occurred: DisplayTime::new(item.occurred_at, now),
            revision: item.revision,
        }
    }
}

impl Form {
    fn new(links: Links<'_>) -> Self {
        let value = |name: &str| links.value(name).unwrap_or_default().to_owned();
        let (status, item) = (value("status"), value("item"));
        let of_failed = status.is_empty() || status == Outcome::Failed.as_str();
        let reason_code = if of_failed { value("reason_code") } else { String::new() };
        let moment = ["revision", "at"].into_iter();
        let moment = moment.filter_map(|name| Some((name, links.value(name)?.to_owned()))).collect();
        let filtered = !(status.is_empty() && reason_code.is_empty() && item.is_empty());
        Self { status, reason_code, item, moment, filtered }
    }

    /// How many items there are on all pages, where the run's counts say so: of tallied items some have no names.
    fn in_all(&self, run: &RunView) -> Option<u64> {
        let items = run.items;
        if items.tallied || !self.item.is_empty() || !self.reason_code.is_empty() {
            return None;
        }
        match (self.status.as_str(), Outcome::parse(&self.status)) {
            ("", _) => Some(items.succeeded + items.failed + items.skipped),
            (_, Some(Outcome::Succeeded)) => Some(items.succeeded),
            (_, Some(Outcome::Failed)) => Some(items.failed),
            (_, Some(Outcome::Skipped)) => Some(items.skipped),
            (_, None) => None,
        }
    }
}
