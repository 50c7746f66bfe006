//! Where we listen: an address, or a host's name with all its addresses.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use tokio::net::{TcpListener, lookup_host};
use web::Listeners;

use crate::error::Error;

/// How often another free port is looked for when one host's addresses must share it.
const TRIES: usize = 16;

/// A host, by its name or address, and a port; 0 picks a free one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    host: String,
    port: u16,
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "write HOST:PORT, such as 127.0.0.1:7311, localhost:7311, [::1]:7311 or, for all addresses, 0.0.0.0:7311"
                .to_owned()
        };
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // An address of IPv6 without its brackets would lose its last part to the port.
        if bare.is_empty() || (bare == host && host.contains(':')) || bare.contains(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self { host: bare.to_owned(), port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Listens on all addresses that a host has, and on the same port of each.
///
/// # Errors
/// [`Error::Listen`] when the name is unknown, or one of its addresses is taken or not ours.
pub async fn on(address: &ListenAddress) -> Result<Listeners, Error> {
    let failed = |source| Error::Listen { address: address.to_string(), source };
    let mut addresses: Vec<SocketAddr> =
        lookup_host((address.host.as_str(), address.port)).await.map_err(failed)?.collect();
    addresses.dedup();
    let mut tries = 0;
    loop {
        match all(&addresses).await {
            // The port that the first address picked is somebody's on another one.
            Err(error) if address.port == 0 && error.kind() == io::ErrorKind::AddrInUse && tries < TRIES => {
                tries += 1
            }
            listeners => return listeners.map(Listeners::from).map_err(failed),
        }
    }
}

async fn all(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut absent = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        let mut address = *address;
        if let Some(first) = listeners.first() {
            address.set_port(first.local_addr()?.port());
        }
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            // A name may have addresses of a family that this machine does not speak.
            Err(error) if is_absent(&error) => absent = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(absent) } else { Ok(listeners) }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        for (text, host, port) in [
            ("127.0.0.1:7311", "127.0.0.1", 7311),
            ("localhost:0", "localhost", 0),
            ("[::1]:80", "::1", 80),
            ("ledger.example.com:65535", "ledger.example.com", 65535),
        ] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port));
            assert_eq!(address.to_string(), text);
        }
        for wrong in ["", "7311", "localhost", ":7311", "localhost:", "localhost:65536", "::1:7311", "a b:1"]
        {
            assert!(wrong.parse::<ListenAddress>().unwrap_err().contains("HOST:PORT"), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_name_listens_on_all_its_addresses_with_one_port() {
        let listeners = on(&"localhost:0".parse().unwrap()).await.unwrap();
        let addresses = listeners.addresses().unwrap();
        let port = addresses[0].port();
        assert!(port != 0 && addresses.iter().all(|address| address.port() == port), "{addresses:?}");
        assert!(addresses.iter().all(|address| address.ip().is_loopback()), "{addresses:?}");
        for address in &addresses {
            tokio::net::TcpStream::connect(address).await.unwrap();
            listeners.accept().await.unwrap();
        }
        let taken = on(&ListenAddress { host: "localhost".into(), port }).await.unwrap_err().to_string();
        assert!(taken.contains(&format!("localhost:{port}")) && taken.contains("--listen"), "{taken}");
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_told_so() {
        let unknown = on(&"no-such-host.invalid:0".parse().unwrap()).await.unwrap_err().to_string();
        assert!(unknown.contains("no-such-host.invalid:0"), "{unknown}");
    }
}
