//! Small packets at once.
//!
//! The client (1.2.0) leaves Nagle's algorithm on (RFC 896) and gives no way to its sockets. A call is several
//! small writes, the second of which then waits until the server acknowledges the first, 40 ms by delayed
//! acknowledgement (RFC 1122, section 4.2.3.2). So we find the sockets of this process by ourselves, and turn it
//! off for those that have it on. Where that can't be done, calls are slower, and right.
//!
//! All descriptors of the process are looked through for that, so it is done seldom and beside the calls: once a
//! new client has had its first answer, and when calls are slow although nothing tells of a new connection, for
//! the client makes some by itself.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A call that takes longer may have waited for an acknowledgement.
const SLOW: Duration = Duration::from_millis(25);

/// How often the sockets are looked through because of slow calls: twice as seldom each time that this finds
/// nothing to do, so that a cluster that is slow by itself is left alone.
const AGAIN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(300);

/// When the sockets are looked through.
#[derive(Debug, Default)]
pub(super) struct NoDelay {
    turns: Mutex<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    /// There may be a new connection since then.
    new: Option<Instant>,
    /// When they were last looked through.
    last: Option<Instant>,
    pause: Duration,
}

impl Turns {
    /// Whether to look, after an answer came to a call that was made then.
    fn due(&mut self, made: Instant, now: Instant) -> bool {
        // A call that was made before may have gone over an older connection.
        let is_new = self.new.is_some_and(|new| made >= new);
        let slow = now.duration_since(made) >= SLOW;
        let rested = self.last.is_none_or(|last| now.duration_since(last) >= self.pause);
        let due = is_new || (slow && rested);
        if due {
            self.last = Some(now);
            self.pause = if is_new { AGAIN } else { (self.pause * 2).clamp(AGAIN, SELDOM) };
        }
        if is_new {
            self.new = None;
        }
        due
    }
}

impl NoDelay {
    /// The calls that are made from now on may go over a new connection.
    pub(super) fn expect_new(&self) {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).new = Some(Instant::now());
    }

    /// An answer came to a call that was made then.
    pub(super) fn answered(&self, made: Instant) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.due(made, Instant::now()) {
            drop(turns);
            // Nobody waits for it.
            let _looking = tokio::task::spawn_blocking(set);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_calls_are_looked_into_ever_more_seldom() {
        let (mut turns, begin) = (Turns::default(), Instant::now());
        let mut looks = Vec::new();
        // Ten minutes of a cluster that takes 50 ms for each call.
        for n in 0..12_000u32 {
            let made = begin + Duration::from_millis(50) * n;
            if turns.due(made, made + Duration::from_millis(50)) {
                looks.push(made.duration_since(begin).as_secs());
            }
        }
        assert_eq!(looks, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511]);
    }

    #[test]
    fn a_new_connection_is_looked_for_once_it_has_answered() {
        let (mut turns, begin) = (Turns::default(), Instant::now());
        let quick = Duration::from_millis(1);
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert!(!turns.due(after(0), after(0) + quick));
        turns.new = Some(after(2));
        assert!(!turns.due(after(1), after(1) + quick), "a call from before says nothing of it");
        assert!(turns.due(after(2), after(2) + quick));
        assert!(!turns.due(after(3), after(3) + quick));
    }
}
