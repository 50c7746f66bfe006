//! Reads: of a stream, and of everything.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::append::deleted;
use crate::cluster::Shared;
use crate::faults::Faults;
use crate::kept::Kept;
use crate::proto::{self, read_req, read_resp};
use crate::subscribe;

/// Events that a server takes in one turn, unless it is told otherwise.
pub const TURN: usize = 32;

pub type Answers = BoxStream<'static, Result<proto::ReadResp, Status>>;

pub async fn read(node: Arc<Shared>, request: proto::ReadReq) -> Result<Answers, Status> {
    node.must_lead()?;
    node.faults.stall().await;
    let options = request.options.unwrap_or_default();
    let backwards = options.read_direction == 1;
    let filter = match options.filter_option {
        Some(read_req::options::FilterOption::Filter(filter)) => Some(filter),
        _ => None,
    };
    let count = match options.count_option {
        Some(read_req::options::CountOption::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX),
        _ => return subscribe::subscribe(&node, options.stream_option, filter),
    };
    let answers = match options.stream_option {
        Some(read_req::options::StreamOption::Stream(of)) => of_stream(&node, of, backwards, count)?,
        Some(read_req::options::StreamOption::All(of)) => {
            if !(backwards && count == 1) {
                node.faults.scans.fetch_add(1, Ordering::SeqCst);
            }
            let at = node.store.start(position(of), backwards).map_err(Status::invalid_argument)?;
            of_all(&node, at, backwards, count, filter)
        }
        None => return Err(Status::invalid_argument("no stream")),
    };
    Ok(spoiled(node.faults.clone(), answers))
}

/// The position to begin at; none for the beginning or the end.
pub fn position(of: read_req::AllOptions) -> Option<u64> {
    match of.all_option {
        Some(read_req::all_options::AllOption::Position(position)) => Some(position.commit_position),
        _ => None,
    }
}

fn of_stream(
    node: &Shared,
    of: read_req::StreamOptions,
    backwards: bool,
    count: usize,
) -> Result<Answers, Status> {
    let stream_name = of.stream_identifier.unwrap_or_default().stream_name;
    let from = match of.revision_option {
        Some(read_req::stream_options::RevisionOption::Revision(revision)) => Some(revision),
        _ => None,
    };
    let contents: Vec<proto::ReadResp> = match node.store.read_stream(&stream_name, from, backwards, count) {
        Ok(Some((events, last))) => {
            let last = proto::ReadResp { content: Some(read_resp::Content::LastStreamPosition(last)) };
            events.into_iter().map(Kept::answer).chain([last]).collect()
        }
        Ok(None) => {
            let stream_identifier = Some(proto::StreamIdentifier { stream_name });
            let missing = read_resp::StreamNotFound { stream_identifier };
            vec![proto::ReadResp { content: Some(read_resp::Content::StreamNotFound(missing)) }]
        }
        Err(_) => return Err(deleted()),
    };
    Ok(stream::iter(contents.into_iter().map(Ok)).boxed())
}

/// Which events a filter lets through.
pub fn wanted(filter: Option<&read_req::Filter>) -> impl Fn(&Kept) -> bool + Send + 'static {
    let expression = filter.and_then(|filter| filter.stream_identifier.clone());
    let prefixes = expression.map(|expression| expression.prefix);
    move |event: &Kept| {
        let begins = |prefix: &String| event.stream.starts_with(prefix.as_bytes());
        prefixes.as_ref().is_none_or(|prefixes| prefixes.iter().any(begins))
    }
}

/// Turn by turn, as a real server does it: having given as many events as were wanted it goes on until it
/// finds one more, or the log ends, and only then ends the answer.
fn of_all(
    node: &Arc<Shared>,
    mut at: usize,
    backwards: bool,
    count: usize,
    filter: Option<read_req::Filter>,
) -> Answers {
    let window = match filter.as_ref().map(|filter| &filter.window) {
        None => usize::MAX,
        Some(Some(read_req::filter::Window::Max(max))) => *max as usize,
        Some(_) => TURN,
    };
    let (node, wanted, filtered) = (node.clone(), wanted(filter.as_ref()), filter.is_some());
    let (answers, receiver) = mpsc::channel(TURN);
    tokio::spawn(async move {
        let mut given = 0;
        loop {
            let turn = node.store.turn(at, backwards, count.min(TURN), window, &wanted);
            if filtered {
                let slow = Duration::from_millis(node.faults.filter_millis.load(Ordering::SeqCst));
                tokio::time::sleep(slow * u32::try_from(turn.looked_at.div_ceil(TURN)).unwrap()).await;
            }
            for event in turn.found {
                // Whoever has asked may have gone.
                if given >= count || answers.send(Ok(event.answer())).await.is_err() {
                    return;
                }
                given += 1;
            }
            if turn.at_end || answers.is_closed() {
                return;
            }
            at = turn.next;
        }
    });
    ReceiverStream::new(receiver).boxed()
}

/// The answers, or what is left of them.
fn spoiled(faults: Arc<Faults>, answers: Answers) -> Answers {
    let spoil = move |(mut answers, given): (Answers, u32)| {
        let faults = faults.clone();
        async move {
            let answer = answers.next().await?;
            if given == 1 && Faults::takes(&faults.break_reads) {
                let broken = Err(Status::unavailable("the node went away"));
                return Some((broken, (stream::empty().boxed(), 2)));
            }
            if given == 1 && Faults::takes(&faults.end_reads) {
                return None;
            }
            Some((answer, (answers, given + 1)))
        }
    };
    stream::unfold((answers, 0), spoil).boxed()
}
