//! Producers over HTTP: they start runs and append events under ids of their own, repeat what was not
//! acknowledged, and remember all that was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::program::PATIENCE;

/// A client's pause before it says something again.
const PAUSE: Duration = Duration::from_millis(20);

/// An event that the server said is in the log.
#[derive(Debug, Clone)]
pub struct Ack {
    pub run: Uuid,
    /// None for the event `Queued`, whose id the server chose.
    pub event: Option<Uuid>,
    pub revision: u64,
    /// Where it is in the log, or for a repeated one a position that is not before it.
    pub position: u64,
    pub exact: bool,
}

/// What all producers have seen.
#[derive(Default)]
pub struct Seen {
    pub acks: Vec<Ack>,
    /// All event ids that were sent to a run, in order.
    pub sent: HashMap<Uuid, Vec<Uuid>>,
    /// How many operations were begun; each is one run at most.
    pub operations: usize,
    pub refusals: HashMap<String, usize>,
    pub lost: usize,
    /// Answers that no producer should ever get.
    pub wrong: Vec<String>,
}

impl Seen {
    /// The same after a move to another log: positions are others there.
    pub fn moved(mut self) -> Self {
        for ack in &mut self.acks {
            (ack.position, ack.exact) = (u64::MAX, false);
        }
        self
    }

    /// What these and other producers have seen.
    pub fn and(mut self, other: Self) -> Self {
        self.acks.extend(other.acks);
        self.sent.extend(other.sent);
        self.operations += other.operations;
        self.lost += other.lost;
        self.wrong.extend(other.wrong);
        for (what, count) in other.refusals {
            *self.refusals.entry(what).or_default() += count;
        }
        self
    }
}

pub struct Load {
    pub seen: Arc<Mutex<Seen>>,
    acknowledged: watch::Receiver<usize>,
    refused: watch::Receiver<usize>,
    urls: watch::Sender<Vec<String>>,
    stop: CancellationToken,
    producers: JoinSet<()>,
}

#[derive(Clone)]
struct Producer {
    http: reqwest::Client,
    number: usize,
    /// Which load it is of: operations of two are never the same.
    load: Uuid,
    token: String,
    tenant: String,
    seen: Arc<Mutex<Seen>>,
    acknowledged: watch::Sender<usize>,
    refused: watch::Sender<usize>,
    urls: watch::Receiver<Vec<String>>,
    stop: CancellationToken,
}

impl Load {
    /// Starts so many producers; each turns to one of the addresses, and to the next when one fails.
    pub fn start(producers: usize, urls: Vec<String>, tenant: &str, token: &str) -> Self {
        let (acknowledged, refused, urls) =
            (watch::Sender::new(0), watch::Sender::new(0), watch::Sender::new(urls));
        let stop = CancellationToken::new();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let mut load = Self {
            seen: seen.clone(),
            acknowledged: acknowledged.subscribe(),
            refused: refused.subscribe(),
            urls: urls.clone(),
            stop: stop.clone(),
            producers: JoinSet::new(),
        };
        // A server that is stopped, not gone, must not hold a producer for ever.
        let http = reqwest::Client::builder().timeout(Duration::from_secs(40)).build().unwrap();
        let id = Uuid::new_v4();
        for number in 0..producers {
            let producer = Producer {
                http: http.clone(),
                number,
                load: id,
                token: token.to_owned(),
                tenant: tenant.to_owned(),
                seen: seen.clone(),
                acknowledged: acknowledged.clone(),
                refused: refused.clone(),
                urls: urls.subscribe(),
                stop: stop.clone(),
            };
            load.producers.spawn(producer.work());
        }
        load
    }

    pub fn point_at(&self, urls: Vec<String>) {
        self.urls.send_replace(urls);
    }

    /// Waits for so many more acknowledgements.
    pub async fn acknowledged(&mut self, more: usize) {
        wait_more("acknowledgements", &mut self.acknowledged, more).await;
    }

    /// Waits for so many more refusals with 503.
    pub async fn refused(&mut self, more: usize) {
        wait_more("refusals with 503", &mut self.refused, more).await;
    }

    pub fn total(&self) -> usize {
        *self.acknowledged.borrow()
    }

    /// Lets every producer finish what it is saying. The server must be there.
    pub async fn finish(mut self) -> Seen {
        self.stop.cancel();
        let finishing = async {
            while let Some(ended) = self.producers.join_next().await {
                ended.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, finishing).await.expect("the producers finish in time");
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        assert!(seen.wrong.is_empty(), "{} wrong answers: {:#?}", seen.wrong.len(), seen.wrong.first());
        seen
    }
}

async fn wait_more(what: &str, seen: &mut watch::Receiver<usize>, more: usize) {
    let wanted = *seen.borrow() + more;
    let waiting = tokio::time::timeout(PATIENCE, seen.wait_for(|count| *count >= wanted));
    let reached = waiting.await.map(|result| result.map(|count| *count));
    assert!(reached.is_ok(), "waited for {more} more {what} after {}", wanted - more);
}

impl Producer {
    async fn work(self) {
        for number in 0.. {
            if self.stop.is_cancelled() || self.operation(number).await.is_none() {
                return;
            }
        }
    }

