//! Connections: accepted up to a bound, over TLS or not, spoken with in HTTP/1.1 or HTTP/2, closed when they keep
//! silent or take no answer, finished when we stop.
//!
//! Where there is no room left, connections that have shown no good token make way for new ones: see [`strangers`].

mod connection;
mod service;
mod strangers;
mod streams;
mod unread;
mod wire;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use connection::Connection;
use service::Answering;
use strangers::Strangers;
use streams::Streams;
use wire::Wire;

use crate::listeners::Listeners;

/// How long requests may go on after the order to stop. What the log has accepted is finished anyway.
const GRACE: Duration = Duration::from_secs(8);

/// How long a connection on which nothing goes on may take to end in an orderly way.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long nothing is accepted after accepting failed, as it does when there are no more files.
const PAUSE: Duration = Duration::from_millis(100);

/// The most that is kept of a request's head, and of an answer that a slow reader has not taken.
const BUFFER: usize = 64 * 1024;

/// How many requests may be under way at once on one connection of HTTP/2 (RFC 9113, section 6.5.2, wants 100
/// at least): each open page of the hub has a stream that stays.
const STREAMS: u32 = 256;

/// How much of its bodies a client of HTTP/2 may send before they are read: on one stream, and on all together.
const AHEAD: (u32, u32) = (256 * 1024, 512 * 1024);

/// How often a connection of HTTP/2 is asked whether its client is there, and how long the answer may take.
const PING: Duration = Duration::from_secs(20);

/// How connections are served.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// How many there may be at once.
    pub max_connections: usize,
    /// How long one may be idle between two requests. Balancers keep theirs for 60 s, and must be the first to
    /// close them: what they send while we close is lost.
    pub keep_alive: Duration,
    /// How long a new connection may take to say what it wants: the head of its first request.
    pub silence: Duration,
    /// How long a client may take nothing of what it asked for, be it an answer or a stream of events.
    pub unread: Duration,
    /// Certificate and key, where connections are encrypted.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            max_connections: 12_000,
            keep_alive: Duration::from_secs(75),
            silence: Duration::from_secs(30),
            unread: Duration::from_secs(30),
            tls: None,
        }
    }
}

/// What all connections of a server share.
struct Server {
    router: Router,
    config: ServeConfig,
    http: auto::Builder<Streams>,
    shutdown: CancellationToken,
}

/// Answers requests until `shutdown`, then takes no new ones and lets those that are here finish.
///
/// # Errors
/// None at present; the caller treats an end that nobody asked for as a failure.
pub async fn serve(
    listeners: impl Into<Listeners>,
    router: Router,
    config: ServeConfig,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let listeners = listeners.into();
    let room = Arc::new(Semaphore::new(config.max_connections.max(1)));
    let (strangers, open, cut) = (Strangers::default(), TaskTracker::new(), CancellationToken::new());
    let router = router.layer(from_fn(unread::finish));
    let http = protocols(config.unread);
    let server = Arc::new(Server { router, config, http, shutdown: shutdown.clone() });
    while let Some(stream) = shutdown.run_until_cancelled(accept(&listeners)).await {
        let Some(permit) = shutdown.run_until_cancelled(place(&room, &strangers)).await else { break };
        let gone = cut.child_token();
        let connection = Arc::new(Connection::new(strangers.admit(gone.clone())));
        let server = server.clone();
        open.spawn(async move {
            if gone.run_until_cancelled(server.attend(stream, connection)).await.is_none() {
                tracing::debug!("a connection was cut");
            }
            drop(permit);
        });
    }
    drop(listeners);
    open.close();
    tokio::select! {
        () = open.wait() => {}
        // A client that never finishes its request must not keep the process alive.
        () = tokio::time::sleep(GRACE) => {
            tracing::warn!("some connections did not end in time and are cut");
            cut.cancel();
            open.wait().await;
        }
    }
    Ok(())
}

/// Both protocols, told apart by how a client begins (RFC 9113, section 3.3: with prior knowledge).
fn protocols(unread: Duration) -> auto::Builder<Streams> {
    let mut http = auto::Builder::new(Streams { unread });
    // How long a head may take is the connection's to say: it counts for both protocols.
    http.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(AHEAD.0)
        .initial_connection_window_size(AHEAD.1)
        .max_header_list_size(BUFFER as u32)
        .max_send_buf_size(BUFFER)
        // Clients that open streams only to reset them (CVE-2023-44487), or make us reset them, are sent away.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(256)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    http
}

async fn accept(listeners: &Listeners) -> TcpStream {
    loop {
        match listeners.accept().await {
            Ok((stream, _)) => {
                // Answers are small: waiting to fill a packet would only delay them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "can't set TCP_NODELAY");
                }
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A place for one more connection. Where there is none, a stranger makes way; where all are known, it waits.
async fn place(room: &Arc<Semaphore>, strangers: &Strangers) -> OwnedSemaphorePermit {
    if let Ok(permit) = room.clone().try_acquire_owned() {
        return permit;
    }
    strangers.send_one_away();
    match room.clone().acquire_owned().await {
        Ok(permit) => permit,
        // Nobody closes the semaphore.
        Err(_) => std::future::pending().await,
    }
}

impl Server {
    /// Serves a connection to its end.
    async fn attend(&self, stream: TcpStream, connection: Arc<Connection>) {
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream.as_mut().set_write_timeout_pinned(Some(self.config.unread));
        let Some(tls) = &self.config.tls else { return self.speak(stream, connection).await };
        let hands = TlsAcceptor::from(tls.clone()).accept(stream);
        let hands = tokio::time::timeout(self.config.silence, hands);
        match self.shutdown.run_until_cancelled(hands).await {
            Some(Ok(Ok(stream))) => self.speak(stream, connection).await,
            Some(Ok(Err(error))) => tracing::debug!(%error, "a client does not agree on TLS"),
            Some(Err(_)) => tracing::debug!("a client took too long to agree on TLS"),
            None => {}
        }
    }

    async fn speak<I>(&self, io: I, connection: Arc<Connection>)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let wire = TokioIo::new(Wire::new(io, connection.clone()));
        let answering = Answering::new(self.router.clone(), connection.clone(), self.config.tls.is_some());
        let mut talk = pin!(self.http.serve_connection(wire, answering));
        tokio::select! {
            ended = talk.as_mut() => return note(ended),
            () = connection.falls_silent(self.config.silence, self.config.keep_alive) => {}
            () = self.shutdown.cancelled() => {}
        }
        if !connection.has_requested() {
            return;
        }
        // Whatever is under way is finished, and the client told that there will be no more.
        talk.as_mut().graceful_shutdown();
        loop {
            tokio::select! {
                ended = talk.as_mut() => return note(ended),
                () = tokio::time::sleep(FAREWELL) => {
                    if connection.is_quiet() {
                        return;
                    }
                }
            }
        }
    }
}

fn note(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
