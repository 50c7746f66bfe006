//! Takes what was planned to the log, or only tells of it.
//!
//! A page is planned while the one before it is appended. The appends of a page wait beside each other, so that the log
//! takes them in few commits.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use commands::{Change, CommandError, Commands, ImportAnswer, Imported, Rehearsed};
use domain::{Rejection, RunId, Status};
use futures::{StreamExt, stream};
use sqlx::PgPool;

use crate::known::known;
use crate::plan::{Planned, Planner, Step};
use crate::report::{Finding, Report};
use crate::source::{PAGE, Source, SourceError, Sourced};

/// How long an append waits before it is tried again, where the log's queue is full.
const QUEUE_FULL: Duration = Duration::from_millis(20);

/// What is done with rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mode {
    /// Nothing: the report says what would be.
    pub dry_run: bool,
    /// What the read tables show as done is left alone, without asking the log.
    pub resume: bool,
}

/// Why an import ended early. What was appended until then stays, and it may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The log, or what decides on what goes into it.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The read tables.
    #[error("the ledger's database: {0}")]
    Database(#[from] sqlx::Error),
    /// A part of it panicked.
    #[error("a part of the import panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

/// How far an import has come.
#[derive(Debug, Clone, Copy)]
pub struct Reached {
    /// How much of the source is read, of [`Source::goal`].
    pub source: u64,
    /// Rows so far.
    pub rows: u64,
}

/// Imports rows.
#[derive(Debug)]
pub struct Importer {
    commands: Commands,
    pool: PgPool,
    planner: Arc<Planner>,
    mode: Mode,
}

/// Rows with what they become.
type Page = Vec<(Sourced, Step)>;

/// A run on its way to the log.
struct Wanted {
    row: u64,
    planned: Box<Planned>,
}

/// What became of it.
type Done = (u64, Box<Planned>, Result<ImportAnswer, CommandError>);

impl Importer {
    /// An importer into the ledger of those commands, whose read tables are in the database of that pool.
    #[must_use]
    pub fn new(commands: Commands, pool: PgPool, planner: Planner, mode: Mode) -> Self {
        Self { commands, pool, planner: Arc::new(planner), mode }
    }

    /// Imports all rows, and says what became of them.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn run(
        &self,
        mut source: Source,
        mut progress: impl FnMut(Reached),
    ) -> Result<Report, ImportError> {
        let mut report = Report { dry_run: self.mode.dry_run, ..Report::default() };
        let mut seen = HashSet::new();
        let mut next = self.planned(&mut source).await?;
        while let Some(page) = next {
            let reached = page.last().map_or(0, |(row, _)| row.reached);
            let (taken, planned) =
                tokio::join!(self.take(page, &mut seen, &mut report), self.planned(&mut source));
            taken?;
            progress(Reached { source: reached, rows: report.rows });
            next = planned?;
        }
        Ok(report)
    }

    async fn planned(&self, source: &mut Source) -> Result<Option<Page>, ImportError> {
        let Some(rows) = source.next().await? else { return Ok(None) };
        let planner = self.planner.clone();
        let plan = move |row: Sourced| {
            let step = match &row.row {
                Ok(read) => planner.plan(read),
                Err(why) => Step::Refuse(None, Finding::new("unreadable_row", why.clone())),
            };
            (row, step)
        };
        let page = tokio::task::spawn_blocking(move || rows.into_iter().map(plan).collect());
        Ok(Some(page.await?))
    }

    async fn take(
        &self,
        page: Page,
        seen: &mut HashSet<RunKey>,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        let mut wanted = Vec::with_capacity(page.len());
        for (Sourced { number: row, .. }, step) in page {
            report.rows += 1;
            match step {
                Step::LeaveOut(why) => report.leave_out(why),
                Step::Refuse(key, finding) => report.refuse(row, key.as_deref(), finding),
                // Its event's id follows from its key alone.
                Step::Import(planned) if !seen.insert(planned.request.start.event_id) => {
                    let why = "an earlier row of this source has the same key";
                    report.refuse(row, Some(&planned.key), Finding::new("colliding_reference", why));
                }
                Step::Import(planned) => wanted.push(Wanted { row, planned }),
            }
        }
        if self.mode.dry_run || self.mode.resume {
            wanted = self.without_known(wanted, report).await?;
        }
        if self.mode.dry_run { self.rehearse(wanted, report) } else { self.import(wanted, report).await }
    }

    /// Those that the read tables don't show as done.
    async fn without_known(
        &self,
        wanted: Vec<Wanted>,
        report: &mut Report,
    ) -> Result<Vec<Wanted>, ImportError> {
        let keys: Vec<String> = wanted.iter().map(|it| it.planned.key.clone()).collect();
        let (tenant, source) = (self.planner.tenant().as_str(), self.planner.source());
        let known = known(&self.pool, tenant, source, &keys).await?;
        let mut rest = Vec::with_capacity(wanted.len());
        for Wanted { row, planned } in wanted {
            match known.get(&planned.key) {
                Some(there) if there.run != planned.request.run.uuid() => {
                    if let Ok(run) = RunId::new(there.run) {
                        report.refuse(row, Some(&planned.key), other_run(run));
                    }
                }
                Some(there) if there.ended => report.known += 1,
                Some(there) if there.begun && self.mode.dry_run => {
                    let ends = planned.request.start.events.iter().any(|event| event.body.is_terminal());
                    *(if ends { &mut report.further } else { &mut report.known }) += 1;
                }
                _ => rest.push(Wanted { row, planned }),
            }
        }
        Ok(rest)
    }

    fn rehearse(&self, wanted: Vec<Wanted>, report: &mut Report) -> Result<(), ImportError> {
        for Wanted { row, planned } in wanted {
            match self.commands.rehearse_import(planned.request.clone()) {
                Ok(rehearsed) => {
                    report.imported += 1;
                    tell(report, row, *planned, rehearsed);
                }
                Err(error) => report.refuse(row, Some(&planned.key), refused(error)?),
            }
        }
        Ok(())
    }

    async fn import(&self, wanted: Vec<Wanted>, report: &mut Report) -> Result<(), ImportError> {
        let one = |Wanted { row, planned }: Wanted| {
            let commands = self.commands.clone();
            tokio::spawn(async move {
                let answer = patiently(&commands, &planned).await;
                (row, planned, answer) as Done
            })
        };
        let done = stream::iter(wanted).map(one).buffered(PAGE).collect::<Vec<_>>().await;
        for one in done {
            let (row, planned, answer) = one?;
            let ImportAnswer { done, rehearsed } = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    report.refuse(row, Some(&planned.key), refused(error)?);
                    continue;
                }
            };
            match done {
                Imported::New => report.imported += 1,
                Imported::Further => report.further += 1,
                Imported::Known => {
                    report.known += 1;
                    continue;
                }
                Imported::OtherRun(run) => {
                    report.refuse(row, Some(&planned.key), other_run(run));
                    continue;
                }
                Imported::SameWork(run) => {
                    let why = format!("run {run} is active and does the same work");
                    report.refuse(row, Some(&planned.key), Finding::new("same_work", why));
                    continue;
                }
            }
            tell(report, row, *planned, rehearsed);
        }
        Ok(())
    }
}

