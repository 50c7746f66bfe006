//! A session of appends: each has its own answer, and one that is refused does not end the session. That is
//! what the client makes of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::append::{fits, name_of, success};
use crate::cluster::Shared;
use crate::faults::Faults;
use crate::kept::Proposed;
use crate::proto::{self, Expected, batch_append_req, batch_append_resp};
use crate::store::Refusal;

pub type Answers = BoxStream<'static, Result<proto::BatchAppendResp, Status>>;

pub async fn append(
    node: Arc<Shared>,
    mut requests: Streaming<proto::BatchAppendReq>,
) -> Result<Answers, Status> {
    node.must_lead()?;
    let (answers, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        // An append may come in several parts.
        let (mut target, mut events) = (None, Vec::new());
        while let Ok(Some(request)) = requests.message().await {
            target = request.options.or(target);
            events.extend(request.proposed_messages);
            if !request.is_final {
                continue;
            }
            node.faults.appends.fetch_add(1, Ordering::SeqCst);
            let target = target.take().unwrap_or_default();
            let done = one(&node, target.clone(), std::mem::take(&mut events));
            let result = match done {
                Ok(success) => batch_append_resp::Result::Success(success),
                Err(status) => batch_append_resp::Result::Error(batch_append_resp::Status {
                    code: status.code() as i32,
                    message: status.message().to_owned(),
                }),
            };
            let answer = proto::BatchAppendResp {
                correlation_id: request.correlation_id,
                stream_identifier: target.stream_identifier,
                result: Some(result),
            };
            node.faults.hold().await;
            if Faults::takes(&node.faults.lose_answers) {
                continue;
            }
            let times = 1 + usize::from(Faults::takes(&node.faults.double_answers));
            for _ in 0..times {
                if answers.send(Ok(answer.clone())).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok(ReceiverStream::new(receiver).boxed())
}

fn one(
    node: &Shared,
    target: batch_append_req::Options,
    messages: Vec<proto::ProposedMessage>,
) -> Result<proto::append_resp::Success, Status> {
    let expected = match target.expected {
        Some(batch_append_req::options::Expected::Position(revision)) => Expected::Revision(revision),
        Some(batch_append_req::options::Expected::NoStream(empty)) => Expected::NoStream(empty),
        Some(batch_append_req::options::Expected::Any(empty)) => Expected::Any(empty),
        Some(batch_append_req::options::Expected::StreamExists(empty)) => Expected::StreamExists(empty),
        None => return Err(Status::invalid_argument("no expected revision")),
    };
    let named = proto::Target { stream_identifier: target.stream_identifier, expected: None };
    let stream = name_of(named)?;
    let events: Vec<Proposed> = messages.into_iter().map(Proposed::read).collect::<Result<_, _>>()?;
    fits(node, &events)?;
    match node.store.append(&stream, expected, &events) {
        Ok((revision, position)) => Ok(success(revision, position)),
        Err(Refusal::WrongExpected { .. }) => {
            Err(Status::new(Code::FailedPrecondition, "WrongExpectedVersion"))
        }
        Err(Refusal::Tombstoned) => Err(Status::new(Code::FailedPrecondition, "StreamDeleted")),
    }
}
