//! A wire between a client and a server, which can be cut and mended, or held.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loopback::Loopback;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A wire to a server. Its own address stays the same, whether it is cut or not.
pub struct Wire {
    place: Loopback,
    server: String,
    carries: Option<JoinHandle<()>>,
    /// Whether what is sent arrives.
    flows: watch::Sender<bool>,
    accepted: Arc<AtomicUsize>,
}

impl Wire {
    /// A wire to the server of that URL (`http://HOST:PORT`).
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(url: &str) -> Self {
        let place = Loopback::take();
        let listener = place.listen().await;
        let server = url.trim_start_matches("http://").to_owned();
        let flows = watch::Sender::new(true);
        let accepted = Arc::default();
        let carries =
            Some(tokio::spawn(carry(listener, server.clone(), flows.clone(), Arc::clone(&accepted))));
        Self { place, server, carries, flows, accepted }
    }

    /// The URL of the server by this wire.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.place)
    }

    /// How many connections were made by it.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Cuts all connections, and lets none through.
    pub async fn cut(&mut self) {
        if let Some(carries) = self.carries.take() {
            carries.abort();
            // It is gone when its task is.
            let _aborted = carries.await;
        }
    }

    /// Lets connections through again.
    ///
    /// # Panics
    /// When it was not cut.
    pub async fn mend(&mut self) {
        let listener = self.place.listen().await;
        let (server, flows) = (self.server.clone(), self.flows.clone());
        self.carries = Some(tokio::spawn(carry(listener, server, flows, self.accepted.clone())));
    }

    /// Lets nothing arrive any more on any connection, while none is closed: as when a network is gone, and
    /// nobody hears of it.
    pub fn hold(&self) {
        self.flows.send_replace(false);
    }

    /// Lets everything arrive again.
    pub fn release(&self) {
        self.flows.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(carries) = &self.carries {
            carries.abort();
        }
    }
}

async fn carry(
    listener: TcpListener,
    server: String,
    flows: watch::Sender<bool>,
    accepted: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        accepted.fetch_add(1, Ordering::Relaxed);
        let (server, flows) = (server.clone(), flows.clone());
        connections.spawn(async move {
            let server = TcpStream::connect(server).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // Either side may close as it likes.
            tokio::join!(
                pass(from_client, to_server, flows.subscribe()),
                pass(from_server, to_client, flows.subscribe())
            );
        });
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flows: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let flows = flows.wait_for(|flows| *flows).await.is_ok();
        if !flows || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    // What came before the end has been passed on, and so is the end.
    let _closed = to.shutdown().await;
}
