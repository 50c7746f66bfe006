//! What the client does with its sockets.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use eventlog::EventLog;
use kurrent_server::Cluster;
use rustix::net::sockopt::tcp_nodelay;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::{append, log, soon};

/// The sockets of this process that are connected to that address.
fn connected_to(address: SocketAddr) -> Vec<OwnedFd> {
    let this = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let numbers = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers = numbers.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let sockets = numbers.filter_map(|number| pidfd_getfd(&this, number, PidfdGetfdFlags::empty()).ok());
    let peer = |socket: &OwnedFd| rustix::net::getpeername(socket).ok().flatten()?.try_into().ok();
    sockets.filter(|socket| peer(socket) == Some(address)).collect()
}

#[tokio::test]
async fn packets_are_sent_at_once_also_after_another_leader() {
    let cluster = Cluster::start(2).await;
    let log = log(&cluster);
    for (leader, last) in [(0, None), (1, Some(0))] {
        cluster.elect(leader);
        append(&log, "run-a", last).await;
        let address = cluster.nodes[leader].address;
        // It is done beside the calls, after the first one of a connection.
        let quick = async {
            while connected_to(address).iter().any(|socket| tcp_nodelay(socket) != Ok(true)) {
                tokio::task::yield_now().await;
            }
        };
        soon(quick).await;
        assert!(!connected_to(address).is_empty());
        log.check().await.unwrap();
    }
}
