//! `runledger projector retry`, `rebuild` and `verify`.

use std::process::ExitCode;

use domain::{RunId, TenantId};
use projector::{Difference, Findings, Maintenance, Retried, Wrong};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::{DatabaseArgs, EventLogArgs, OutputArgs, ProjectorCommand, WhichRun};
use crate::database;
use crate::error::Error;
use crate::meter::Meter;
use crate::print_line;

/// Runs one of the projector's short commands.
///
/// # Errors
/// When an argument is malformed, or the database or the log refuses. Rows that are wrong and events that
/// are still held are no errors; they are told on standard output and by the exit code.
pub async fn projector(command: ProjectorCommand) -> Result<ExitCode, Error> {
    match command {
        ProjectorCommand::Run(args) => crate::run::project(args).await.map(|()| ExitCode::SUCCESS),
        ProjectorCommand::Retry { run, output, database, event_log } => {
            let run = run.map(run_id).transpose()?;
            on(&database, &event_log, Tables::Same, async |work| {
                tell_retried(output, &work.retry(run).await?)
            })
            .await
        }
        ProjectorCommand::Rebuild { which, anew, output, database, event_log } => {
            let which = wanted(which)?;
            // All of them may come from another log than before; one run may not.
            let tables = if which.is_none() { Tables::New } else { Tables::Same };
            let source = event_log.event_log.name();
            on(&database, &event_log, tables, async |work| {
                tell_rebuilt(output, &work, which, &source, anew).await
            })
            .await
        }
        ProjectorCommand::Verify { which, output, database, event_log } => {
            let which = wanted(which)?;
            on(&database, &event_log, Tables::Same, async |work| verify(output, &work, which).await).await
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
    let location = &event_log.event_log;
    if matches!(tables, Tables::Same) {
        location.claim(&pool).await?;
    }
    let log = location.open(&options).await?;
    let done = work(Maintenance::new(log.clone(), pool.clone())).await;
    log.shutdown().await;
    pool.close().await;
    done
}

async fn tell_rebuilt(
    output: OutputArgs,
    work: &Maintenance,
    which: Option<(RunId, Option<TenantId>)>,
    source: &str,
    anew: bool,
) -> Result<ExitCode, Error> {
    let run = which.as_ref().map(|(run, _)| *run);
    let rebuilt = if let Some((run, tenant)) = which {
        work.rebuild_run(run, tenant.as_ref()).await?
    } else {
        let meter = Meter::new("rebuilding");
        let rebuilt = work.rebuild(source, anew, &|progress| meter.show(progress)).await?;
        meter.done();
        rebuilt
    };
    let (from, to, held) = (rebuilt.from.0, rebuilt.to.0, rebuilt.quarantined);
    let told = json!({"run_id": run.map(|run| run.to_string()), "from": from, "to": to, "held_events": held});
    output.tell(&told, |_| {
        match run {
            Some(run) => print_line!("run {run} folded anew, as of position {to}"),
            None => {
                if from > 0 {
                    print_line!("went on from position {from}, where an earlier rebuild was");
                }
                print_line!("the new tables serve, as of position {to}");
            }
        }
        if held > 0 {
            print_line!(
                "{held} events could not be folded and hold their runs back: see projection.dead_letters"
            );
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn verify(
    output: OutputArgs,
    work: &Maintenance,
    which: Option<(RunId, Option<TenantId>)>,
) -> Result<ExitCode, Error> {
    let found = if let Some((run, tenant)) = which {
        work.verify_run(run, tenant.as_ref()).await
    } else {
        let meter = Meter::new("folding");
        let comparing = |table: &str| meter.say(&format!("comparing {table}"));
        let found = work.verify(&|progress| meter.show(progress), &comparing).await;
        meter.done();
        found
    };
    let findings = match found {
        Ok(findings) => findings,
        Err(error) if error.is_about_log() => {
            let told = json!({"error": error.to_string(), "log_is_wrong": true});
            output.tell(&told, |_| {
                print_line!("{error}");
                print_line!("{LOG_IS_WRONG}");
            })?;
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error.into()),
    };
    let (rows, wrong) = (findings.rows, findings.wrong);
    let differences: Vec<Value> = findings.differences.iter().map(as_json).collect();
    let unreadable: Vec<Value> = findings
        .unreadable
        .iter()
        .map(|event| json!({"stream": event.stream, "revision": event.revision, "error": event.error}))
        .collect();
    let told = json!({
        "rows": rows, "wrong_rows": wrong, "differences": differences,
        "unreadable_events": unreadable, "log_is_wrong": !findings.unreadable.is_empty(),
    });
    output.tell(&told, |_| tell_findings(&findings))?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What no work on the tables can mend.
const LOG_IS_WRONG: &str = "the event log itself is wrong, and the read tables may be right: restore the log from a \
    backup, then run `runledger restored`; see docs/restoring.md";

fn tell_findings(findings: &Findings) {
    for difference in &findings.differences {
        print_line!("{}", in_words(difference));
    }
    let (rows, wrong) = (findings.rows, findings.wrong);
    let told = u64::try_from(findings.differences.len()).unwrap_or(u64::MAX);
    if wrong > told {
        print_line!("... and {} more", wrong - told);
    }
    for event in &findings.unreadable {
        print_line!(
            "{} revision {}: the log's event can't be read: {}",
            event.stream,
            event.revision,
            event.error
        );
    }
    if wrong == 0 {
        print_line!("{rows} rows are as the log says");
        return;
    }
    if !findings.unreadable.is_empty() {
        print_line!("wrong rows: {wrong}, of {rows} that there should be by what can be read of the log");
        print_line!("{LOG_IS_WRONG}");
        return;
    }
    print_line!(
        "wrong rows: {wrong}, of {rows} that there should be; `runledger projector rebuild` makes them right"
    );
}

/// A row that is wrong. `columns` has, by name, the value in the table and the one by the log.
fn as_json(difference: &Difference) -> Value {
    let key: serde_json::Map<String, Value> = difference.key.iter().cloned().collect();
    let (wrong, columns) = match &difference.wrong {
        Wrong::Missing => ("missing", Value::Null),
        Wrong::OneTooMany => ("one_too_many", Value::Null),
        Wrong::Changed(columns) => {
            let column = |(name, is, by_log): &(String, Value, Value)| {
                (name.clone(), json!({"is": is, "by_log": by_log}))
            };
            ("changed", columns.iter().map(column).collect::<serde_json::Map<_, _>>().into())
        }
    };
    json!({"table": difference.table, "key": key, "wrong": wrong, "columns": columns})
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

fn tell_retried(output: OutputArgs, retried: &[Retried]) -> Result<ExitCode, Error> {
    let one = |one: &Retried| json!({"stream": one.stream, "held_before": one.before, "held_after": one.after, "error": one.error});
    output.tell(&retried.iter().map(one).collect::<Vec<_>>(), |_| {
        for one in retried {
            match &one.error {
                None => print_line!("{}: all {} events folded", one.stream, one.before),
                Some(error) => {
                    print_line!("{}: {} of {} events still held: {error}", one.stream, one.after, one.before)
                }
            }
        }
        if retried.is_empty() {
            print_line!("nothing is held");
        }
    })?;
    Ok(if retried.iter().any(|one| one.after > 0) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
