//! The messages and services of the protocol, made of what `proto/` says of them.
#![allow(missing_docs, reason = "the protocol's own documentation says what they are")]

mod generated {
    #![allow(clippy::all, clippy::pedantic, reason = "nobody has written it")]
    include!(concat!(env!("OUT_DIR"), "/protocol.rs"));
}

pub use generated::event_store::client::gossip::gossip_server::{Gossip, GossipServer};
pub use generated::event_store::client::gossip::{ClusterInfo, EndPoint, MemberInfo};
pub use generated::event_store::client::server_features::server_features_server::{
    ServerFeatures, ServerFeaturesServer,
};
pub use generated::event_store::client::server_features::{SupportedMethod, SupportedMethods};
pub use generated::event_store::client::streams::streams_server::{Streams, StreamsServer};
pub use generated::event_store::client::streams::target::Expected;
pub use generated::event_store::client::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, Position, ProposedMessage, ReadReq, ReadResp,
    Target, TargetReq, TargetResp, append_req, append_resp, batch_append_req, batch_append_resp, read_req,
    read_resp,
};
pub use generated::event_store::client::{Empty, StreamIdentifier, Uuid, uuid};
