//! Small packets at once.
//!
//! The client (1.2.0) leaves Nagle's algorithm on (RFC 896): its connector is made inside it, with the default of
//! hyper's, and it gives no way to either. A call is several small writes, the second of which then waits until the
//! server acknowledges the first, 40 ms by delayed acknowledgement (RFC 1122, section 4.2.3.2). So the sockets of this
//! process that are connected to nodes of the cluster are found, and it is turned off for them, see
//! [`sockets`](super::sockets). Where that can't be done, calls are slower, and right.
//!
//! All descriptors of the process are looked through for that, so it is done seldom and beside the calls: once a
//! new client has had its first answer, and when calls are slow although nothing tells of a new connection, for
//! the client makes some by itself.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eventstore::{ClientSettings, Endpoint, operations};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::sockets;

/// A call that takes longer may have waited for an acknowledgement.
const SLOW: Duration = Duration::from_millis(25);

/// How often the sockets are looked through because of slow calls: twice as seldom each time that this finds
/// nothing to do, so that a cluster that is slow by itself is left alone.
const AGAIN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(300);

/// How long the nodes may take to name the leader.
const LEADER_WITHIN: Duration = Duration::from_secs(5);

/// Host and port of a node.
type Node = (String, u16);

/// When the sockets are looked through, and for which nodes.
pub(super) struct NoDelay {
    turns: Mutex<Turns>,
    nodes: Arc<Nodes>,
}

/// The nodes that the client may be connected to.
struct Nodes {
    settings: ClientSettings,
    /// Those that were named as the leader.
    leaders: Mutex<BTreeSet<Node>>,
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
    /// For the connections of a client with these settings.
    pub(super) fn new(settings: ClientSettings) -> Self {
        let nodes = Nodes { settings, leaders: Mutex::default() };
        Self { turns: Mutex::default(), nodes: Arc::new(nodes) }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls that are made from now on may go over a new connection.
    pub(super) fn expect_new(&self) {
        self.turns().new = Some(Instant::now());
    }

    /// The client goes to that node from now on.
    pub(super) fn expect_new_at(&self, leader: &Endpoint) {
        self.nodes.leaders.lock().unwrap_or_else(PoisonError::into_inner).extend(node(leader));
        self.expect_new();
    }

    /// An answer came to a call that was made then.
    pub(super) fn answered(&self, made: Instant) {
        if self.turns().due(made, Instant::now()) {
            let nodes = self.nodes.clone();
            // Nobody waits for it.
            let _looking = tokio::spawn(async move {
                let addresses = nodes.addresses().await;
                tokio::task::spawn_blocking(move || sockets::set_nodelay(&addresses)).await
            });
        }
    }
}

impl Nodes {
    /// Where they are, as far as their names are known.
    async fn addresses(&self) -> Vec<SocketAddr> {
        let mut nodes = self.leaders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        nodes.extend(self.settings.hosts().iter().filter_map(node));
        nodes.extend(self.leader().await);
        let mut addresses = Vec::new();
        for (host, port) in nodes {
            match lookup_host((host.as_str(), port)).await {
                Ok(found) => addresses.extend(found),
                Err(error) => {
                    tracing::debug!(host, %error, "a node of the event log's cluster has no address")
                }
            }
        }
        addresses
    }

    /// The one that others name as the leader: a client that is told of several nodes asks them, and goes to the
    /// address that it hears.
    async fn leader(&self) -> Option<Node> {
        if self.settings.hosts().len() == 1 && !self.settings.is_dns_discovery_enabled() {
            return None;
        }
        // A client of its own: the other one does not tell where it is.
        let client = operations::Client::new(self.settings.clone()).ok()?;
        node(&timeout(LEADER_WITHIN, client.current_selected_node()).await.ok()?.ok()?)
    }
}

fn node(at: &Endpoint) -> Option<Node> {
    Some((at.host.clone(), u16::try_from(at.port).ok()?))
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