/// By what a row is known within an import.
type RunKey = Option<uuid::Uuid>;

/// Imports a run. A queue that is full is waited for.
async fn patiently(commands: &Commands, planned: &Planned) -> Result<ImportAnswer, CommandError> {
    loop {
        match commands.import(planned.request.clone()).await {
            Err(CommandError::Overloaded) => tokio::time::sleep(QUEUE_FULL).await,
            answer => return answer,
        }
    }
}

/// Tells of a run that is new, or would be.
fn tell(report: &mut Report, row: u64, planned: Planned, rehearsed: Rehearsed) {
    let Planned { key, request, notes } = planned;
    for finding in notes {
        report.note(row, Some(&key), finding);
    }
    let (changes, _) = rehearsed.changes.into_parts();
    for changed in changes {
        if changed.what() == Change::Redacted {
            report.note(row, Some(&key), Finding::new("redacted", changed.pointer().to_owned()));
        }
    }
    let status = rehearsed.run.status.map_or("", Status::as_str);
    if let Some(queued_at) = rehearsed.run.queued_at {
        report.show(request.start.kind.as_str(), status, rehearsed.events, queued_at);
    }
}

fn other_run(run: RunId) -> Finding {
    let why = format!("its reference names run {run}, which was queued at another time or is no import");
    Finding::new("colliding_reference", why)
}

/// What is wrong with a row that the rules refuse; the error where it is no row's fault.
fn refused(error: CommandError) -> Result<Finding, CommandError> {
    match error {
        CommandError::Rejected { rejection: rejection @ Rejection::Illegal { .. }, .. } => {
            Ok(Finding::new("went_on", format!("its run has gone on here: {rejection}")))
        }
        CommandError::Rejected { .. }
        | CommandError::StartRejected(_)
        | CommandError::Key(_)
        | CommandError::TooLarge { .. }
        | CommandError::Unreadable { .. }
        | CommandError::Unfaithful(_)
        | CommandError::Contended => Ok(Finding::new("refused", error.to_string())),
        error => Err(error),
    }
}
