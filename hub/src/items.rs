//! The items of a run on its page: how they stand, or how they stood.

use api::problem::Problem;
use chrono::{DateTime, Utc};
use domain::{Outcome, RunId, TenantId};
use reads::failures::{self, FailureGroup};
use reads::items::{ItemView, ItemsQuery, PastItems, page_of_items};
use reads::{Params, ReadError, TenantRead};

use super::links::Links;
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
    /// The revision that the rows show, where they are a later page of a run that has gone on since the first.
    pub(super) kept_at: Option<u64>,
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
    pub(super) revision: Option<String>,
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

impl Items {
    /// The items of the run that a page shows: as they are, or as they were.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn new(
        read: &mut TenantRead,
        (tenant, run, shown): (&TenantId, RunId, u64),
        query: Option<&ItemsQuery>,
        past: Option<&PastItems>,
        links: Links<'_>,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let page = match (query, past) {
            (Some(query), Some(past)) => Some(past.page(read, tenant, run, query).await),
            (Some(query), None) => Some(page_of_items(read, tenant, run, query).await),
            (None, _) => None,
        };
        let (page, fault) = match page.transpose().map_err(Problem::from) {
            Ok(page) => (page, None),
            // A cursor of another run, say: all the rest of the page can be shown.
            Err(problem) if is_about(&problem) => (None, Some(problem.detail.to_string())),
            Err(problem) => return Err(problem),
        };
        let kept_at = page.as_ref().map(|page| page.revision).filter(|revision| *revision < shown);
        let (rows, next_cursor) = page.map(|page| (page.items, page.next_cursor)).unwrap_or_default();
        let groups = match past {
            Some(past) => past.groups(),
            None => failures::groups(read.conn(), tenant, run).await?,
        };
        let form = Form::new(links);
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
            kept_at,
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
        let filtered = !(status.is_empty() && reason_code.is_empty() && item.is_empty());
        let revision = links.value("revision").map(str::to_owned);
        Self { status, reason_code, item, revision, filtered }
    }
}
