//! Bodies of requests, as bytes: how much of them is taken in, for how long they are waited for, and how they
//! are unpacked.
//!
//! Room is taken for what has come, never for what was promised: a promise costs its sender nothing.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderValue};
use bytes::BytesMut;
use flate2::bufread::MultiGzDecoder;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;
use crate::problem_code::ProblemCode;

/// How many bodies are unpacked at once; others wait for their turn. What unpacks Brotli may hold 16 MiB
/// (RFC 7932, section 9.1), and is done with in milliseconds: it begins when all of the body is there.
const UNPACKERS: usize = 4;

/// How much is unpacked in one go, in bytes.
const PIECE: usize = 64 * 1024;

/// Room for the bytes of many bodies. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Room {
    /// A permit for each byte.
    bytes: Arc<Semaphore>,
    unpackers: Arc<Semaphore>,
}

/// What one request has taken of a room. It goes back when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Share {
    room: Room,
    taken: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

/// How large a body may be, packed and unpacked, and how long it may take to come.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// In bytes.
    pub bytes: usize,
    /// How long it may take to come.
    pub patience: Duration,
    /// What to do about one that is larger.
    pub advice: &'static str,
}

/// How a body is packed (RFC 9110, section 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Brotli,
}

impl Room {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))),
            unpackers: Arc::new(Semaphore::new(UNPACKERS)),
        }
    }

    /// A share of it that nothing is taken of yet.
    pub fn share(&self) -> Share {
        Share { room: self.clone(), taken: Arc::default() }
    }
}

impl Share {
    /// Gives back what was taken: the body was read, and the request goes on without it.
    pub fn give_back(&self) {
        drop(self.taken.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Takes room for bytes that have come.
    ///
    /// # Errors
    /// 503 when there is none.
    fn take(&self, bytes: usize) -> Result<(), Problem> {
        let permits = u32::try_from(bytes).map_err(|_| no_room())?;
        let more = self.room.bytes.clone().try_acquire_many_owned(permits).map_err(|_| no_room())?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.as_mut() {
            Some(taken) => taken.merge(more),
            None => *taken = Some(more),
        }
        Ok(())
    }
}

/// Receives the body of a request, whole and unpacked.
///
/// # Errors
/// 413 when it is larger than `limits` say, packed or unpacked, 408 when it does not come in time, 415 when it
/// is packed in a way that is not known here, 400 when it can't be read, 503 when there is no room for it.
pub async fn receive(request: Request, limits: Limits, share: &Share) -> Result<Bytes, Problem> {
    let coding = Coding::of(request.headers())?;
    let promised = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if promised.is_some_and(|bytes: u64| usize::try_from(bytes).map_or(true, |bytes| bytes > limits.bytes)) {
        return Err(too_large(limits));
    }
    let coming = tokio::time::timeout(limits.patience, collect(request.into_body(), limits, share));
    let body = coming.await.map_err(|_| too_slow(limits))??;
    match coding {
        Some(coding) => unpack(coding, &body, limits, share).await,
        None => Ok(body),
    }
}

async fn collect(body: Body, limits: Limits, share: &Share) -> Result<Bytes, Problem> {
    let mut pieces = body.into_data_stream();
    let mut whole = BytesMut::new();
    let mut first = Bytes::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Problem::malformed(format!("The body broke off: {error}.")))?;
        if first.len() + whole.len() + piece.len() > limits.bytes {
            return Err(too_large(limits));
        }
        share.take(piece.len())?;
        // Most bodies are one piece, which is then passed on as it is.
        if whole.is_empty() && first.is_empty() {
            first = piece;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&piece);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

impl Coding {
    /// How those headers say that the body is packed; none when it is as it is.
    ///
    /// # Errors
    /// 415 when it is packed twice, or in a way that is not known here.
    fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let said: Vec<_> = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
        let said = said.join(&b","[..]).to_ascii_lowercase();
        let codings = said.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let codings: Vec<_> = codings.filter(|coding| !matches!(*coding, b"" | b"identity")).collect();
        match codings[..] {
            [] => Ok(None),
            // Section 8.4.1.3: the old name means the same.
            [b"gzip" | b"x-gzip"] => Ok(Some(Self::Gzip)),
            [b"br"] => Ok(Some(Self::Brotli)),
            _ => Err(unknown_coding()),
        }
    }
}

/// Unpacks a body. A few bytes may stand for very many, so what comes out is counted as it does.
async fn unpack(coding: Coding, packed: &[u8], limits: Limits, share: &Share) -> Result<Bytes, Problem> {
    // Nobody closes the semaphore.
    let _turn = share.room.unpackers.acquire().await.map_err(|_| no_room())?;
    let mut unpacking: Box<dyn Read + Send + '_> = match coding {
        Coding::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Coding::Brotli => Box::new(brotli::Decompressor::new(packed, PIECE)),
    };
    let (mut whole, mut piece) = (BytesMut::new(), vec![0; PIECE]);
    loop {
        let read = unpacking.read(&mut piece).map_err(|error| {
            Problem::malformed(format!("The body can't be unpacked as Content-Encoding says: {error}."))
        })?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        if whole.len() + bytes.len() > limits.bytes {
            return Err(too_large(limits));
        }
        share.take(bytes.len())?;
        whole.extend_from_slice(bytes);
        // Others have work to do as well.
        tokio::task::yield_now().await;
    }
    Ok(whole.freeze())
}

fn unknown_coding() -> Problem {
    let detail =
        "Send the body as it is, or packed once by gzip or br, as Accept-Encoding in this answer says.";
    Problem::unknown_coding(detail)
}

fn too_large(limits: Limits) -> Problem {
    Problem::new(
        ProblemCode::BodyTooLarge,
        format!("At most {} bytes are taken, counted unpacked. {}", limits.bytes, limits.advice),
    )
    .with("max_bytes", limits.bytes)
}

fn too_slow(limits: Limits) -> Problem {
    Problem::new(
        ProblemCode::BodyTimeout,
        format!("The body must be here within {} s. Nothing was done.", limits.patience.as_secs_f32()),
    )
}

fn no_room() -> Problem {
    let detail = "The server has as many bodies in hand as it takes. Nothing of this one was used.";
    Problem::unavailable(ProblemCode::Overloaded, detail, 1)
}
