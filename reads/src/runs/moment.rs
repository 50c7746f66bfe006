//! Points of a run's life, as callers name them.

use chrono::{DateTime, Utc};
use domain::{RunId, TenantId};
use sqlx::PgConnection;

use crate::corrupt::non_negative;
use crate::error::ReadError;
use crate::params::{Params, wrong};

const TABLE: &str = "projection.run_events";

/// The point of a run's life that a read is as of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// What the ledger had taken in by then.
    Time(DateTime<Utc>),
    /// After the event of this revision.
    Revision(u64),
}

impl AsOf {
    /// The point that the parameters `at` and `revision` name; none where neither is given.
    ///
    /// # Errors
    /// [`ReadError::Invalid`] when one is wrong, or both are given.
    pub(crate) fn from_params(params: &mut Params) -> Result<Option<Self>, ReadError> {
        let at = params.time("at")?.map(Self::Time);
        let revision = params.number("revision", 0, i64::MAX as u64)?.map(Self::Revision);
        match (at, revision) {
            (Some(_), Some(_)) => Err(wrong("revision", "can't be given together with at: one says it all")),
            (at, revision) => Ok(at.or(revision)),
        }
    }

    /// The point that one parameter names: a whole number is a revision, all else a moment.
    ///
    /// # Errors
    /// [`ReadError::Invalid`] when it is neither.
    pub fn take(params: &mut Params, name: &str) -> Result<Option<Self>, ReadError> {
        let digits = |value: &String| !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        if params.peek(name).is_some_and(digits) {
            Ok(params.number(name, 0, i64::MAX as u64)?.map(Self::Revision))
        } else {
            Ok(params.time(name)?.map(Self::Time))
        }
    }
}

pub(super) fn not_yet(run: RunId, time: DateTime<Utc>) -> ReadError {
    ReadError::NotFound(format!("The ledger did not know the run {run} yet at {time}."))
}

/// The revision of the last event of the run that the ledger had taken in by then, by its own clock; none where it
/// had taken in none.
pub(super) async fn revision_at(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run: RunId,
    time: DateTime<Utc>,
) -> Result<Option<i64>, sqlx::Error> {
    let last = sqlx::query_scalar!(
        "SELECT revision FROM projection.run_events
         WHERE tenant = $1 AND run_id = $2 AND recorded_at <= $3
         ORDER BY revision DESC LIMIT 1",
        tenant.as_str(),
        run.uuid(),
        time
    );
    last.fetch_optional(conn).await
}

/// Which revision of the tenant's run that is, whose `last` is that one.
///
/// # Errors
/// [`ReadError::NotFound`] when the run was not there yet or has not come so far, or the database's.
pub async fn revision_as_of(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run: RunId,
    (as_of, last): (AsOf, u64),
) -> Result<u64, ReadError> {
    match as_of {
        AsOf::Revision(wanted) if wanted > last => Err(not_reached(run, wanted, last)),
        AsOf::Revision(wanted) => Ok(wanted),
        AsOf::Time(time) => {
            let revision = revision_at(conn, tenant, run, time).await?.ok_or_else(|| not_yet(run, time))?;
            Ok(non_negative(TABLE, "revision", run, revision)?)
        }
    }
}

pub(super) fn not_reached(run: RunId, wanted: u64, last: u64) -> ReadError {
    ReadError::NotFound(format!("The run {run} has not reached revision {wanted}; its last is {last}."))
}
