//! The bytes of a connection on HTTP/1.1, on their way in and out.
//!
//! Two things can only be done here. What is no request at all never reaches the routes: hyper refuses it by a
//! head without a body, which is given one, as every error has. And a connection that is closed while its client
//! still sends would take the last answer with it: what still comes is read and thrown away for a moment.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use api::problem::Problem;
use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use uuid::Uuid;

use super::connection::Connection;
use crate::head;

/// How long what still comes is thrown away after the last answer.
const LINGER: Duration = Duration::from_secs(2);

/// How much of it is read at once.
const PIECE: usize = 16 * 1024;

/// A connection's bytes.
#[derive(Debug)]
pub(super) struct Wire<I> {
    io: I,
    connection: Arc<Connection>,
    /// What is written in the place of what hyper has, from here on.
    instead: Vec<u8>,
    written: usize,
    lingers: Option<Pin<Box<Sleep>>>,
}

impl<I> Wire<I> {
    pub(super) fn new(io: I, connection: Arc<Connection>) -> Self {
        Self { io, connection, instead: Vec::new(), written: 0, lingers: None }
    }

    /// Keeps our answer in mind where `bytes` are hyper's own refusal.
    fn takes_over(&mut self, bytes: &[u8]) -> bool {
        let Some(answer) = with_problem(bytes, self.connection.is_on_first_line()) else { return false };
        // Whatever it was, nobody reads on.
        self.connection.leave_unread();
        (self.instead, self.written) = (answer, 0);
        true
    }
}

impl<I: AsyncWrite + Unpin> Wire<I> {
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.instead.get(self.written..) {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Wire<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.connection.received(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        if self.takes_over(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        if let [head] = bufs
            && self.takes_over(head)
        {
            return Poll::Ready(Ok(head.len()));
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        if self.lingers.is_none() {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            if !self.connection.has_left_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        let this = &mut *self;
        let lingers = this.lingers.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut thrown_away = [0; PIECE];
        while lingers.as_mut().poll(cx).is_pending() {
            let mut piece = ReadBuf::new(&mut thrown_away);
            // An end, or an error, is what is waited for.
            if ready!(Pin::new(&mut this.io).poll_read(cx, &mut piece)).is_err() || piece.filled().is_empty()
            {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// hyper's own refusal with a problem as its body; none when `bytes` are something else. Every answer of ours
/// has a body, or a request's id, so what is a whole head, refuses, and has neither is hyper's.
fn with_problem(bytes: &[u8], on_first_line: bool) -> Option<Vec<u8>> {
    if !bytes.starts_with(b"HTTP/1.") || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let problem = match (StatusCode::from_u16(status).ok()?, on_first_line) {
        (StatusCode::BAD_REQUEST, _) => {
            Problem::malformed("What came is no request of HTTP/1.1: a line of its head has another form.")
        }
        (StatusCode::URI_TOO_LONG, _) | (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, true) => {
            head::uri_too_long()
        }
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, false) => head::headers_too_large(),
        _ => return None,
    };
    let (first, second) = text.split_once("content-length: 0\r\n")?;
    if text.contains("x-request-id") {
        return None;
    }
    let headers = first.split_once("\r\n").map_or("", |(_, headers)| headers);
    let body = serde_json::to_string(&problem).ok()?;
    let reason = StatusCode::from_u16(problem.status).ok()?;
    let answer = format!(
        "HTTP/1.1 {reason}\r\n{headers}content-type: application/problem+json\r\ncontent-length: {length}\r\n\
         x-request-id: {id}\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n{second}{body}",
        length = body.len(),
        id = Uuid::new_v4(),
    );
    Some(answer.into_bytes())
}
