//! Messages about appends.

use std::collections::HashMap;

use super::{Empty, Position, StreamIdentifier, Uuid};

#[derive(Clone, PartialEq, prost::Message)]
pub struct AppendReq {
    #[prost(oneof = "append_req::Content", tags = "1, 2")]
    pub content: Option<append_req::Content>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ProposedMessage {
    #[prost(message, optional, tag = "1")]
    pub id: Option<Uuid>,
    #[prost(map = "string, string", tag = "2")]
    pub metadata: HashMap<String, String>,
    #[prost(bytes = "vec", tag = "3")]
    pub custom_metadata: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub data: Vec<u8>,
}

/// Where a stream is expected to be, in appends, deletions and tombstones.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum Expected {
    #[prost(uint64, tag = "2")]
    Revision(u64),
    #[prost(message, tag = "3")]
    NoStream(Empty),
    #[prost(message, tag = "4")]
    Any(Empty),
    #[prost(message, tag = "5")]
    StreamExists(Empty),
}

/// Which stream, and where it is expected to be.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Target {
    #[prost(message, optional, tag = "1")]
    pub stream_identifier: Option<StreamIdentifier>,
    #[prost(oneof = "Expected", tags = "2, 3, 4, 5")]
    pub expected: Option<Expected>,
}

pub mod append_req {
    use super::{ProposedMessage, Target};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Content {
        #[prost(message, tag = "1")]
        Options(Target),
        #[prost(message, tag = "2")]
        ProposedMessage(ProposedMessage),
    }
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct AppendResp {
    #[prost(oneof = "append_resp::Result", tags = "1, 2")]
    pub result: Option<append_resp::Result>,
}

pub mod append_resp {
    use super::{Empty, Position};

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Result {
        #[prost(message, tag = "1")]
        Success(Success),
        #[prost(message, tag = "2")]
        WrongExpectedVersion(WrongExpectedVersion),
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Success {
        #[prost(uint64, optional, tag = "1")]
        pub current_revision: Option<u64>,
        #[prost(message, optional, tag = "3")]
        pub position: Option<Position>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct WrongExpectedVersion {
        #[prost(oneof = "Current", tags = "6, 7")]
        pub current: Option<Current>,
        #[prost(oneof = "Expected", tags = "8, 9, 10, 11")]
        pub expected: Option<Expected>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Current {
        #[prost(uint64, tag = "6")]
        Revision(u64),
        #[prost(message, tag = "7")]
        NoStream(Empty),
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Expected {
        #[prost(uint64, tag = "8")]
        Revision(u64),
        #[prost(message, tag = "9")]
        Any(Empty),
        #[prost(message, tag = "10")]
        StreamExists(Empty),
        #[prost(message, tag = "11")]
        NoStream(Empty),
    }
}

/// Appends of a session.
pub mod batch {
    use super::{Empty, ProposedMessage, StreamIdentifier, Uuid, append_resp};

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Req {
        #[prost(message, optional, tag = "1")]
        pub correlation_id: Option<Uuid>,
        #[prost(message, optional, tag = "2")]
        pub options: Option<Target>,
        #[prost(message, repeated, tag = "3")]
        pub proposed_messages: Vec<ProposedMessage>,
        #[prost(bool, tag = "4")]
        pub is_final: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Target {
        #[prost(message, optional, tag = "1")]
        pub stream_identifier: Option<StreamIdentifier>,
        #[prost(oneof = "Expected", tags = "2, 3, 4, 5")]
        pub expected: Option<Expected>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Expected {
        #[prost(uint64, tag = "2")]
        Position(u64),
        #[prost(message, tag = "3")]
        NoStream(Empty),
        #[prost(message, tag = "4")]
        Any(Empty),
        #[prost(message, tag = "5")]
        StreamExists(Empty),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Resp {
        #[prost(message, optional, tag = "1")]
        pub correlation_id: Option<Uuid>,
        #[prost(message, optional, tag = "4")]
        pub stream_identifier: Option<StreamIdentifier>,
        #[prost(oneof = "Result", tags = "2, 3")]
        pub result: Option<Result>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Result {
        #[prost(message, tag = "2")]
        Error(Status),
        #[prost(message, tag = "3")]
        Success(append_resp::Success),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Status {
        #[prost(int32, tag = "1")]
        pub code: i32,
        #[prost(string, tag = "2")]
        pub message: String,
    }
}
