//! Reads and appends.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::metadata::MetadataValue;
use tonic::{Status, Streaming};

use crate::cluster::Shared;
use crate::faults::Faults;
use crate::proto::{self, Empty, Expected, append_req, append_resp, read_req, read_resp};
use crate::store::{Kept, Proposed, Refusal};

/// What one append may have at most, as a real server is set up usually.
const MOST_BYTES: usize = 1024 * 1024;

type Answers = BoxStream<'static, Result<proto::ReadResp, Status>>;

pub async fn append(
    node: Arc<Shared>,
    mut requests: Streaming<proto::AppendReq>,
) -> Result<proto::AppendResp, Status> {
    let (mut target, mut events, mut bytes) = (None, Vec::new(), 0);
    while let Some(request) = requests.message().await? {
        match request.content {
            Some(append_req::Content::Options(options)) => target = Some(options),
            Some(append_req::Content::ProposedMessage(message)) => {
                bytes += message.data.len() + message.custom_metadata.len();
                events.push(proposed(message)?);
            }
            None => return Err(Status::invalid_argument("neither options nor an event")),
        }
    }
    node.faults.appends.fetch_add(1, Ordering::SeqCst);
    node.must_lead()?;
    node.faults.stall().await;
    let target = target.ok_or_else(|| Status::invalid_argument("no options"))?;
    let stream = target.stream_identifier.unwrap_or_default().stream_name;
    let expected = target.expected.ok_or_else(|| Status::invalid_argument("no expected revision"))?;
    if stream.is_empty() {
        return Err(Status::invalid_argument("no stream"));
    }
    if bytes > MOST_BYTES {
        let mut status = Status::invalid_argument(format!("Maximum Append Size of {MOST_BYTES} Exceeded."));
        status.metadata_mut().insert("exception", MetadataValue::from_static("maximum-append-size-exceeded"));
        return Err(status);
    }
    let done = node.store.append(&stream, expected, &events);
    node.faults.hold().await;
    if Faults::takes(&node.faults.lose_answers) {
        return Err(Status::unavailable("the node went away"));
    }
    let result = match done {
        Ok((revision, position)) => append_resp::Result::Success(append_resp::Success {
            current_revision: Some(revision),
            position: Some(proto::Position { commit_position: position, prepare_position: position }),
        }),
        Err(Refusal::WrongExpected { current }) => {
            append_resp::Result::WrongExpectedVersion(append_resp::WrongExpectedVersion {
                current: Some(
                    current.map_or(append_resp::Current::NoStream(Empty {}), append_resp::Current::Revision),
                ),
                expected: Some(match expected {
                    Expected::Revision(revision) => append_resp::Expected::Revision(revision),
                    Expected::NoStream(_) => append_resp::Expected::NoStream(Empty {}),
                    Expected::Any(_) => append_resp::Expected::Any(Empty {}),
                    Expected::StreamExists(_) => append_resp::Expected::StreamExists(Empty {}),
                }),
            })
        }
        Err(Refusal::Tombstoned) => return Err(deleted()),
    };
    Ok(proto::AppendResp { result: Some(result) })
}

pub fn tombstone(node: Arc<Shared>, request: proto::TargetReq) -> Result<proto::TargetResp, Status> {
    node.must_lead()?;
    let target = request.options.unwrap_or_default();
    let position = node.store.tombstone(&target.stream_identifier.unwrap_or_default().stream_name);
    Ok(proto::TargetResp {
        position: Some(proto::Position { commit_position: position, prepare_position: position }),
    })
}

