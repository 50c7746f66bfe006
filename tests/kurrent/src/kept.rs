//! An event, as it comes and as it is kept.

use std::collections::HashMap;
use std::time::SystemTime;

use tonic::Status;
use uuid::Uuid;

use crate::proto;

/// An event as it is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    pub stream: Vec<u8>,
    pub revision: u64,
    pub position: u64,
    pub id: Uuid,
    pub created: SystemTime,
    pub metadata: HashMap<String, String>,
    pub custom_metadata: Vec<u8>,
    pub data: Vec<u8>,
}

/// An event to keep.
#[derive(Debug, Clone)]
pub struct Proposed {
    pub id: Uuid,
    pub metadata: HashMap<String, String>,
    pub custom_metadata: Vec<u8>,
    pub data: Vec<u8>,
}

impl Proposed {
    /// One that the server writes, or somebody else.
    pub fn of_type(kind: &str, data: &[u8]) -> Self {
        let metadata = [("type", kind), ("content-type", "application/json")];
        Self {
            id: Uuid::new_v4(),
            metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            custom_metadata: Vec::new(),
            data: data.to_vec(),
        }
    }

    /// What came over the wire.
    pub fn read(message: proto::ProposedMessage) -> Result<Self, Status> {
        let id = match message.id.and_then(|id| id.value) {
            Some(proto::uuid::Value::String(text)) => {
                text.parse().map_err(|_| Status::invalid_argument("no id"))?
            }
            Some(proto::uuid::Value::Structured(bits)) => Uuid::from_u64_pair(
                bits.most_significant_bits.cast_unsigned(),
                bits.least_significant_bits.cast_unsigned(),
            ),
            None => return Err(Status::invalid_argument("an event without an id")),
        };
        for name in ["type", "content-type"] {
            if !message.metadata.contains_key(name) {
                return Err(Status::invalid_argument(format!("an event without {name}")));
            }
        }
        Ok(Self {
            id,
            metadata: message.metadata,
            custom_metadata: message.custom_metadata,
            data: message.data,
        })
    }

    /// Its bytes as a real server counts them: the type in UTF-16.
    pub fn size(&self) -> usize {
        let kind = self.metadata.get("type").map_or(0, |kind| kind.encode_utf16().count());
        self.data.len() + self.custom_metadata.len() + 2 * kind
    }

    pub fn kept(&self, stream: &[u8], revision: u64, position: u64) -> Kept {
        Kept {
            stream: stream.to_vec(),
            revision,
            position,
            id: self.id,
            created: SystemTime::now(),
            metadata: self.metadata.clone(),
            custom_metadata: self.custom_metadata.clone(),
            data: self.data.clone(),
        }
    }
}

impl Kept {
    /// As it goes over the wire.
    pub fn answer(self) -> proto::ReadResp {
        let mut metadata = self.metadata;
        let created = self.created.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // In ticks of 100 ns since 1970.
        metadata.insert("created".to_owned(), (created.as_nanos() / 100).to_string());
        let recorded = proto::read_resp::RecordedEvent {
            id: Some(proto::Uuid { value: Some(proto::uuid::Value::String(self.id.to_string())) }),
            stream_identifier: Some(proto::StreamIdentifier { stream_name: self.stream }),
            stream_revision: self.revision,
            prepare_position: self.position,
            commit_position: self.position,
            metadata,
            custom_metadata: self.custom_metadata,
            data: self.data,
        };
        let event =
            proto::read_resp::ReadEvent { event: Some(recorded), commit_position: Some(self.position) };
        proto::ReadResp { content: Some(proto::read_resp::Content::Event(event)) }
    }
}
