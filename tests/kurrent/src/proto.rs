//! The messages of the protocol, as far as they are used here.
#![allow(missing_docs, reason = "the protocol's own documentation says what they are")]

mod appends;

use std::collections::HashMap;

pub use appends::*;

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Empty {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Uuid {
    #[prost(oneof = "uuid::Value", tags = "1, 2")]
    pub value: Option<uuid::Value>,
}

pub mod uuid {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        #[prost(message, tag = "1")]
        Structured(Structured),
        #[prost(string, tag = "2")]
        String(String),
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Structured {
        #[prost(int64, tag = "1")]
        pub most_significant_bits: i64,
        #[prost(int64, tag = "2")]
        pub least_significant_bits: i64,
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamIdentifier {
    #[prost(bytes = "vec", tag = "3")]
    pub stream_name: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Position {
    #[prost(uint64, tag = "1")]
    pub commit_position: u64,
    #[prost(uint64, tag = "2")]
    pub prepare_position: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadReq {
    #[prost(message, optional, tag = "1")]
    pub options: Option<read_req::Options>,
}

pub mod read_req {
    use super::{Empty, Position, StreamIdentifier};

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Options {
        #[prost(oneof = "StreamOption", tags = "1, 2")]
        pub stream_option: Option<StreamOption>,
        #[prost(int32, tag = "3")]
        pub read_direction: i32,
        #[prost(bool, tag = "4")]
        pub resolve_links: bool,
        #[prost(oneof = "CountOption", tags = "5, 6")]
        pub count_option: Option<CountOption>,
        #[prost(oneof = "FilterOption", tags = "7, 8")]
        pub filter_option: Option<FilterOption>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum StreamOption {
        #[prost(message, tag = "1")]
        Stream(StreamOptions),
        #[prost(message, tag = "2")]
        All(AllOptions),
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum CountOption {
        #[prost(uint64, tag = "5")]
        Count(u64),
        #[prost(message, tag = "6")]
        Subscription(Empty),
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum FilterOption {
        #[prost(message, tag = "7")]
        Filter(Filter),
        #[prost(message, tag = "8")]
        NoFilter(Empty),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct StreamOptions {
        #[prost(message, optional, tag = "1")]
        pub stream_identifier: Option<StreamIdentifier>,
        #[prost(oneof = "RevisionOption", tags = "2, 3, 4")]
        pub revision_option: Option<RevisionOption>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum RevisionOption {
        #[prost(uint64, tag = "2")]
        Revision(u64),
        #[prost(message, tag = "3")]
        Start(Empty),
        #[prost(message, tag = "4")]
        End(Empty),
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct AllOptions {
        #[prost(oneof = "AllOption", tags = "1, 2, 3")]
        pub all_option: Option<AllOption>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum AllOption {
        #[prost(message, tag = "1")]
        Position(Position),
        #[prost(message, tag = "2")]
        Start(Empty),
        #[prost(message, tag = "3")]
        End(Empty),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Filter {
        #[prost(message, optional, tag = "1")]
        pub stream_identifier: Option<Expression>,
        #[prost(oneof = "Window", tags = "3, 4")]
        pub window: Option<Window>,
        #[prost(uint32, tag = "5")]
        pub checkpoint_interval_multiplier: u32,
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Window {
        #[prost(uint32, tag = "3")]
        Max(u32),
        #[prost(message, tag = "4")]
        Count(Empty),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Expression {
        #[prost(string, tag = "1")]
        pub regex: String,
        #[prost(string, repeated, tag = "2")]
        pub prefix: Vec<String>,
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadResp {
    #[prost(oneof = "read_resp::Content", tags = "1, 2, 3, 4, 6, 8")]
    pub content: Option<read_resp::Content>,
}

pub mod read_resp {
    use super::{Empty, HashMap, Position, StreamIdentifier, Uuid};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Content {
        #[prost(message, tag = "1")]
        Event(ReadEvent),
        #[prost(message, tag = "2")]
        Confirmation(Confirmation),
        #[prost(message, tag = "3")]
        Checkpoint(Position),
        #[prost(message, tag = "4")]
        StreamNotFound(StreamNotFound),
        #[prost(uint64, tag = "6")]
        LastStreamPosition(u64),
        #[prost(message, tag = "8")]
        CaughtUp(Empty),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ReadEvent {
        #[prost(message, optional, tag = "1")]
        pub event: Option<RecordedEvent>,
        #[prost(uint64, optional, tag = "3")]
        pub commit_position: Option<u64>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct RecordedEvent {
        #[prost(message, optional, tag = "1")]
        pub id: Option<Uuid>,
        #[prost(message, optional, tag = "2")]
        pub stream_identifier: Option<StreamIdentifier>,
        #[prost(uint64, tag = "3")]
        pub stream_revision: u64,
        #[prost(uint64, tag = "4")]
        pub prepare_position: u64,
        #[prost(uint64, tag = "5")]
        pub commit_position: u64,
        #[prost(map = "string, string", tag = "6")]
        pub metadata: HashMap<String, String>,
        #[prost(bytes = "vec", tag = "7")]
        pub custom_metadata: Vec<u8>,
        #[prost(bytes = "vec", tag = "8")]
        pub data: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Confirmation {
        #[prost(string, tag = "1")]
        pub subscription_id: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct StreamNotFound {
        #[prost(message, optional, tag = "1")]
        pub stream_identifier: Option<StreamIdentifier>,
    }
}

/// A request to delete or tombstone.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TargetReq {
    #[prost(message, optional, tag = "1")]
    pub options: Option<Target>,
}

/// Its answer.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct TargetResp {
    #[prost(message, optional, tag = "1")]
    pub position: Option<Position>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ClusterInfo {
    #[prost(message, repeated, tag = "1")]
    pub members: Vec<MemberInfo>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct MemberInfo {
    #[prost(message, optional, tag = "1")]
    pub instance_id: Option<Uuid>,
    #[prost(int64, tag = "2")]
    pub time_stamp: i64,
    /// 6 is a follower, 8 the leader.
    #[prost(int32, tag = "3")]
    pub state: i32,
    #[prost(bool, tag = "4")]
    pub is_alive: bool,
    #[prost(message, optional, tag = "5")]
    pub http_end_point: Option<EndPoint>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct EndPoint {
    #[prost(string, tag = "1")]
    pub address: String,
    #[prost(uint32, tag = "2")]
    pub port: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SupportedMethods {
    #[prost(message, repeated, tag = "1")]
    pub methods: Vec<SupportedMethod>,
    #[prost(string, tag = "2")]
    pub event_store_server_version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SupportedMethod {
    #[prost(string, tag = "1")]
    pub method_name: String,
    #[prost(string, tag = "2")]
    pub service_name: String,
    #[prost(string, repeated, tag = "3")]
    pub features: Vec<String>,
}
