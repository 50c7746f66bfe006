//! A wire between a client and a server, which can be cut and mended.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A wire to a server. Its own address stays the same, whether it is cut or not.
pub struct Wire {
    address: SocketAddr,
    server: String,
    carries: Option<JoinHandle<()>>,
}

impl Wire {
    /// A wire to the server of that URL (`http://HOST:PORT`).
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = url.trim_start_matches("http://").to_owned();
        let carries = Some(tokio::spawn(carry(listener, server.clone())));
        Self { address, server, carries }
    }

    /// The URL of the server by this wire.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
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
    /// When somebody else has taken the port.
    pub async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.carries = Some(tokio::spawn(carry(listener, self.server.clone())));
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(carries) = &self.carries {
            carries.abort();
        }
    }
}

async fn carry(listener: TcpListener, server: String) {
    let mut connections = JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let server = server.clone();
        connections.spawn(async move {
            let mut server = TcpStream::connect(server).await.unwrap();
            // Either side may close as it likes.
            let _closed = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
