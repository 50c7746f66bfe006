//! Subscriptions to everything: what is there, then what comes, with checkpoints where a filter lets nothing
//! through.

use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::cluster::Shared;
use crate::faults::Faults;
use crate::proto::{self, read_req, read_resp};
use crate::read::{Answers, TURN, position, wanted};

pub fn subscribe(
    node: &Arc<Shared>,
    of: Option<read_req::options::StreamOption>,
    filter: Option<read_req::Filter>,
) -> Result<Answers, Status> {
    let Some(read_req::options::StreamOption::All(of)) = of else {
        return Err(Status::unimplemented("subscriptions to one stream"));
    };
    let from_end = matches!(of.all_option, Some(read_req::all_options::AllOption::End(_)));
    let from = position(of);
    // The one at the position is not given again.
    let mut at =
        node.store.start(from, from_end).map_err(Status::invalid_argument)? + usize::from(from.is_some());
    let interval = filter.as_ref().map_or(usize::MAX, |filter| {
        let window = match filter.window {
            Some(read_req::filter::Window::Max(max)) => max as usize,
            _ => TURN,
        };
        window * filter.checkpoint_interval_multiplier.max(1) as usize
    });
    let (node, wanted) = (node.clone(), wanted(filter.as_ref()));
    let (answers, receiver) = mpsc::channel(TURN);
    tokio::spawn(async move {
        let send = async |content| {
            let sent = answers.send(Ok(proto::ReadResp { content: Some(content) })).await;
            sent.map_err(drop)
        };
        let serve = async {
            let subscription_id = "the only one".to_owned();
            send(read_resp::Content::Confirmation(read_resp::Confirmation { subscription_id })).await?;
            let mut grown = node.store.grown();
            let (mut since_checkpoint, mut live) = (0, false);
            // Ended well, though the log goes on: as by a node that stops.
            while !Faults::takes(&node.faults.end_subscriptions) {
                grown.mark_unchanged();
                let turn = node.store.turn(at, false, TURN, TURN, &wanted);
                at = turn.next;
                since_checkpoint += turn.looked_at;
                for event in turn.found {
                    answers.send(Ok(event.answer())).await.map_err(drop)?;
                }
                if let Some(last) = turn.last.filter(|_| since_checkpoint >= interval) {
                    since_checkpoint = 0;
                    let place = proto::Position { commit_position: last, prepare_position: last };
                    send(read_resp::Content::Checkpoint(place)).await?;
                }
                if turn.at_end {
                    if !live {
                        live = true;
                        send(read_resp::Content::CaughtUp(proto::Empty {})).await?;
                    }
                    tokio::select! {
                        () = answers.closed() => return Err(()),
                        () = grown.changed().map(drop) => {}
                        () = node.faults.spoiled() => {}
                    }
                }
            }
            Ok(())
        };
        let _gone: Result<(), ()> = serve.await;
    });
    Ok(ReceiverStream::new(receiver).boxed())
}
