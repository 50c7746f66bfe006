//! The rows that a batch needs: the runs, and of their items just those that it touches.

use std::collections::{HashMap, HashSet};

use domain::reason::ReasonCode;
use domain::{Counts, EndedAs, ItemName, Outcome, PrincipalId, Run, RunId, Status};
use redaction::CleanText;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::batch::{Facts, RunState, Slot, item_outcome};
use crate::decode::Decoded;
use crate::error::{ProjectorError, bigint, unsigned};

/// A row of `projection.runs`, without what never changes and is not repeated elsewhere.
struct Row {
    tenant: String,
    run_id: Uuid,
    kind: String,
    title: Option<String>,
    status: String,
    ended_as: Option<String>,
    presumed: bool,
    superseded: bool,
    items_total: Option<i64>,
    items_succeeded: i64,
    items_failed: i64,
    items_skipped: i64,
    items_tallied: bool,
    initiator_id: Option<String>,
    parent_id: Option<Uuid>,
    worker: Option<String>,
    progress_message: Option<String>,
    reason_code: Option<String>,
    message: Option<String>,
    queued_at: chrono::DateTime<chrono::Utc>,
    started_at: Option<chrono::DateTime<chrono::Utc>>,
    ended_at: Option<chrono::DateTime<chrono::Utc>>,
    started_recorded_at: Option<chrono::DateTime<chrono::Utc>>,
    ended_recorded_at: Option<chrono::DateTime<chrono::Utc>>,
    started_by: Option<String>,
    ended_by: Option<String>,
    last_event_at: chrono::DateTime<chrono::Utc>,
    heartbeat_seconds: Option<i32>,
    revision: i64,
    held: bool,
}

/// One slot for each of the batch's streams, in their order.
pub(crate) async fn slots(db: &mut PgConnection, decoded: &Decoded<'_>) -> Result<Vec<Slot>, ProjectorError> {
    if decoded.streams.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = decoded.streams.iter().filter_map(|s| s.run.map(|(_, run)| run.uuid())).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT tenant, run_id, kind, title, status, ended_as, presumed, superseded, items_total, items_succeeded, items_failed,
                items_skipped, items_tallied, initiator_id, parent_id, worker, progress_message, reason_code, message, queued_at,
                started_at, ended_at, started_recorded_at, ended_recorded_at, started_by, ended_by, last_event_at, heartbeat_seconds, revision,
                EXISTS (SELECT FROM dead_letters WHERE stream = 'run-' || tenant || '-' || run_id) AS "held!"
         FROM runs WHERE run_id = ANY($1)"#,
        &ids
    )
    .fetch_all(&mut *db)
    .await?;
    let mut rows: HashMap<Uuid, Row> = rows.into_iter().map(|row| (row.run_id, row)).collect();
    let quarantined_streams = quarantined_without_row(db, decoded, &rows).await?;

    let mut slots = Vec::with_capacity(decoded.streams.len());
    for stream in &decoded.streams {
        let row = stream.run.and_then(|(tenant, run)| Some((tenant, rows.remove(&run.uuid())?)));
        let quarantined =
            row.as_ref().is_some_and(|(_, row)| row.held) || quarantined_streams.contains(&*stream.name);
        let state = match row {
            Some((tenant, row)) if row.tenant != tenant => {
                Err(format!("run {} belongs to tenant {}", row.run_id, row.tenant))
            }
            Some((_, row)) => restore(row)?,
            None => Ok(RunState::default()),
        };
        slots.push(Slot { state, quarantined });
    }
    items(db, decoded, &mut slots).await?;
    Ok(slots)
}

/// The streams among those whose run has no row that have dead letters: then `Queued` itself is quarantined. Most
/// batches have no such run, and need not ask.
async fn quarantined_without_row(
    db: &mut PgConnection,
    decoded: &Decoded<'_>,
    rows: &HashMap<Uuid, Row>,
) -> Result<HashSet<String>, ProjectorError> {
    let without = |run: Option<(&str, RunId)>| run.is_none_or(|(_, run)| !rows.contains_key(&run.uuid()));
    let streams = decoded.streams.iter().filter(|stream| without(stream.run));
    let names: Vec<&str> = streams.map(|stream| &*stream.name).collect();
    if names.is_empty() {
        return Ok(HashSet::new());
    }
    let streams =
        sqlx::query_scalar!("SELECT DISTINCT stream FROM dead_letters WHERE stream = ANY($1)", &names as _);
    Ok(streams.fetch_all(db).await?.into_iter().collect())
}

