//! `GET /v1/tenants/{tenant}/runs/{run}/difference`: what became of a run between two points of its life.

use domain::{Outcome, RunId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::base_path::BasePath;
use crate::cursor::{self, Fingerprint};
use crate::directory::name_items;
use crate::error::ReadError;
use crate::forms;
use crate::items::OutcomeView;
use crate::page::{LONGEST_PAGE, USUAL_PAGE, cut};
use crate::params::{Params, ReadQuery, wrong};
use crate::pool::TenantRead;
use crate::runs::{AsOf, RunView, one_run, past_run, revision_as_of, revision_of};

/// Two points of a run's life, and a page of the items that differ.
#[derive(Debug)]
pub struct DifferenceQuery {
    from: AsOf,
    /// None for today.
    to: Option<AsOf>,
    /// Only items that have come to this.
    status: Option<Outcome>,
    limit: u64,
    after: Option<ChangeKey>,
    list: Fingerprint,
}

/// Where a page ended, and between which revisions of which run all pages are.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ChangeKey {
    run: Uuid,
    from: u64,
    to: u64,
    item: String,
}

/// What became of a run between two points of its life.
#[derive(Debug, Serialize, ToSchema)]
pub struct Difference {
    /// The run as it was first, without its context.
    pub from: RunView,
    /// The run as it was then, without its context.
    pub to: RunView,
    /// How many items' outcome or reason is another, by what they have come to, whatever `status` asks for.
    pub changed: ChangeCounts,
    /// The items whose outcome or reason is another, in the order of their names.
    pub items: Vec<ItemChange>,
    /// For the next page of items; null on the last.
    pub next_cursor: Option<String>,
    /// The position that the page reflects.
    #[schema(value_type = forms::Position)]
    pub position: u64,
}

/// How many items have come to something else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeCounts {
    /// They are failed then.
    pub failed: u64,
    /// They are skipped then.
    pub skipped: u64,
    /// They are succeeded then.
    pub succeeded: u64,
}

/// An item that has come to something else.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemChange {
    /// Which item.
    #[schema(value_type = forms::ShownText)]
    pub item: String,
    /// The name people know it by.
    #[schema(value_type = Option<forms::ShownText>)]
    pub label: Option<String>,
    /// In which namespace of the tenant's directory the item is an id; null where its events say none.
    #[schema(value_type = Option<forms::Namespace>)]
    pub namespace: Option<String>,
    /// What the directory calls it today; null where that is not known, or there is no namespace.
    #[schema(value_type = Option<forms::ShownText>)]
    pub name: Option<String>,
    /// What it had come to first; null where nothing was known of it.
    pub from: Option<OutcomeView>,
    /// What it had come to then.
    pub to: OutcomeView,
}

impl ReadQuery for DifferenceQuery {
    const ALLOWED: &'static [&'static str] = &["from", "to", "status", "cursor", "limit"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let needed = || wrong("from", "is needed: a revision, or a moment (RFC 3339)");
        let from = AsOf::take(params, "from")?.ok_or_else(needed)?;
        let to = AsOf::take(params, "to")?;
        let status = params.parse_enum("status", "failed, skipped, succeeded", Outcome::parse)?;
        let limit = params.number("limit", 1, LONGEST_PAGE)?.unwrap_or(USUAL_PAGE);
        let list = Fingerprint::of("difference", &(from, to, status));
        let after = cursor::take(params, &list)?;
        Ok(Self { from, to, status, limit, after, list })
    }
}

impl DifferenceQuery {
    /// The revisions: those that the pages before this one have shown, or those of the points that are asked for.
    async fn revisions(
        &self,
        read: &mut TenantRead,
        tenant: &TenantId,
        run: RunId,
        last: u64,
    ) -> Result<(u64, u64), ReadError> {
        if let Some(key) = &self.after {
            if key.run != run.uuid() || key.to > last {
                return Err(wrong("cursor", "goes on with another run: begin without"));
            }
            return Ok((key.from, key.to));
        }
        let from = revision_as_of(read.conn(), tenant, run, (self.from, last)).await?;
        let to = match self.to {
            Some(to) => revision_as_of(read.conn(), tenant, run, (to, last)).await?,
            None => last,
        };
        if from > to {
            let says = format!("is before from: revision {to}, and that is revision {from}");
            return Err(wrong("to", says));
        }
        Ok((from, to))
    }
}

impl Difference {
    /// It with its links as they are seen from outside.
    #[must_use]
    pub fn under(self, base: &BasePath) -> Self {
        Self { from: self.from.under(base), to: self.to.under(base), ..self }
    }
}

/// What became of the tenant's run between two points of its life, with a page of the items that differ. Both are folded
/// from the run's events: nobody has kept how it was.
///
/// # Errors
/// [`ReadError::NotFound`] when the tenant has no such run, or it was not there yet, [`ReadError::Invalid`] when the
/// second point lies before the first, or the cursor is of another run, or the database's.
pub async fn difference(
    read: &mut TenantRead,
    tenant: &TenantId,
    run: RunId,
    query: &DifferenceQuery,
) -> Result<Difference, ReadError> {
    let last = revision_of(read.conn(), tenant, run).await?;
    let (first, then) = query.revisions(read, tenant, run, last).await?;
    let (from, before) = past_run(read, tenant, run, first).await?;
    let (to, after) = past_run(read, tenant, run, then).await?;
    // What is still going on is shown as it is now, with how it is now.
    let to = if then == last { one_run(read, tenant, run, None).await? } else { to };
    let most = usize::try_from(query.limit.saturating_add(1)).unwrap_or(usize::MAX);
    let behind = query.after.as_ref().map(|key| key.item.as_str());
    let mut changes = before.changes(&after, (query.status, behind), most);
    let next = cut(&mut changes, query.limit).map(|change| ChangeKey {
        run: run.uuid(),
        from: first,
        to: then,
        item: change.item.to_owned(),
    });
    let next_cursor = next.map(|key| cursor::encode(&query.list, key)).transpose()?;
    let items = changes.into_iter().map(|change| ItemChange {
        item: change.item.to_owned(),
        label: change.label.map(str::to_owned),
        namespace: change.namespace.map(str::to_owned),
        name: None,
        from: change.from,
        to: change.to,
    });
    let mut items: Vec<_> = items.collect();
    name_items(read.conn(), tenant, &mut items).await?;
    Ok(Difference {
        changed: before.change_counts(&after),
        items,
        from: RunView { context: None, ..from },
        to: RunView { context: None, ..to },
        next_cursor,
        position: read.position.0,
    })
}
