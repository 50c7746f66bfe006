//! The one task that reads for all listeners.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use domain::TenantId;
use eventlog::Position;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::changes::{Changes, changes};
use super::channels::{Channels, Turn};
use crate::error::ReadError;
use crate::pool::{AllTenants, AllTenantsRead};

/// The pause between two turns: a burst of events becomes a few messages a second.
const PAUSE: Duration = Duration::from_millis(40);

/// How long until the next look where no move of the projection is heard of: a retry of what was quarantined, or
/// a rebuild, moves nothing.
const LOOK: Duration = Duration::from_secs(1);

/// The pause after a failure.
const BACKOFF: Duration = Duration::from_millis(500);

/// The tables as they are at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tables {
    /// Which table it is that has the name: a rebuild swaps another in.
    runs: i64,
    /// How many events are quarantined: those of a retry change rows long after their positions have gone by.
    quarantined: i64,
}

/// Reads for all listeners, until `stop`.
pub(super) async fn read(
    channels: Arc<Channels>,
    mut projected: watch::Receiver<Position>,
    stop: CancellationToken,
) {
    let forever = async {
        // Kept over failures: tables may be swapped while the database is away.
        let mut known = None;
        loop {
            let Err(error) = follow(&channels, &mut projected, &mut known).await;
            tracing::warn!(%error, "can't read what has changed; trying again");
            sleep(BACKOFF).await;
        }
    };
    let _stopped: Option<Infallible> = stop.run_until_cancelled(forever).await;
}

/// Reads until the database fails.
async fn follow(
    channels: &Channels,
    projected: &mut watch::Receiver<Position>,
    known: &mut Option<Tables>,
) -> Result<Infallible, ReadError> {
    loop {
        let wanted = wanted(channels);
        if wanted.is_empty() {
            channels.wanted.notified().await;
            // What the tables were while there were no listeners does not matter.
            *known = None;
            continue;
        }
        turn(channels, &wanted, known).await?;
        sleep(PAUSE).await;
        tokio::select! {
            moved = projected.changed() => {
                // The sender lives as long as the program's parts; without it there is only the clock.
                if moved.is_err() {
                    sleep(LOOK).await;
                }
            }
            () = channels.wanted.notified() => {}
            () = sleep(LOOK) => {}
        }
    }
}

/// The tenants that anybody listens to, and how far each was told. Channels without listeners go.
fn wanted(channels: &Channels) -> Vec<(TenantId, Position)> {
    let mut by_tenant = channels.lock();
    by_tenant.retain(|_, channel| channel.listeners.receiver_count() > 0);
    by_tenant.iter().map(|(tenant, channel)| (tenant.clone(), channel.reached)).collect()
}

async fn turn(
    channels: &Channels,
    wanted: &[(TenantId, Position)],
    known: &mut Option<Tables>,
) -> Result<(), ReadError> {
    let mut view = channels.all_tenants.begin().await?;
    let (position, tables) = look(&mut view).await?;
    let mut found = changes(view.conn(), wanted).await?;
    view.end().await?;
    // Only now: a turn that fails has told no listener.
    let replaced = known.replace(tables).is_some_and(|before| before != tables);
    let mut by_tenant = channels.lock();
    for (tenant, reached) in wanted {
        let Some(channel) = by_tenant.get_mut(tenant) else { continue };
        let turn = match found.remove(tenant) {
            _ if replaced || position < *reached => Some(Turn::Reset(position)),
            Some(Changes::TooMany) => Some(Turn::Reset(position)),
            Some(Changes::Runs(runs)) => Some(Turn::Runs(runs.into())),
            None => None,
        };
        // A channel that was made anew meanwhile has its own beginning, which is later.
        if channel.reached == *reached {
            channel.reached = position;
        }
        if let Some(turn) = turn {
            // The listeners may have left: then there is nothing to send to.
            let _told = channel.listeners.send(turn);
        }
    }
    Ok(())
}

async fn look(view: &mut AllTenantsRead) -> Result<(Position, Tables), ReadError> {
    let row = sqlx::query!(
        r#"SELECT position, 'projection.runs'::regclass::oid::bigint AS "runs!",
                  (SELECT count(*) FROM (SELECT FROM projection.dead_letters LIMIT 10000) AS held) AS "held!"
           FROM projection.checkpoints WHERE name = 'monitoring'"#
    )
    .fetch_one(view.conn())
    .await?;
    Ok((position(row.position)?, Tables { runs: row.runs, quarantined: row.held }))
}

/// How far the projection has come.
///
/// # Errors
/// The database's.
pub(super) async fn checkpoint(all_tenants: &AllTenants) -> Result<Position, ReadError> {
    let mut view = all_tenants.begin().await?;
    let found = sqlx::query_scalar!("SELECT position FROM projection.checkpoints WHERE name = 'monitoring'");
    let found = found.fetch_one(view.conn()).await?;
    view.end().await?;
    position(found)
}

fn position(value: i64) -> Result<Position, ReadError> {
    Ok(Position(crate::corrupt::non_negative("projection.checkpoints", "position", "monitoring", value)?))
}
