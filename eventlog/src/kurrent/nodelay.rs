//! Small packets at once.
//!
//! The client (1.2.0) leaves Nagle's algorithm on (RFC 896) and gives no way to its sockets. A call is several
//! small writes, the second of which then waits until the server acknowledges the first, 40 ms by delayed
//! acknowledgement (RFC 1122, section 4.2.3.2). So we find the sockets of this process by ourselves, and turn it
//! off for those that have it on. Where that can't be done, calls are slower, and right.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// A call that takes longer may have waited for an acknowledgement.
const SLOW: Duration = Duration::from_millis(25);
/// How often the sockets are looked through, at most.
const AGAIN: Duration = Duration::from_secs(1);

/// When the sockets were last looked through.
#[derive(Debug, Default)]
pub(super) struct NoDelay {
    last: Mutex<Option<Instant>>,
}

impl NoDelay {
    /// A call took so long: perhaps there is a new connection.
    pub(super) fn after_call(&self, took: Duration) {
        if took < SLOW {
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= AGAIN) {
            *last = Some(Instant::now());
            drop(last);
            set();
        }
    }
}

#[cfg(target_os = "linux")]
fn set() {
    if let Err(error) = set_all() {
        tracing::debug!(%error, "can't set TCP_NODELAY on the event log's connections: calls take longer");
    }
}

#[cfg(not(target_os = "linux"))]
fn set() {}

/// Every descriptor of this process that is a socket, by a copy of it, which is the same socket.
#[cfg(target_os = "linux")]
fn set_all() -> std::io::Result<()> {
    use rustix::net::sockopt::{set_tcp_nodelay, tcp_nodelay};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let is_socket = std::fs::read_link(entry.path())
            .is_ok_and(|to| to.as_os_str().as_encoded_bytes().starts_with(b"socket:"));
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|_| is_socket) else { continue };
        match pidfd_getfd(&this, number, PidfdGetfdFlags::empty()) {
            // Sockets of other kinds have no such option.
            Ok(socket) => {
                if tcp_nodelay(&socket) == Ok(false) {
                    set_tcp_nodelay(&socket, true)?;
                }
            }
            // It was closed meanwhile.
            Err(rustix::io::Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
