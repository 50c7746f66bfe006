//! Addresses of this machine that tests keep while nobody listens there.

// For tests: where no port can be had, the test ends.
#![allow(clippy::unwrap_used)]

use std::fmt;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// An address whose port stays ours, whether anybody listens there or not: without a listener it refuses
/// connections. A port that is only looked for and let go again may be another's by the time that it is needed,
/// and be it for a connection that goes out.
///
/// Servers listen on it as on any other (with `SO_REUSEADDR`, as all do that are restarted): a socket that is
/// bound and does not listen is not in their way.
#[derive(Debug)]
pub struct Loopback {
    address: SocketAddr,
    _bound: TcpSocket,
}

impl Loopback {
    /// Takes one.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn take() -> Self {
        let bound = TcpSocket::new_v4().unwrap();
        bound.set_reuseaddr(true).unwrap();
        bound.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self { address: bound.local_addr().unwrap(), _bound: bound }
    }

    /// The address, for those who connect or listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens there.
    ///
    /// # Panics
    /// When somebody listens there already.
    pub async fn listen(&self) -> TcpListener {
        TcpListener::bind(self.address).await.unwrap()
    }
}

impl fmt::Display for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_port_is_kept_and_refuses_while_nobody_listens() {
        let place = Loopback::take();
        for _ in 0..2 {
            let refused = TcpStream::connect(place.address()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let listener = place.listen().await;
            let (joined, accepted) = tokio::join!(TcpStream::connect(place.address()), listener.accept());
            assert!(joined.is_ok() && accepted.is_ok());
        }
    }

    #[tokio::test]
    async fn nobody_else_gets_it() {
        let place = Loopback::take();
        // All others that can be had: none of them is this one.
        let mut others = Vec::new();
        while let Ok(other) = std::net::TcpListener::bind("127.0.0.1:0") {
            assert_ne!(other.local_addr().unwrap(), place.address());
            others.push(other);
            if others.len() == 500 {
                break;
            }
        }
    }
}
