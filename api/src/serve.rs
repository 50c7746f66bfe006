//! Connections: accepted up to a bound, closed when they keep silent or take no answer, finished when we stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

/// How long a connection may take to say what it wants: the head of its first request, and of each next.
const SILENCE: Duration = Duration::from_secs(30);

/// How long a client may take nothing of what it asked for, be it an answer or a stream of events.
const UNREAD: Duration = Duration::from_secs(30);

/// How long requests may go on after the order to stop. What the log has accepted is finished anyway.
const GRACE: Duration = Duration::from_secs(8);

/// How long nothing is accepted after accepting failed, as it does when there are no more files.
const PAUSE: Duration = Duration::from_millis(100);

/// The most that is kept of a request's head, and of an answer that a slow reader has not taken.
const BUFFER: usize = 64 * 1024;

/// Answers requests until `shutdown`, then takes no new ones and lets those that are here finish. More
/// than `max_connections` at once wait to be accepted.
///
/// # Errors
/// None at present; the caller treats an end that nobody asked for as a failure.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    max_connections: usize,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_patiently(listener, router, max_connections, UNREAD, shutdown).await
}

async fn serve_patiently(
    listener: TcpListener,
    router: Router,
    max_connections: usize,
    unread: Duration,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(max_connections.max(1)));
    let open = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(SILENCE).max_buf_size(BUFFER);
    while let Some((stream, permit)) = shutdown.run_until_cancelled(accept(&listener, &room)).await {
        let service = TowerToHyperService::new(router.clone());
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(unread));
        let connection = open.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(permit);
        });
    }
    drop(listener);
    tokio::select! {
        () = open.shutdown() => {}
        // A client that never finishes its request must not keep the process alive.
        () = tokio::time::sleep(GRACE) => tracing::warn!("some connections did not end in time and are cut"),
    }
    Ok(())
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        // Nobody closes the semaphore.
        let Ok(permit) = room.clone().acquire_owned().await else { return std::future::pending().await };
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small: waiting to fill a packet would only delay them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "can't set TCP_NODELAY");
                }
                return (stream, permit);
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn who_takes_no_answer_makes_room_for_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // More than both sides' buffers hold.
        let router = Router::new().route("/", get(async || vec![b'.'; 32 << 20]));
        let stop = CancellationToken::new();
        let unread = Duration::from_millis(200);
        let serving = tokio::spawn(serve_patiently(listener, router, 1, unread, stop.clone()));

        let mut deaf = TcpStream::connect(address).await.unwrap();
        deaf.write_all(ASK).await.unwrap();
        let mut other = TcpStream::connect(address).await.unwrap();
        other.write_all(ASK).await.unwrap();
        let mut answer = Vec::new();
        let answered = other.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(60), answered).await.expect("there is room").unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200") && answer.len() > 32 << 20);
        drop(deaf);
        stop.cancel();
        serving.await.unwrap().unwrap();
    }
}
