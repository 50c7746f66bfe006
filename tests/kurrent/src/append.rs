//! Appends, one by one and in batches, and the ends of streams.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tonic::metadata::MetadataValue;
use tonic::{Status, Streaming};

use crate::cluster::Shared;
use crate::faults::Faults;
use crate::kept::Proposed;
use crate::proto::append_resp::wrong_expected_version::{Current as There, Expected as Wanted};
use crate::proto::{self, Empty, Expected, append_req, append_resp};
use crate::store::Refusal;

/// What one append may have at most, as a real server is set up usually.
const MOST_BYTES: usize = 1024 * 1024;

pub async fn append(
    node: Arc<Shared>,
    mut requests: Streaming<proto::AppendReq>,
) -> Result<proto::AppendResp, Status> {
    let (mut target, mut events) = (None, Vec::new());
    while let Some(request) = requests.message().await? {
        match request.content {
            Some(append_req::Content::Options(options)) => target = Some(options),
            Some(append_req::Content::ProposedMessage(message)) => events.push(Proposed::read(message)?),
            None => return Err(Status::invalid_argument("neither options nor an event")),
        }
    }
    node.faults.appends.fetch_add(1, Ordering::SeqCst);
    node.must_lead()?;
    if node.faults.readonly.load(Ordering::SeqCst) {
        return Err(Status::permission_denied("Access Denied"));
    }
    node.faults.stall().await;
    let target = target.ok_or_else(|| Status::invalid_argument("no options"))?;
    let expected = target.expected.ok_or_else(|| Status::invalid_argument("no expected revision"))?;
    let stream = name_of(target)?;
    fits(&node, &events)?;
    let done = node.store.append(&stream, expected, &events);
    node.faults.hold().await;
    if Faults::takes(&node.faults.lose_answers) {
        return Err(Status::unavailable("the node went away"));
    }
    let result = match done {
        Ok((revision, position)) => append_resp::Result::Success(success(revision, position)),
        Err(Refusal::WrongExpected { current }) => {
            append_resp::Result::WrongExpectedVersion(append_resp::WrongExpectedVersion {
                current: Some(current.map_or(There::CurrentNoStream(Empty {}), There::CurrentRevision)),
                expected: Some(match expected {
                    Expected::Revision(revision) => Wanted::ExpectedRevision(revision),
                    Expected::NoStream(_) => Wanted::ExpectedNoStream(Empty {}),
                    Expected::Any(_) => Wanted::ExpectedAny(Empty {}),
                    Expected::StreamExists(_) => Wanted::ExpectedStreamExists(Empty {}),
                }),
            })
        }
        Err(Refusal::Tombstoned) => return Err(deleted()),
    };
    Ok(proto::AppendResp { result: Some(result) })
}

pub fn success(revision: u64, position: u64) -> append_resp::Success {
    let position = proto::Position { commit_position: position, prepare_position: position };
    append_resp::Success { current_revision: Some(revision), position: Some(position) }
}

/// Refuses what is too large, in the words of a real server.
pub fn fits(node: &Shared, events: &[Proposed]) -> Result<(), Status> {
    let refused = |words: String, exception| {
        let mut status = Status::invalid_argument(words);
        status.metadata_mut().insert("exception", MetadataValue::from_static(exception));
        Err(status)
    };
    let most = node.faults.most_event_bytes.load(Ordering::SeqCst);
    if let Some(event) = events.iter().find(|event| most > 0 && event.size() > most) {
        let (id, size) = (event.id, event.size());
        return refused(
            format!("Event with Id: {id}, Size: {size}, exceeds Maximum Append Event Size of {most}."),
            "maximum-append-event-size-exceeded",
        );
    }
    if events.iter().map(Proposed::size).sum::<usize>() > MOST_BYTES {
        return refused(
            format!("Maximum Append Size of {MOST_BYTES} Exceeded."),
            "maximum-append-size-exceeded",
        );
    }
    Ok(())
}

pub fn name_of(target: proto::Target) -> Result<Vec<u8>, Status> {
    let stream = target.stream_identifier.unwrap_or_default().stream_name;
    if stream.is_empty() { Err(Status::invalid_argument("no stream")) } else { Ok(stream) }
}

pub fn tombstone(node: &Shared, request: proto::TargetReq) -> Result<proto::TargetResp, Status> {
    node.must_lead()?;
    ended(node.store.tombstone(&name_of(request.options.unwrap_or_default())?))
}

pub fn delete(node: &Shared, request: proto::TargetReq) -> Result<proto::TargetResp, Status> {
    node.must_lead()?;
    ended(node.store.delete(&name_of(request.options.unwrap_or_default())?))
}

fn ended(done: Result<u64, Refusal>) -> Result<proto::TargetResp, Status> {
    match done {
        Ok(position) => {
            let position = proto::Position { commit_position: position, prepare_position: position };
            Ok(proto::TargetResp { position: Some(position) })
        }
        Err(Refusal::Tombstoned) => Err(deleted()),
        Err(Refusal::WrongExpected { .. }) => Err(Status::failed_precondition("there is no such stream")),
    }
}

pub fn deleted() -> Status {
    let mut status = Status::failed_precondition("the stream was ended");
    status.metadata_mut().insert("exception", MetadataValue::from_static("stream-deleted"));
    status
}
