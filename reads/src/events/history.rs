//! `GET /v1/tenants/{tenant}/events`: what happened, over all runs.

use access::Caller;
use chrono::{DateTime, Utc};
use domain::reason::ReasonCode;
use domain::{EventBody, PrincipalId, RunId};
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{EventPage, EventRow, view};
use crate::cursor::{self, Fingerprint};
use crate::error::ReadError;
use crate::page::{cut, rows_for};
use crate::params::{Form, Params, ReadQuery, must_lie_between, wrong};
use crate::pool::{Plans, TenantRead};

/// Which events. What is not given does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Filter {
    actor: Option<String>,
    event_type: Option<&'static str>,
    reason: Option<String>,
    run: Option<Uuid>,
    token: Option<Uuid>,
    /// Taken in then or later.
    since: Option<DateTime<Utc>>,
    /// Taken in before.
    until: Option<DateTime<Utc>>,
}

/// A page of a tenant's events.
#[derive(Debug)]
pub struct HistoryQuery {
    filter: Filter,
    newest_first: bool,
    /// The form of the answer.
    pub form: Form,
    limit: u64,
    after: Option<EventKey>,
    list: Fingerprint,
}

/// Where a page of events ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct EventKey {
    /// When the event was taken in.
    micros: i64,
    /// Its position; of the events of one run its revision.
    place: i64,
}

impl ReadQuery for HistoryQuery {
    const ALLOWED: &'static [&'static str] = &[
        "actor",
        "type",
        "reason_code",
        "run",
        "token",
        "since",
        "until",
        "sort",
        "format",
        "cursor",
        "limit",
    ];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let types = EventBody::TYPES.join(", ");
        let known = |text: &str| EventBody::TYPES.into_iter().find(|name| *name == text);
        let filter = Filter {
            actor: params.parsed::<PrincipalId>("actor")?.map(String::from),
            event_type: params.parse_enum("type", &types, known)?,
            reason: params.parsed::<ReasonCode>("reason_code")?.map(|code| code.as_str().to_owned()),
            run: params.parsed::<RunId>("run")?.map(RunId::uuid),
            token: params.parsed::<Uuid>("token")?,
            since: params.time("since")?,
            until: params.time("until")?,
        };
        must_lie_between(("since", filter.since), ("until", filter.until))?;
        let sort =
            params.parse_enum("sort", "-recorded_at (the newest first), recorded_at", |text| match text {
                "-recorded_at" => Some(true),
                "recorded_at" => Some(false),
                _ => None,
            })?;
        let newest_first = sort.unwrap_or(true);
        let (form, limit) = params.form_and_limit()?;
        let list = Fingerprint::of("history", &(&filter, newest_first));
        let after: Option<EventKey> = cursor::take(params, &list)?;
        if after.is_some_and(|key| key.time().is_none()) {
            return Err(wrong("cursor", "names no moment: use next_cursor of a page, or begin without"));
        }
        Ok(Self { filter, newest_first, form, limit, after, list })
    }

    /// Auditors ask seldom, and what is rare wants another plan than what is frequent.
    fn plans(&self) -> Plans {
        Plans::ForValues
    }
}

impl HistoryQuery {
    /// Whether events are looked for by the token by which they came.
    pub fn asks_for_a_token(&self) -> bool {
        self.filter.token.is_some()
    }

    /// The statement of the page, which reads one row more where there is a next page.
    ///
    /// One run's events are in the order of its revisions, by the primary key. All others are in the order of their
    /// times, by which each index ends; a token that is rare is found by where its events may lie.
    pub(super) fn statement(&self, tenant: &str) -> QueryBuilder<Postgres> {
        let Filter { actor, event_type, reason, run, token, since, until } = &self.filter;
        let mut sql = QueryBuilder::new(
            "SELECT run_id, revision, position, event_id, event_type, schema_version, occurred_at, recorded_at, actor,
                 correlation_id, causation_id, token_id, request_id, origin, data
             FROM projection.run_events WHERE tenant = ",
        );
        sql.push_bind(tenant.to_owned());
        if let Some(run) = run {
            sql.push(" AND run_id = ").push_bind(*run);
        }
        if let Some(actor) = actor {
            sql.push(" AND actor = ").push_bind(actor.clone());
        }
        if let Some(event_type) = event_type {
            sql.push(" AND event_type = ").push_bind(*event_type);
        }
        if let Some(reason) = reason {
            sql.push(" AND reason_code = ").push_bind(reason.clone());
        }
        if let Some(token) = token {
            sql.push(" AND token_id = ").push_bind(*token);
        }
        if let Some(since) = since {
            sql.push(" AND recorded_at >= ").push_bind(*since);
        }
        if let Some(until) = until {
            sql.push(" AND recorded_at < ").push_bind(*until);
        }
        let (beyond, direction) = if self.newest_first { ("<", "DESC") } else { (">", "ASC") };
        match (run, self.after.and_then(|key| Some((key.time()?, key.place)))) {
            (_, None) => {}
            (Some(_), Some((_, revision))) => {
                sql.push(format_args!(" AND revision {beyond} ")).push_bind(revision);
            }
            (None, Some((time, position))) => {
                sql.push(format_args!(" AND (recorded_at, position) {beyond} (")).push_bind(time);
                sql.push(", ").push_bind(position).push(")");
            }
        }
        sql.push(match run {
            Some(_) => format!(" ORDER BY revision {direction}"),
            None => format!(" ORDER BY recorded_at {direction}, position {direction}"),
        });
        sql.push(" LIMIT ").push_bind(rows_for(self.limit));
        sql
    }