pub async fn read(node: Arc<Shared>, request: proto::ReadReq) -> Result<Answers, Status> {
    node.must_lead()?;
    node.faults.stall().await;
    let options = request.options.unwrap_or_default();
    let backwards = options.read_direction == 1;
    let count = match options.count_option {
        Some(read_req::CountOption::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX),
        _ => return Err(Status::unimplemented("subscriptions end well at once: see docs/decisions/0012")),
    };
    let answers = match options.stream_option {
        Some(read_req::StreamOption::Stream(of)) => {
            let name = of.stream_identifier.unwrap_or_default().stream_name;
            let from = match of.revision_option {
                Some(read_req::RevisionOption::Revision(revision)) => Some(revision),
                _ => None,
            };
            match node.store.read_stream(&name, from, backwards, count) {
                Ok(Some(events)) => events.into_iter().map(event).collect(),
                Ok(None) => vec![not_found(name)],
                Err(_) => return Err(deleted()),
            }
        }
        Some(read_req::StreamOption::All(of)) => {
            let from = match of.all_option {
                Some(read_req::AllOption::Position(position)) => Some(position.commit_position),
                _ => None,
            };
            let prefixes = match options.filter_option {
                Some(read_req::FilterOption::Filter(filter)) => {
                    filter.stream_identifier.unwrap_or_default().prefix
                }
                _ => Vec::new(),
            };
            if !(backwards && count == 1) {
                node.faults.scans.fetch_add(1, Ordering::SeqCst);
            }
            let wanted = |event: &Kept| {
                prefixes.is_empty()
                    || prefixes.iter().any(|prefix| event.stream.starts_with(prefix.as_bytes()))
            };
            let events =
                node.store.read_all(from, backwards, count, wanted).map_err(Status::invalid_argument)?;
            events.into_iter().map(event).collect()
        }
        None => return Err(Status::invalid_argument("no stream")),
    };
    Ok(spoiled(&node.faults, answers))
}

/// The answers, or what is left of them.
fn spoiled(faults: &Faults, mut answers: Vec<proto::ReadResp>) -> Answers {
    let mut answers = if answers.len() > 1 && Faults::takes(&faults.break_reads) {
        answers.truncate(1);
        let broken = stream::iter([Err(Status::unavailable("the node went away"))]);
        return stream::iter(answers.into_iter().map(Ok)).chain(broken).boxed();
    } else {
        answers
    };
    if answers.len() > 1 && Faults::takes(&faults.end_reads) {
        answers.truncate(1);
    }
    stream::iter(answers.into_iter().map(Ok)).boxed()
}

fn event(kept: Kept) -> proto::ReadResp {
    let mut metadata = kept.metadata;
    // In ticks of 100 ns since 1970.
    metadata.insert("created".to_owned(), "17000000000000000".to_owned());
    let recorded = read_resp::RecordedEvent {
        id: Some(proto::Uuid { value: Some(proto::uuid::Value::String(kept.id.to_string())) }),
        stream_identifier: Some(proto::StreamIdentifier { stream_name: kept.stream }),
        stream_revision: kept.revision,
        prepare_position: kept.position,
        commit_position: kept.position,
        metadata,
        custom_metadata: kept.custom_metadata,
        data: kept.data,
    };
    let event = read_resp::ReadEvent { event: Some(recorded), commit_position: Some(kept.position) };
    proto::ReadResp { content: Some(read_resp::Content::Event(event)) }
}

fn not_found(stream_name: Vec<u8>) -> proto::ReadResp {
    let stream_identifier = Some(proto::StreamIdentifier { stream_name });
    let content = read_resp::Content::StreamNotFound(read_resp::StreamNotFound { stream_identifier });
    proto::ReadResp { content: Some(content) }
}

fn deleted() -> Status {
    let mut status = Status::failed_precondition("the stream was ended");
    status.metadata_mut().insert("exception", MetadataValue::from_static("stream-deleted"));
    status
}

fn proposed(message: proto::ProposedMessage) -> Result<Proposed, Status> {
    let id = match message.id.and_then(|id| id.value) {
        Some(proto::uuid::Value::String(text)) => {
            text.parse().map_err(|_| Status::invalid_argument("no id"))?
        }
        Some(proto::uuid::Value::Structured(bits)) => uuid::Uuid::from_u64_pair(
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
    Ok(Proposed {
        id,
        metadata: message.metadata,
        custom_metadata: message.custom_metadata,
        data: message.data,
    })
}
