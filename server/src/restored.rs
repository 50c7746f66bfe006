//! `runledger restored`: what was restored begins a new epoch.

use std::sync::Arc;

use eventlog::EventLog;
use projector::{Maintenance, ProjectorError, Rebuilt, check_log};
use reads::Ledger;
use serde_json::json;
use sqlx::PgPool;

use crate::cli::RestoredArgs;
use crate::database;
use crate::error::Error;
use crate::event_log::LogLocation;
use crate::meter::Meter;
use crate::print_line;

/// What is left to do, which no program can do.
const NEXT: [&str; 6] = [
    "Start the processes of the ledger. Those that still ran end by themselves.",
    "Producers that come with a position or an epoch of before are answered 412, position_ahead or epoch_changed: \
     they look at their runs again and repeat what is missing. Tell the others.",
    "Work that went on since the backup was made is not known here. Start with --no-sweeper until its producers \
     have repeated it: their runs may look stalled.",
    "If the database was restored: tokens, tenants and policies are as they were. Revoke again what was revoked since.",
    "Compare with `runledger projector verify`.",
    "Where history is sealed and the database was restored: `runledger seal begin-anew --reason ...`, with the key. Until then \
     nothing is sealed.",
];

/// What was done.
struct Done {
    before: Ledger,
    ledger: Ledger,
    head: u64,
    rebuilt: Option<Rebuilt>,
}

/// Begins a new epoch, and builds the tables anew where they show what the log does not have.
///
/// # Errors
/// When the database or the log refuses, or the log is corrupt: then nothing was done. When the tables can't be built:
/// then the epoch has begun, the processes refuse to start, and it can be run again.
pub async fn restored(args: RestoredArgs) -> Result<(), Error> {
    let pool = database::connect_existing(&args.database).await?;
    let options = (*pool.connect_options()).clone();
    let location = &args.event_log.event_log;
    location.claim(&pool).await?;
    let log = location.open(&options).await?;
    let done = begin(&pool, &log, location, args.rebuild).await;
    log.shutdown().await;
    pool.close().await;
    tell(&done?, args.json);
    Ok(())
}

async fn begin(
    pool: &PgPool,
    log: &Arc<dyn EventLog>,
    location: &LogLocation,
    rebuild: bool,
) -> Result<Done, Error> {
    // First all that may refuse.
    let head = log.head().await?.0;
    let lost = match check_log(&**log, pool).await {
        Ok(()) => false,
        Err(ProjectorError::LogBehind { .. }) => true,
        Err(error) => return Err(error.into()),
    };
    let before = Ledger::load(pool).await?;
    // Then the epoch: were the tables first, a caller could be served from them without being told.
    let ledger = Ledger::begin_epoch(pool).await?;
    let rebuilt = if lost || rebuild || !location.is_in_database() {
        let meter = Meter::new("rebuilding");
        let work = Maintenance::new(log.clone(), pool.clone());
        let rebuilt = work.rebuild_restored(&location.name(), &|progress| meter.show(progress)).await?;
        meter.done();
        Some(rebuilt)
    } else {
        None
    };
    Ok(Done { before, ledger, head, rebuilt })
}

fn tell(done: &Done, as_json: bool) {
    let Done { before, ledger, head, rebuilt } = done;
    if as_json {
        print_line!(
            "{}",
            json!({
                "ledger": ledger.id,
                "epoch": ledger.epoch,
                "previous_epoch": before.epoch,
                "head": head,
                "rebuilt": rebuilt.is_some(),
                "held_events": rebuilt.map_or(0, |rebuilt| rebuilt.quarantined),
                "next": NEXT,
            })
        );
        return;
    }
    print_line!("epoch {} of ledger {} has begun; before it was {}", ledger.epoch, ledger.id, before.epoch);
    match rebuilt {
        Some(rebuilt) => print_line!("the read tables were built anew, up to position {}", rebuilt.to.0),
        None => print_line!("the log ends at position {head} and has what the read tables show"),
    }
    if let Some(rebuilt) = rebuilt.filter(|rebuilt| rebuilt.quarantined > 0) {
        print_line!(
            "{} events could not be folded and hold their runs back: see projection.dead_letters",
            rebuilt.quarantined
        );
    }
    print_line!("\nWhat is left to do:");
    for (number, step) in (1..).zip(NEXT) {
        print_line!("{number}. {step}");
    }
}
