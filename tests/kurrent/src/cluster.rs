//! Nodes that share their events, one of which leads.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use loopback::Loopback;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Request, Status};

use crate::faults::Faults;
use crate::proto::{EndPoint, GossipServer, MemberInfo, ServerFeaturesServer, StreamsServer};
use crate::rpc::Rpc;
use crate::store::Store;

const LEADER: i32 = 8;
const FOLLOWER: i32 = 6;

/// Some nodes. The first one leads at first.
pub struct Cluster {
    /// The nodes, also those that are dead.
    pub nodes: Vec<Node>,
    store: Arc<Store>,
    leader: Arc<AtomicUsize>,
    /// The ports of nodes that may be dead for a while.
    _places: Vec<Loopback>,
}

/// A node.
pub struct Node {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it does wrong.
    pub faults: Arc<Faults>,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

/// What the methods of a node know.
pub struct Shared {
    pub store: Arc<Store>,
    pub faults: Arc<Faults>,
    number: usize,
    leader: Arc<AtomicUsize>,
    /// All addresses, and whether their nodes are alive.
    members: Arc<Mutex<Vec<(SocketAddr, bool)>>>,
}

impl Cluster {
    /// Starts so many nodes on ports of their own.
    pub async fn start(count: usize) -> Self {
        let places: Vec<_> = std::iter::repeat_with(Loopback::take).take(count).collect();
        let listeners = futures::future::join_all(places.iter().map(Loopback::listen)).await;
        Self { _places: places, ..Self::on(listeners) }
    }

    /// Starts a node at each of these.
    pub fn on(listeners: Vec<TcpListener>) -> Self {
        let store = Arc::new(Store::default());
        let leader = Arc::new(AtomicUsize::new(0));
        let addresses: Vec<SocketAddr> =
            listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let members = Arc::new(Mutex::new(addresses.iter().map(|address| (*address, true)).collect()));
        let nodes = listeners.into_iter().enumerate().map(|(number, listener)| {
            let faults = Arc::new(Faults::default());
            let shared = Arc::new(Shared {
                store: store.clone(),
                faults: faults.clone(),
                number,
                leader: leader.clone(),
                members: members.clone(),
            });
            let serving = Some(tokio::spawn(serve(listener, shared.clone())));
            Node { address: addresses[number], faults, shared, serving }
        });
        let nodes = nodes.collect();
        Self { nodes, store, leader, _places: Vec::new() }
    }

    /// How clients reach it.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(|node| node.address.to_string()).collect();
        format!("kurrentdb://{}?tls=false", hosts.join(","))
    }

    /// Has so many events of somebody else appended, each of which takes so many bytes of the log.
    pub fn append_foreign(&self, stream: &str, count: usize, bytes: u64) {
        self.store.keep_foreign(stream, count, bytes);
    }

    /// Has its last events lost, whosever they are, as when it is restored to an earlier moment.
    pub fn lose(&self, events: usize) {
        self.store.lose(events);
    }

    /// Makes a node the leader.
    pub fn elect(&self, node: usize) {
        self.leader.store(node, Ordering::SeqCst);
    }
}

impl Node {
    /// Kills it: connections break, the address refuses.
    pub async fn kill(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            // It is gone when its task is.
            let _aborted = serving.await;
        }
        self.shared.set_alive(false);
    }

    /// Starts it again where it was.
    pub async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serving = Some(tokio::spawn(serve(listener, self.shared.clone())));
        self.shared.set_alive(true);
    }
}

impl Shared {
    fn set_alive(&self, alive: bool) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members[self.number].1 = alive;
    }

    /// What gossip tells.
    pub fn members(&self) -> Vec<MemberInfo> {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let leader = self.leader.load(Ordering::SeqCst);
        let member = |(number, (address, is_alive)): (usize, &(SocketAddr, bool))| MemberInfo {
            instance_id: None,
            time_stamp: 0,
            state: if number == leader { LEADER } else { FOLLOWER },
            is_alive: *is_alive,
            http_end_point: Some(EndPoint { address: address.ip().to_string(), port: address.port().into() }),
        };
        members.iter().enumerate().map(member).collect()
    }

    /// Refuses what only the leader does, and says who that is.
    pub fn must_lead(&self) -> Result<(), Status> {
        if Faults::takes(&self.faults.refuse) {
            return Err(Status::unavailable("the node is not ready"));
        }
        let leader = self.leader.load(Ordering::SeqCst);
        if leader == self.number {
            return Ok(());
        }
        let address = self.members.lock().unwrap_or_else(PoisonError::into_inner)[leader].0;
        let mut status = Status::not_found("Leader info available");
        let headers = status.metadata_mut();
        headers.insert("exception", "not-leader".parse().unwrap());
        headers.insert("leader-endpoint-host", address.ip().to_string().parse().unwrap());
        headers.insert("leader-endpoint-port", address.port().to_string().parse().unwrap());
        Err(status)
    }
}

async fn serve(listener: TcpListener, node: Arc<Shared>) {
    let (rpc, faults) = (Rpc(node.clone()), node.faults.clone());
    let streams = StreamsServer::new(rpc.clone()).max_decoding_message_size(usize::MAX);
    // Gossip and the server's features are told to everybody, as a real server does it.
    let streams = InterceptedService::new(streams, move |request: Request<()>| {
        let shown = request.metadata().get("authorization");
        faults.let_in(shown.map(|shown| shown.to_str().unwrap_or_default()))?;
        Ok(request)
    });
    let served = Server::builder()
        .add_service(streams)
        .add_service(GossipServer::new(rpc.clone()))
        .add_service(ServerFeaturesServer::new(rpc))
        .serve_with_incoming(TcpListenerStream::new(listener));
    served.await.unwrap();
}
