//! Which runs an export tells whole, and which it tells of besides.
//!
//! All runs of the period are told of, and one more on each side: so a reader sees for each number whether its run
//! belongs to the selection, and that the runs beyond are outside of the period. Were only those of the wanted kind told
//! of, nobody could see that another one of that kind, further away, was left out. What can't be told of a run is
//! taken as if it met the selection: nothing is hidden by being unreadable.

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use domain::{Kind, RunId, TenantId};
use eventlog::EventLog;
use eventlog::streams::run_stream;
use futures::{StreamExt, TryStreamExt};
use seal::export::Selection;
use serde::Deserialize;

use crate::error::{ExportError, NotSealed};
use crate::snapshot::{RunRow, Sealed, Snapshot};

/// How many runs' first events are read at once.
const AT_ONCE: usize = 8;

/// Which runs are told whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// One run.
    Run(RunId),
    /// All runs that meet what is set.
    Population {
        /// They were recorded at this moment or later.
        since: Option<DateTime<Utc>>,
        /// They were recorded before this moment.
        until: Option<DateTime<Utc>>,
        /// They are of this kind.
        kind: Option<Kind>,
    },
}

impl Which {
    /// As the manifest says it.
    pub(crate) fn selection(&self) -> Selection {
        let moment = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        match self {
            Self::Run(run) => Selection { run_id: Some(run.uuid()), ..Selection::default() },
            Self::Population { since, until, kind } => Selection {
                run_id: None,
                since: since.as_ref().map(moment),
                until: until.as_ref().map(moment),
                kind: kind.as_ref().map(ToString::to_string),
            },
        }
    }

    /// The numbers of the runs that are told of.
    pub(crate) async fn numbers(
        &self,
        snapshot: &mut Snapshot,
        sealed: &Sealed,
        (log, tenant): (&Arc<dyn EventLog>, &TenantId),
    ) -> Result<Range<u64>, ExportError> {
        let total = sealed.heads.runs;
        match self {
            Self::Run(run) => match snapshot.number_of(sealed, run.uuid()).await? {
                Some(number) if number < total => Ok(number..number + 1),
                Some(_) => Err(NotSealed::Run.into()),
                None if log.read_stream(&run_stream(tenant, *run), 0, 1).await?.is_empty() => {
                    Err(ExportError::NoSuchRun(*run))
                }
                None => Err(NotSealed::Run.into()),
            },
            Self::Population { since: None, until: None, .. } => Ok(0..total),
            Self::Population { since, until, .. } => {
                if let Some(within) = snapshot.began_within(sealed, *since, *until).await? {
                    return snapshot.with_neighbours(sealed, within, *since, *until).await;
                }
                // Nothing began then: the last run before and the first one after show it.
                let after = match until {
                    Some(until) => snapshot.began_within(sealed, Some(*until), None).await?,
                    None => None,
                };
                let after = after.map_or(total, |(first, _)| first);
                Ok(after.saturating_sub(1)..after.saturating_add(1).min(total))
            }
        }
    }

    /// Marks those that are told whole. What kind a run is of, the log itself says.
    pub(crate) async fn mark(
        &self,
        runs: &mut [RunRow],
        log: &Arc<dyn EventLog>,
        tenant: &TenantId,
    ) -> Result<(), ExportError> {
        let (since, until, kind) = match self {
            Self::Run(run) => {
                runs.iter_mut().for_each(|row| row.selected = row.id == run.uuid());
                return Ok(());
            }
            Self::Population { since, until, kind } => (since, until, kind),
        };
        for run in runs.iter_mut() {
            let within = |began: DateTime<Utc>| {
                since.is_none_or(|since| began >= since) && until.is_none_or(|until| began < until)
            };
            run.selected = run.began_at.is_none_or(within);
        }
        let Some(kind) = kind else { return Ok(()) };
        let candidates: Vec<(usize, String)> = (0..)
            .zip(runs.iter())
            .filter(|(_, run)| run.selected)
            .map(|(at, run)| Ok((at, stream_of(tenant, run)?)))
            .collect::<Result<_, ExportError>>()?;
        let kinds = futures::stream::iter(candidates)
            .map(|(at, stream)| async move { Ok::<_, ExportError>((at, kind_of(log, &stream).await?)) })
            .buffered(AT_ONCE);
        let kinds: Vec<(usize, bool)> = kinds
            .map_ok(|(at, found)| (at, found.is_none_or(|found| found == kind.as_str())))
            .try_collect()
            .await?;
        for (at, is_of_kind) in kinds {
            runs[at].selected = is_of_kind;
        }
        Ok(())
    }
}

/// The name of a run's stream.
pub(crate) fn stream_of(tenant: &TenantId, run: &RunRow) -> Result<String, ExportError> {
    let id =
        RunId::new(run.id).map_err(|error| ExportError::Damaged(format!("run {}: {error}", run.number)))?;
    Ok(run_stream(tenant, id))
}

async fn kind_of(log: &Arc<dyn EventLog>, stream: &str) -> Result<Option<String>, ExportError> {
    #[derive(Deserialize)]
    struct Begun {
        kind: String,
    }
    let first = log.read_stream(stream, 0, 1).await?;
    Ok(first
        .first()
        .and_then(|event| serde_json::from_slice(&event.data).ok())
        .map(|begun: Begun| begun.kind))
}
