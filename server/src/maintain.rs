//! `runledger projector retry`, `rebuild` and `verify`.

use std::process::ExitCode;

use domain::{RunId, TenantId};
use projector::{Difference, Findings, Maintenance, Retried, Wrong};
use uuid::Uuid;

use crate::cli::{DatabaseArgs, EventLogArgs, ProjectorCommand, WhichRun};
use crate::database;
use crate::error::Error;
use crate::meter::Meter;
use crate::say;

/// Runs one of the projector's short commands.
///
/// # Errors
/// When an argument is malformed, or the database or the log refuses. Rows that are wrong and events that
/// are still held are no errors; they are told on standard output and by the exit code.
pub async fn projector(command: ProjectorCommand) -> Result<ExitCode, Error> {
    match command {
        ProjectorCommand::Run(args) => crate::run::project(args).await.map(|()| ExitCode::SUCCESS),
        ProjectorCommand::Retry { run, database, event_log } => {
            let run = run.map(run_id).transpose()?;
            on(&database, &event_log, Tables::Same, async |work| Ok(tell_retried(&work.retry(run).await?)))
                .await
        }
        ProjectorCommand::Rebuild { which, anew, database, event_log } => {
            let which = wanted(which)?;
            // All of them may come from another log than before; one run may not.
            let tables = if which.is_none() { Tables::New } else { Tables::Same };
            let source = event_log.event_log.name();
            on(&database, &event_log, tables, async |work| rebuild(&work, which, &source, anew).await).await
        }
        ProjectorCommand::Verify { which, database, event_log } => {
            let which = wanted(which)?;
            on(&database, &event_log, Tables::Same, async |work| verify(&work, which).await).await
        }
    }
}

/// Which tables are worked on.
#[derive(Clone, Copy)]
enum Tables {
    /// Those that are folded from the log already.
    Same,
    /// Those that take their place, and say themselves what they are folded from.
    New,
}

/// Opens the database and its log, and closes them in the end however the work went.
async fn on(
    args: &DatabaseArgs,
    event_log: &EventLogArgs,
    tables: Tables,
    work: impl AsyncFnOnce(Maintenance) -> Result<ExitCode, Error>,
) -> Result<ExitCode, Error> {
    let pool = database::connect_existing(args).await?;
    let options = (*pool.connect_options()).clone();
    let place = &event_log.event_log;
    if matches!(tables, Tables::Same) {
        place.claim(&pool).await?;
    }
    let log = place.open(&options).await?;
    let done = work(Maintenance::new(log.clone(), pool.clone())).await;
    log.shutdown().await;
    pool.close().await;
    done
}

async fn rebuild(
    work: &Maintenance,
    which: Option<(RunId, Option<TenantId>)>,
    source: &str,
    anew: bool,
) -> Result<ExitCode, Error> {
    let rebuilt = if let Some((run, tenant)) = which {
        let rebuilt = work.rebuild_run(run, tenant.as_ref()).await?;
        say!("run {run} folded anew, as of position {}", rebuilt.to.0);
        rebuilt
    } else {
        let meter = Meter::new("rebuilding");
        let rebuilt = work.rebuild(source, anew, &|progress| meter.show(progress)).await?;
        meter.done();
        if rebuilt.from.0 > 0 {
            say!("went on from position {}, where an earlier rebuild was", rebuilt.from.0);
        }
        say!("the new tables serve, as of position {}", rebuilt.to.0);
        rebuilt
    };
    if rebuilt.held > 0 {
        say!(
            "{} events could not be folded and hold their runs back: see projection.dead_letters",
            rebuilt.held
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(work: &Maintenance, which: Option<(RunId, Option<TenantId>)>) -> Result<ExitCode, Error> {
    let found = if let Some((run, tenant)) = which {
        work.verify_run(run, tenant.as_ref()).await
    } else {
        let meter = Meter::new("folding");
        let comparing = |table: &str| meter.say(&format!("comparing {table}"));
        let found = work.verify(&|progress| meter.show(progress), &comparing).await;
        meter.done();
        found
    };
    match found {
        Ok(findings) => Ok(tell_findings(&findings)),
        Err(error) if error.is_about_log() => {
            say!("{error}");
            say!("{LOG_IS_WRONG}");
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

/// What no work on the tables can mend.
const LOG_IS_WRONG: &str = "the event log itself is wrong, and the read tables may be right: restore the log from a \
    backup, then run `runledger restored`; see docs/restoring.md";

fn tell_findings(findings: &Findings) -> ExitCode {
    for difference in &findings.differences {
        say!("{}", in_words(difference));
    }
    let (rows, wrong) = (findings.rows, findings.wrong);
    let told = u64::try_from(findings.differences.len()).unwrap_or(u64::MAX);
    if wrong > told {
        say!("... and {} more", wrong - told);
    }
    for event in &findings.unreadable {
        say!("{} revision {}: the log's event can't be read: {}", event.stream, event.revision, event.error);
    }
    if wrong == 0 {
        say!("{rows} rows are as the log says");
        return ExitCode::SUCCESS;
    }
    if !findings.unreadable.is_empty() {
        say!("wrong rows: {wrong}, of {rows} that there should be by what can be read of the log");
        say!("{LOG_IS_WRONG}");
        return ExitCode::FAILURE;
    }
    say!(
        "wrong rows: {wrong}, of {rows} that there should be; `runledger projector rebuild` makes them right"
    );
    ExitCode::FAILURE
}

/// Such as `runs run_id="..": status is "failed", the log says "succeeded"`.
fn in_words(difference: &Difference) -> String {
    let key: Vec<String> = difference.key.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let wrong = match &difference.wrong {
        Wrong::Missing => "is missing".to_owned(),
        Wrong::OneTooMany => "is one too many, the log knows nothing of it".to_owned(),
        Wrong::Changed(columns) => {
            let columns =
                columns.iter().map(|(name, is, by_log)| format!("{name} is {is}, the log says {by_log}"));
            columns.collect::<Vec<_>>().join("; ")
        }
    };
    format!("{} {}: {wrong}", difference.table, key.join(" "))
}

fn tell_retried(retried: &[Retried]) -> ExitCode {
    for one in retried {
        match &one.error {
            None => say!("{}: all {} events folded", one.stream, one.before),
            Some(error) => say!("{}: {} of {} events still held: {error}", one.stream, one.after, one.before),
        }
    }
    if retried.is_empty() {
        say!("nothing is held");
    }
    if retried.iter().any(|one| one.after > 0) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn wanted(which: WhichRun) -> Result<Option<(RunId, Option<TenantId>)>, Error> {
    let Some(run) = which.run else { return Ok(None) };
    let tenant = which.tenant.map(|tenant| tenant.parse::<TenantId>());
    let tenant = tenant.transpose().map_err(|error| Error::Usage(format!("--tenant: {error}")))?;
    Ok(Some((run_id(run)?, tenant)))
}

fn run_id(run: Uuid) -> Result<RunId, Error> {
    RunId::new(run).map_err(|error| Error::Usage(format!("--run: {error}")))
}
