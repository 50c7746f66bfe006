//! An export on its way: as fast as the client takes it, and given up with the client.

use std::time::Instant;

use access::{Caller, Ended};
use axum::body::{Body, Bytes};
use exports::{Export, ExportError, Written};
use tokio::sync::broadcast::Receiver as Word;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::state::ApiState;

/// How many pieces of 64 KiB may wait for the client.
const PIECES: usize = 4;

/// Why an export ends before its end. The client sees that it was cut off.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the token was revoked, or has ended")]
    RightEnded,
    #[error("the server stops")]
    Stopping,
    #[error(transparent)]
    Failed(#[from] ExportError),
    #[error("the export panicked")]
    Panicked,
}

/// One that is being made. Dropped, it is given up.
struct Making {
    pieces: mpsc::Receiver<Bytes>,
    task: JoinSet<Result<Written, ExportError>>,
    ended: Word<Ended>,
    token_id: Uuid,
    until: Option<Instant>,
    stop: CancellationToken,
    _room: OwnedSemaphorePermit,
}

/// The body. It ends with the right to it, as a stream does.
pub(super) fn of(state: &ApiState, caller: &Caller, export: Export, room: OwnedSemaphorePermit) -> Body {
    let (taker, pieces) = mpsc::channel(PIECES);
    let mut task = JoinSet::new();
    task.spawn(export.write(taker, |_| {}));
    let making = Making {
        pieces,
        task,
        ended: state.tokens.ended(),
        token_id: caller.token_id,
        until: caller.ends,
        stop: state.live.stop().clone(),
        _room: room,
    };
    Body::from_stream(futures::stream::unfold(Some(making), |making| async {
        let mut making = making?;
        match making.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(making))),
            Ok(None) => None,
            Err(cut) => {
                tracing::warn!(error = %cut, "an export was cut off");
                Some((Err(cut), None))
            }
        }
    }))
}

impl Making {
    async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        let right_ends = async {
            match self.until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        let revoked = async {
            loop {
                match self.ended.recv().await {
                    Ok(Ended::Token(token)) if token != self.token_id => {}
                    // Word that may concern any token comes when some was lost. What was lost is not known: better one
                    // export too few.
                    Ok(Ended::Token(_) | Ended::Any) | Err(_) => return,
                }
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => Err(Cut::Stopping),
            () = right_ends => Err(Cut::RightEnded),
            () = revoked => Err(Cut::RightEnded),
            piece = self.pieces.recv() => match piece {
                Some(piece) => Ok(Some(piece)),
                None => self.end().await.map(|()| None),
            },
        }
    }

    /// Makes sure that what was given away is whole.
    async fn end(&mut self) -> Result<(), Cut> {
        match self.task.join_next().await {
            Some(Ok(Ok(_))) => Ok(()),
            Some(Ok(Err(error))) => Err(error.into()),
            Some(Err(_)) | None => Err(Cut::Panicked),
        }
    }
}
