//! `runledger export`: sealed history into a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::Utc;
use domain::{Kind, RunId, TenantId};
use eventlog::Position;
use exports::{Export, Exporter, Request, Which, Written};
use projector::Progress;
use seal::checkpoint::Checkpoint;
use seal::continues::Named;
use seal::tlog_proof::kept_checkpoint;
use serde_json::json;
use tokio::sync::mpsc;

use crate::cli::ExportArgs;
use crate::database;
use crate::error::Error;
use crate::meter::Meter;
use crate::operator::operator;
use crate::print_line;

/// How many pieces of 64 KiB may wait for the disk.
const PIECES: usize = 16;

/// How many runs may be concerned: 10 million take about 1.6 GB.
const MOST_RUNS: u64 = 10_000_000;

/// Makes an export, from the database and the log themselves.
///
/// # Errors
/// When there is none to make, or it can't be written. A log that is not what was sealed is no error: the file tells of
/// it, and so do standard error and the exit code.
pub async fn export(args: ExportArgs) -> Result<ExitCode, Error> {
    let tenant: TenantId = args.tenant.parse().map_err(|error| Error::Usage(format!("--tenant: {error}")))?;
    let which = which(&args)?;
    let older = args.since_checkpoint.as_deref().map(Older::read).transpose()?;
    let pool = database::connect_existing(&args.database).await?;
    let options = (*pool.connect_options()).clone();
    args.event_log.event_log.claim(&pool).await?;
    let log = args.event_log.event_log.open(&options).await?;
    let request = Request {
        tenant,
        which,
        administration: args.administration,
        old_sizes: older.iter().map(|older| older.size).collect(),
        after: None,
        at: Utc::now(),
        most_runs: MOST_RUNS,
    };
    let made = async {
        let exporter = Exporter::new(pool.clone(), log.clone());
        let export = exporter.prepare(request).await?;
        if let Some(older) = older {
            older.must_be_of(&export)?;
        }
        exporter.record(&export, &operator()).await?;
        let (origin, size) = export.checkpoint();
        let checkpoint = json!({"origin": origin, "size": size});
        Ok::<_, Error>((write(export, &args.to).await?, checkpoint))
    };
    let made = made.await;
    log.shutdown().await;
    pool.close().await;
    let (written, checkpoint) = made?;
    let Written { runs, events, differences, more_differences } = &written;
    let told = json!({
        "file": args.to, "runs": runs, "events": events, "checkpoint": checkpoint,
        "differences": differences, "more_differences": more_differences,
    });
    args.output.tell(&told, |_| {
        print_line!(
            "{}: {events} events, {runs} runs told whole; {}, {} entries",
            args.to.display(),
            checkpoint["origin"].as_str().unwrap_or_default(),
            checkpoint["size"]
        );
    })?;
    Ok(if warn(&written) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Tells where the log is not what was sealed; says whether that is so.
fn warn(written: &Written) -> bool {
    let Written { differences, more_differences, .. } = written;
    if differences.is_empty() {
        return false;
    }
    let mut said =
        "THE EVENT LOG IS NOT WHAT WAS SEALED. The file shows what is there now, and will not verify:\n"
            .to_owned();
    for difference in differences {
        said += &format!("  {difference}\n");
    }
    if *more_differences > 0 {
        said += &format!("  and {more_differences} more\n");
    }
    // Where nobody reads it any more, the exit code says it still.
    drop(io::stderr().write_all(said.as_bytes()));
    true
}

fn which(args: &ExportArgs) -> Result<Which, Error> {
    if let Some(run) = args.run {
        let run = RunId::new(run).map_err(|error| Error::Usage(format!("--run: {error}")))?;
        return Ok(Which::Run(run));
    }
    if args.since.zip(args.until).is_some_and(|(since, until)| since >= until) {
        return Err(Error::Usage("--until must be later than --since: nothing lies between them".to_owned()));
    }
    let kind = args.kind.as_deref().map(str::parse::<Kind>).transpose();
    let kind = kind.map_err(|error| Error::Usage(format!("--kind: {error}")))?;
    Ok(Which::Population { since: args.since, until: args.until, kind })
}

/// A checkpoint that was kept. Who has signed it is for those to check who verify.
struct Older {
    path: PathBuf,
    origin: String,
    size: u64,
}

impl Older {
    fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
        let said = kept_checkpoint(&text).ok().map(|(_, said)| said);
        let Checkpoint { origin, size, .. } = said.filter(|said| said.size > 0).ok_or_else(|| {
            let path = path.display();
            Error::Usage(format!(
                "--since-checkpoint: {path} is no checkpoint, as GET .../checkpoint answers it"
            ))
        })?;
        Ok(Self { path: path.to_owned(), origin, size })
    }

    fn must_be_of(&self, export: &Export) -> Result<(), Error> {
        let (origin, _) = export.checkpoint();
        // One of before a restore is of the same log, under another name.
        if Named::of(origin).first == Named::of(&self.origin).first {
            return Ok(());
        }
        let (path, theirs) = (self.path.display(), &self.origin);
        Err(Error::Usage(format!(
            "--since-checkpoint: {path} is of the log {theirs}, and this tenant's is {origin}"
        )))
    }
}

/// Writes the file under another name first: under its own it is whole.
async fn write(export: Export, to: &Path) -> Result<Written, Error> {
    let mut fresh = to.as_os_str().to_owned();
    fresh.push(".part");
    let fresh = PathBuf::from(fresh);
    let written = fill(export, &fresh).await;
    if written.is_err() {
        // It is of no use to anybody.
        drop(std::fs::remove_file(&fresh));
    }
    let written = written?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The new name is durable when its folder is.
    let renamed = std::fs::rename(&fresh, to).and_then(|()| File::open(folder)?.sync_all());
    renamed.map_err(Error::file(to))?;
    Ok(written)
}

async fn fill(export: Export, fresh: &Path) -> Result<Written, Error> {
    // History is not for everybody on the machine.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(fresh);
    let mut file = file.map_err(Error::file(fresh))?;
    let (taker, mut pieces) = mpsc::channel::<bytes::Bytes>(PIECES);
    let on_disk = tokio::task::spawn_blocking(move || {
        while let Some(piece) = pieces.blocking_recv() {
            file.write_all(&piece)?;
        }
        file.sync_all()
    });
    let meter = Meter::new("exporting");
    let (told, mut progress) = tokio::sync::watch::channel(None);
    let mut writing = std::pin::pin!(export.write(taker, move |progress| {
        told.send_replace(Some(progress));
    }));
    let written = loop {
        tokio::select! {
            biased;
            written = writing.as_mut() => break written,
            Ok(()) = progress.changed() => {
                if let Some(exports::Progress { events, of }) = *progress.borrow_and_update() {
                    meter.show(Progress { reached: Position(events), goal: Position(of), events });
                }
            }
        }
    };
    if let Some(exports::Progress { events, of }) = *progress.borrow() {
        meter.show(Progress { reached: Position(events), goal: Position(of), events });
    }
    meter.done();
    // What the disk says counts more than that nobody took the rest.
    on_disk.await?.map_err(Error::file(fresh))?;
    Ok(written?)
}
