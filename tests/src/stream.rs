//! A client of server-sent events, by the HTML standard, section 9.2.

use serde_json::Value;

use crate::client::Client;

/// A message of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What it is about.
    pub event: String,
    /// The position after which the stream goes on.
    pub id: u64,
    /// The epoch of the ledger that it is of.
    pub epoch: u64,
    /// What it says.
    pub data: Value,
}

/// An open stream.
pub struct Stream {
    answer: reqwest::Response,
    text: String,
}

/// What a stream gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A message.
    Message(Message),
    /// A line that is only there to be heard.
    Comment(String),
}

impl Stream {
    /// Opens a stream, after the message with that id where there is one.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn open(client: &Client, path: &str, last: Option<u64>) -> Self {
        let mut request = client.request(reqwest::Method::GET, path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Self::of(request).await
    }

    /// Opens the stream that a request asks for.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, text: String::new() }
    }

    /// The next thing that it gives; none when it has ended.
    ///
    /// # Panics
    /// When it is no stream of events.
    pub async fn next(&mut self) -> Option<Said> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(said) = read(&block) {
                    return Some(said);
                }
            }
            let chunk = self.answer.chunk().await.ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next message, whatever comments come before it.
    ///
    /// # Panics
    /// When the stream ends first.
    pub async fn message(&mut self) -> Message {
        loop {
            match self.next().await.expect("the stream goes on") {
                Said::Message(message) => return message,
                Said::Comment(_) => {}
            }
        }
    }

    /// The next message of that kind, whatever comes before it.
    pub async fn until(&mut self, event: &str) -> Message {
        loop {
            let message = self.message().await;
            if message.event == event {
                return message;
            }
        }
    }
}

fn read(block: &str) -> Option<Said> {
    let (mut event, mut id, mut data) = (None, None::<(u64, u64)>, None);
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("event", value)) => event = Some(value.to_owned()),
            Some(("id", value)) => {
                let (position, epoch) = value.split_once('-').unwrap();
                id = Some((position.parse().unwrap(), epoch.parse().unwrap()));
            }
            Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
            Some(("retry", _)) => return None,
            Some(("", comment)) => return Some(Said::Comment(comment.to_owned())),
            _ => panic!("no field of a message: {line:?}"),
        }
    }
    let (id, epoch) = id?;
    Some(Said::Message(Message { event: event?, id, epoch, data: data? }))
}