    /// One run from start to end, or to where the load stops.
    async fn operation(&self, number: usize) -> Option<()> {
        self.seen.lock().unwrap().operations += 1;
        let kind = if number.is_multiple_of(2) { "survival.backup" } else { "survival.copy" };
        let mut start = json!({
            "kind": kind,
            "context": {"producer": self.number, "number": number, "load": self.load},
            "labels": {"producer": self.number.to_string()},
            "items_total": 9,
        });
        match number % 3 {
            0 => start["initiator"] = json!({"id": format!("user-{}", self.number), "name": "Somebody"}),
            1 => start["initiator"] = json!({"id": "system"}),
            _ => {}
        }
        let (status, body) = self.say("/runs", &start).await;
        let run: Uuid = body["run_id"].as_str()?.parse().ok()?;
        let (revision, position) = (body["revision"].as_u64()?, body["position"].as_u64()?);
        self.note(vec![Ack { run, event: None, revision, position, exact: status == 201 }]);

        let failed = |n: usize| json!({"type": "ItemFailed", "item": format!("i{n}"), "reason_code": "gone", "message": "it was gone"});
        let done = |n: usize| json!({"type": "ItemSucceeded", "item": format!("i{n}"), "label": format!("Item {n}")});
        self.append(run, vec![json!({"type": "Started", "worker": "w", "heartbeat_seconds": 60})]).await;
        self.append(run, vec![done(0), failed(1), done(2)]).await;
        for n in 3..6 {
            self.append(run, vec![if number.is_multiple_of(2) { done(n) } else { failed(n) }]).await;
        }
        self.append(run, vec![json!({"type": "Progressed", "message": "on its way", "items_total": 7})])
            .await;
        // The second outcome of an item counts.
        self.append(run, vec![done(1), json!({"type": "ItemSkipped", "item": "i6"})]).await;
        let end = match number % 4 {
            0 => json!({"type": "Failed", "reason_code": "broken", "message": "it broke"}),
            1 => json!({"type": "Aborted", "reason_code": "user_request", "message": "not wanted"}),
            _ => json!({"type": "Completed", "message": "all of it"}),
        };
        self.append(run, vec![end]).await;
        Some(())
    }

    /// Appends events under fresh ids, again and again until they are acknowledged.
    async fn append(&self, run: Uuid, mut events: Vec<Value>) {
        let ids: Vec<Uuid> = events.iter().map(|_| Uuid::new_v4()).collect();
        for (event, id) in events.iter_mut().zip(&ids) {
            event["id"] = json!(id);
        }
        self.seen.lock().unwrap().sent.entry(run).or_default().extend(&ids);
        let (_, body) = self.say(&format!("/runs/{run}/events"), &json!({"events": events})).await;
        let last = body["position"].as_u64().unwrap();
        let answers = body["events"].as_array().unwrap();
        assert_eq!(answers.len(), ids.len(), "{body}");
        let acks = ids.iter().zip(answers).enumerate().map(|(n, (id, answer))| {
            let exact = answer["result"] == "created";
            // The events of one append stand one behind the other.
            let position = if exact { last - (ids.len() - 1 - n) as u64 } else { last };
            Ack { run, event: Some(*id), revision: answer["revision"].as_u64().unwrap(), position, exact }
        });
        self.note(acks.collect());
    }

    fn note(&self, acks: Vec<Ack>) {
        let more = acks.len();
        self.seen.lock().unwrap().acks.extend(acks);
        self.acknowledged.send_modify(|count| *count += more);
    }

    /// Says it until it is acknowledged. The load's end does not keep it from that.
    async fn say(&self, path: &str, body: &Value) -> (u16, Value) {
        for attempt in 0.. {
            let urls = self.urls.borrow().clone();
            let base = &urls[(self.number + attempt) % urls.len()];
            let url = format!("{base}/v1/tenants/{}{path}", self.tenant);
            match self.http.post(url).bearer_auth(&self.token).json(body).send().await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let retry = answer.headers().contains_key("retry-after");
                    match answer.json::<Value>().await {
                        Ok(said) if status < 300 => return (status, said),
                        Ok(said) => self.refused(status, retry, &said, path),
                        Err(_) => self.seen.lock().unwrap().lost += 1,
                    }
                }
                Err(_) => self.seen.lock().unwrap().lost += 1,
            }
            tokio::time::sleep(PAUSE).await;
        }
        unreachable!("it never gives up")
    }

    fn refused(&self, status: u16, retry: bool, said: &Value, path: &str) {
        let mut seen = self.seen.lock().unwrap();
        if status == 503 && retry {
            *seen.refusals.entry(said["code"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
            self.refused.send_modify(|count| *count += 1);
        } else {
            seen.wrong.push(format!("{status} to {path}: {said}"));
        }
    }
}
