//! `GET /v1/tenants/{tenant}/runs/{run}`.

use std::slice;

use chrono::Utc;
use domain::{RunId, TenantId};

use super::as_of;
use super::moment::AsOf;
use super::view::RunView;
use super::{row, usual};
use crate::directory::name_labels;
use crate::error::ReadError;
use crate::items::PastItems;
use crate::params::Params;
use crate::params::ReadQuery;
use crate::pool::TenantRead;

/// Which state of the run: a past one, or the current one.
#[derive(Debug)]
pub struct OneQuery(pub Option<AsOf>);

impl ReadQuery for OneQuery {
    const ALLOWED: &'static [&'static str] = &["at", "revision"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        AsOf::from_params(params).map(Self)
    }
}

/// The tenant's run: as it was at a moment, or as it is.
///
/// # Errors
/// [`ReadError::NotFound`] when the tenant has no such run or it was not there yet, or the database's.
pub async fn one_run(
    read: &mut TenantRead,
    tenant: &TenantId,
    run: RunId,
    as_of: Option<AsOf>,
) -> Result<RunView, ReadError> {
    let mut view = match as_of {
        None => {
            let now = Utc::now();
            let mut view = row::find(read.conn(), tenant, run).await?.into_view(tenant, now)?;
            usual::tell(read.conn(), tenant, slice::from_mut(&mut view), |_| true, now).await?;
            view
        }
        Some(as_of) => as_of::view(read.conn(), tenant, run, as_of).await?,
    };
    name_labels(read.conn(), tenant, slice::from_mut(&mut view)).await?;
    Ok(view)
}

/// The tenant's run as it was after the event of that revision, and its items as they were then.
///
/// # Errors
/// [`ReadError::NotFound`] when the tenant has no such run or it has not come so far, or the database's.
pub async fn past_run(
    read: &mut TenantRead,
    tenant: &TenantId,
    run: RunId,
    revision: u64,
) -> Result<(RunView, PastItems), ReadError> {
    let (mut view, items) = as_of::view_with_items(read.conn(), tenant, run, revision).await?;
    name_labels(read.conn(), tenant, slice::from_mut(&mut view)).await?;
    Ok((view, items))
}
