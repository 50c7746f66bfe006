//! The sockets of this process that are connected to given addresses.

use std::net::SocketAddr;

/// Turns Nagle's algorithm off for those of them that have it on. All others are left alone: whose they are is not
/// known.
pub(super) fn set_nodelay(addresses: &[SocketAddr]) {
    #[cfg(target_os = "linux")]
    if let Err(error) = linux::set_nodelay(addresses) {
        tracing::debug!(%error, "can't set TCP_NODELAY on the event log's connections: calls take longer");
    }
    #[cfg(not(target_os = "linux"))]
    let _elsewhere = addresses;
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::net::SocketAddr;
    use std::os::fd::OwnedFd;

    use rustix::io::Errno;
    use rustix::net::getpeername;
    use rustix::net::sockopt::{set_tcp_nodelay, tcp_nodelay};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    /// By copies of this process's descriptors, which are the same sockets.
    pub(super) fn set_nodelay(addresses: &[SocketAddr]) -> io::Result<()> {
        let this = pidfd_open(getpid(), PidfdFlags::empty())?;
        for entry in std::fs::read_dir("/proc/self/fd")? {
            let entry = entry?;
            let is_socket = std::fs::read_link(entry.path())
                .is_ok_and(|to| to.as_os_str().as_encoded_bytes().starts_with(b"socket:"));
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(number) = number.filter(|_| is_socket) else { continue };
            match pidfd_getfd(&this, number, PidfdGetfdFlags::empty()) {
                Ok(socket) => {
                    let is_meant = peer(&socket).is_some_and(|peer| addresses.contains(&peer));
                    if is_meant && tcp_nodelay(&socket) == Ok(false) {
                        set_tcp_nodelay(&socket, true)?;
                    }
                }
                // It was closed meanwhile.
                Err(Errno::BADF) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What it is connected to; none of sockets of other kinds.
    fn peer(socket: &OwnedFd) -> Option<SocketAddr> {
        getpeername(socket).ok().flatten()?.try_into().ok()
    }
}
