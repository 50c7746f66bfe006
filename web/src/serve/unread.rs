//! What is left of a request that was answered before all of it had come.
//!
//! On HTTP/1.1 the next request comes after it on the same connection. A small rest is read and thrown away, so
//! that the connection can go on; where there may be more, the answer says that it is the last one, and what
//! still comes is thrown away until the client has read that. Closed without a word, a client would lose the
//! answer, or the next request that it sends.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Version};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

use super::connection::Connection;

/// The largest rest that is read to keep a connection, in bytes.
const LARGEST_REST: u64 = 256 * 1024;

/// How long it may take. Most of it is here already.
const PATIENCE: Duration = Duration::from_millis(250);

/// Sees to it that nothing of the request is left when it is answered, or says that it is the last.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    // A client that waits for leave to send a body (RFC 9110, section 10.1.1) is given that by the first look at it.
    let waits_for_leave = request.headers().contains_key(EXPECT);
    let (head, body) = request.into_parts();
    let rest = Rest(Arc::new(Mutex::new(Left { body, wanted: false, ended: false, broken: false })));
    let mut response = next.run(Request::from_parts(head, Body::new(rest.clone()))).await;
    if !rest.read_to_end(waits_for_leave).await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        if let Some(connection) = connection {
            connection.leave_unread();
        }
    }
    response
}

/// A body that can still be read when who was given it has dropped it.
#[derive(Debug, Clone)]
struct Rest(Arc<Mutex<Left>>);

#[derive(Debug)]
struct Left {
    body: Body,
    /// Whether anybody has looked at it.
    wanted: bool,
    /// Whether there is no more of it.
    ended: bool,
    /// Whether the client has broken off, or spoken wrongly.
    broken: bool,
}

impl Rest {
    fn left(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is left, if that is little.
    async fn read_to_end(mut self, waits_for_leave: bool) -> bool {
        {
            let left = self.left();
            if left.broken {
                return false;
            }
            if left.ended || left.body.is_end_stream() {
                return true;
            }
            if left.body.size_hint().lower() > LARGEST_REST || (waits_for_leave && !left.wanted) {
                return false;
            }
        }
        let reading = async {
            let mut read = 0;
            while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
                let Ok(frame) = frame else { return false };
                read += frame.data_ref().map_or(0, |data| data.len() as u64);
                if read > LARGEST_REST {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or(false)
    }
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut left = self.left();
        left.wanted = true;
        let polled = Pin::new(&mut left.body).poll_frame(cx);
        match polled {
            Poll::Ready(None) => left.ended = true,
            Poll::Ready(Some(Err(_))) => left.broken = true,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let left = self.left();
        left.ended || left.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left().body.size_hint()
    }
}