/// The run in a row. The inner error holds the run back: its row is not one that we wrote.
fn restore(row: Row) -> Result<Result<RunState, String>, ProjectorError> {
    let text = |text: Option<String>| text.map(|text| CleanText::new(&text));
    let Some(status) = Status::parse(&row.status) else {
        return Ok(Err(format!("its row has the status {:?}", row.status)));
    };
    let reason_code = match row.reason_code.as_deref().map(ReasonCode::parse).transpose() {
        Ok(reason_code) => reason_code,
        Err(error) => return Ok(Err(format!("its row has a reason code that is none: {error}"))),
    };
    let principals = [row.initiator_id, row.started_by, row.ended_by];
    let principals = principals.map(|id| id.map(PrincipalId::try_from).transpose());
    let [Ok(initiator), Ok(started_by), Ok(ended_by)] = principals else {
        return Ok(Err("its row has a principal that is none".to_owned()));
    };
    let Ok(parent) = row.parent_id.map(RunId::new).transpose() else {
        return Ok(Err("its row has a parent that is no run".to_owned()));
    };
    let run = Run {
        revision: Some(unsigned(row.revision)?),
        status: Some(status),
        ended_as: row.ended_as.as_deref().and_then(EndedAs::parse),
        presumed: row.presumed,
        superseded: row.superseded,
        items_total: row.items_total.map(unsigned).transpose()?,
        counts: Counts {
            succeeded: unsigned(row.items_succeeded)?,
            failed: unsigned(row.items_failed)?,
            skipped: unsigned(row.items_skipped)?,
        },
        tallied: row.items_tallied,
        worker: text(row.worker),
        heartbeat_seconds: row.heartbeat_seconds.map(|seconds| unsigned(seconds.into())).transpose()?,
        progress_message: text(row.progress_message),
        reason_code,
        message: text(row.message),
        queued_at: Some(row.queued_at),
        started_at: row.started_at,
        ended_at: row.ended_at,
        started_recorded_at: row.started_recorded_at,
        ended_recorded_at: row.ended_recorded_at,
        started_by,
        ended_by,
        last_event_at: Some(row.last_event_at),
        ..Run::default()
    };
    let facts = Facts { kind: row.kind.into(), title: row.title, initiator, parent };
    Ok(Ok(RunState { run, facts: Some(facts), stored: true, position: None }))
}

/// Puts the known outcomes of the touched items into the runs.
async fn items(
    db: &mut PgConnection,
    decoded: &Decoded<'_>,
    slots: &mut [Slot],
) -> Result<(), ProjectorError> {
    let mut touched: Vec<(usize, &ItemName)> = Vec::new();
    let mut seen: HashSet<(usize, &ItemName)> = HashSet::new();
    for entry in &decoded.entries {
        let stored = slots[entry.stream].state.as_ref().is_ok_and(|state| state.stored);
        if let (true, Ok(event)) = (stored, &entry.event)
            && let Some(outcome) = item_outcome(&event.body)
            && seen.insert((entry.stream, outcome.item))
        {
            touched.push((entry.stream, outcome.item));
        }
    }
    if touched.is_empty() {
        return Ok(());
    }
    let mut places = Vec::with_capacity(touched.len());
    let mut runs = Vec::with_capacity(touched.len());
    let mut names = Vec::with_capacity(touched.len());
    for (place, (slot, item)) in (0u64..).zip(&touched) {
        let Some((_, run)) = decoded.streams[*slot].run else { continue };
        places.push(bigint(place)?);
        runs.push(run.uuid());
        names.push(item.as_str());
    }
    let rows = sqlx::query!(
        r#"SELECT wanted.place AS "place!", known.outcome
           FROM unnest($1::bigint[], $2::uuid[], $3::text[]) AS wanted (place, run_id, item)
           JOIN run_items AS known ON known.run_id = wanted.run_id AND known.item = wanted.item"#,
        &places,
        &runs,
        &names as _
    )
    .fetch_all(db)
    .await?;
    for row in rows {
        // The name is taken from the event, not from the row: it is the same one.
        let place = usize::try_from(row.place).ok().and_then(|place| touched.get(place));
        let (Some((slot, item)), Some(outcome)) = (place, Outcome::parse(&row.outcome)) else { continue };
        if let Ok(state) = &mut slots[*slot].state {
            state.run.items.insert((*item).clone(), outcome);
        }
    }
    Ok(())
}
