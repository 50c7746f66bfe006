//! The two calls of the protocol over HTTP, with the statuses that C2SP `tlog-witness` gives them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use seal::witness::{Refusal, Submission};

use crate::{Uncosigned, Witness, WitnessError};

/// The largest body. A proof has 3 kB at most; the rest is for a note with signatures of all kinds.
const MOST_BYTES: usize = 256 * 1024;

/// The routes of a witness, both under one prefix.
pub fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin_hash}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let cosigned = tokio::task::spawn_blocking(move || {
        let text = std::str::from_utf8(&body).map_err(|_| Refusal::Malformed("it is no UTF-8"))?;
        let submission: Submission = text.parse()?;
        witness.add_checkpoint(submission, now())
    });
    match cosigned.await {
        Ok(Ok(cosignature)) => (StatusCode::OK, format!("{cosignature}\n")).into_response(),
        Ok(Err(Uncosigned::Refused(refusal))) => refused(&refusal),
        Ok(Err(Uncosigned::Failed(error))) => failed(&error),
        Err(panicked) => {
            tracing::error!(%panicked, "a submission was not worked on");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn checkpoint(State(witness): State<Arc<Witness>>, Path(origin_hash): Path<String>) -> Response {
    let read = tokio::task::spawn_blocking(move || witness.newest(&origin_hash)).await;
    match read {
        Ok(Ok(Some(note))) => note.into_response(),
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(error)) => failed(&error),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refused(refusal: &Refusal) -> Response {
    tracing::debug!(%refusal, "not cosigned");
    let status = match refusal {
        Refusal::Malformed(_) | Refusal::OldBeyondNew => StatusCode::BAD_REQUEST,
        Refusal::UnknownLog(_) => StatusCode::NOT_FOUND,
        Refusal::Signature(_) => StatusCode::FORBIDDEN,
        Refusal::OtherSize(size) => {
            let kind = [(CONTENT_TYPE, "text/x.tlog.size")];
            return (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response();
        }
        Refusal::Contradiction(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, format!("{refusal}\n")).into_response()
}

/// The caller is not told of our files.
fn failed(error: &WitnessError) -> Response {
    tracing::error!(%error, "nothing is cosigned");
    match error {
        WitnessError::Clock(_) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "the witness's memory can't be used\n").into_response(),
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