    /// The same search from a place within.
    #[cfg(test)]
    pub(super) fn in_the_middle(self) -> Self {
        let place = if self.filter.run.is_some() { 7 } else { 20_000 };
        Self { after: Some(EventKey { micros: 1_767_300_000_000_000, place }), ..self }
    }

    fn key(&self, row: &EventRow) -> EventKey {
        let place = if self.filter.run.is_some() { row.revision } else { row.position };
        EventKey { micros: row.recorded_at.timestamp_micros(), place }
    }
}

impl EventKey {
    fn time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.micros)
    }
}

/// A page of the events of all of the caller's tenant's runs, with their metadata for auditors.
///
/// # Errors
/// The database's.
pub async fn page_of_history(
    read: &mut TenantRead,
    caller: &Caller,
    query: &HistoryQuery,
) -> Result<EventPage, ReadError> {
    let tenant = &caller.tenant;
    read.plan_for_values().await?;
    let mut statement = query.statement(tenant.as_str());
    let mut rows: Vec<EventRow> = statement.build_query_as().fetch_all(read.conn()).await?;
    let next = cut(&mut rows, query.limit).map(|last| query.key(last));
    let next_cursor = next.map(|key| cursor::encode(&query.list, key)).transpose()?;
    let audit = caller.role.may_audit();
    let events = rows.into_iter().map(|row| {
        let run = row.run_id;
        Ok::<_, ReadError>(super::EventView { run_id: Some(run), ..view(row, tenant, audit)? })
    });
    Ok(EventPage { events: events.collect::<Result<_, _>>()?, next_cursor, position: read.position.0 })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<HistoryQuery, ReadError> {
        let mut params = Params::of(Some(query)).unwrap();
        let query = HistoryQuery::from_params(&mut params)?;
        params.end(HistoryQuery::ALLOWED)?;
        Ok(query)
    }

    #[test]
    fn everything_given_is_read_and_a_cursor_holds_for_the_same_filters() {
        let filters = "actor=ann&type=ItemFailed&reason_code=permission_denied\
                       &run=01890a5d-ac96-774b-bcce-b302099a8057&token=01890a5d-ac96-774b-bcce-b302099a8058\
                       &since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z&sort=recorded_at";
        let query = read(&format!("{filters}&format=csv")).unwrap();
        assert_eq!((query.form, query.limit, query.newest_first), (Form::Csv, 10_000, false));
        assert_eq!(
            (query.filter.actor.as_deref(), query.filter.event_type),
            (Some("ann"), Some("ItemFailed"))
        );
        assert!(
            query.asks_for_a_token() && query.filter.run.is_some() && query.filter.since < query.filter.until
        );
        let key = EventKey { micros: 1_700_000_000_123_456, place: 7 };
        let cursor = cursor::encode(&query.list, key).unwrap();
        assert_eq!(read(&format!("{filters}&limit=3&cursor={cursor}")).unwrap().after, Some(key));
        assert!(read(&format!("actor=ann&cursor={cursor}")).is_err());
        let plain = read("").unwrap();
        assert_eq!((plain.form, plain.limit, plain.newest_first), (Form::Json, 50, true));
        assert_eq!(plain.filter, Filter::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, parameter) in [
            ("actor=", "actor"),
            ("type=Ended", "type"),
            ("type=Failed&type=Aborted", "type"),
            ("reason_code=Not%20one", "reason_code"),
            ("run=7", "run"),
            ("token=rlg_x", "token"),
            ("since=yesterday", "since"),
            ("since=2026-01-02T00:00:00Z&until=2026-01-02T00:00:00Z", "until"),
            ("sort=position", "sort"),
            ("format=xml", "format"),
            ("limit=201", "limit"),
            ("format=csv&limit=10001", "limit"),
            ("cursor=abc", "cursor"),
            ("order=asc", "order"),
        ] {
            assert_eq!(read(query).unwrap_err().as_invalid().unwrap().0, parameter, "{query}");
        }
        let never = cursor::encode(&read("").unwrap().list, EventKey { micros: i64::MAX, place: 1 }).unwrap();
        assert_eq!(read(&format!("cursor={never}")).unwrap_err().as_invalid().unwrap().0, "cursor");
    }
}
