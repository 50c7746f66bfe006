//! What the client does with its sockets.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use eventlog::EventLog;
use eventlog::kurrent::{KurrentConfig, KurrentLog};
use kurrent_server::Cluster;
use rustix::net::sockopt::tcp_nodelay;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::net::{TcpListener, TcpStream};

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

/// Until small packets to the address are sent at once. That is seen to beside the calls, after the first one of a
/// connection.
async fn quick(address: SocketAddr) {
    soon(async {
        while connected_to(address).iter().any(|socket| tcp_nodelay(socket) != Ok(true)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!connected_to(address).is_empty());
}

#[tokio::test]
async fn packets_are_sent_at_once_also_after_another_leader() {
    let cluster = Cluster::start(2).await;
    let log = log(&cluster);
    for (leader, last) in [(0, None), (1, Some(0))] {
        cluster.elect(leader);
        append(&log, "run-a", last).await;
        quick(cluster.nodes[leader].address).await;
        log.check().await.unwrap();
    }
}

/// The client is told of two nodes, and hears from these that a third one leads.
#[tokio::test]
async fn packets_are_sent_at_once_to_a_node_that_only_the_others_name() {
    let cluster = Cluster::start(3).await;
    cluster.elect(2);
    let third = format!(",{}", cluster.nodes[2].address);
    let log = KurrentLog::open(KurrentConfig::parse(&cluster.url().replace(&third, "")).unwrap()).unwrap();
    append(&log, "run-a", None).await;
    quick(cluster.nodes[2].address).await;
}

/// Others of this process may want to wait for full packets.
#[tokio::test]
async fn sockets_to_elsewhere_are_left_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    assert!(!other.nodelay().unwrap());
    let cluster = Cluster::start(1).await;
    append(&log(&cluster), "run-a", None).await;
    quick(cluster.nodes[0].address).await;
    assert!(!other.nodelay().unwrap());
}
