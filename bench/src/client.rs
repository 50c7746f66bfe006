//! A small HTTP/1.1 client: one connection that is kept, one request at a time.
//!
//! Client and server share the machine's processors, so what the client does not spend is the server's.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;

/// The longest answer that is read.
const LONGEST: usize = 16 << 20;

/// A connection to the API.
pub struct Connection {
    stream: TcpStream,
    /// What every request says of itself, after its first line.
    headers: String,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// When the last answer began to arrive.
    pub first_byte: Instant,
}

impl Connection {
    /// Connects; all requests show that token.
    pub async fn open(address: SocketAddr, token: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let headers = format!("host: {address}\r\nauthorization: Bearer {token}\r\n");
        Ok(Self { stream, headers, request: Vec::new(), answer: Vec::new(), first_byte: Instant::now() })
    }

    /// `GET`: the body of an answer of class 2xx.
    pub async fn get(&mut self, path: &str) -> Result<&[u8], Failure> {
        self.ask("GET", path, None).await
    }

    /// `POST` of JSON: the body of an answer of class 2xx.
    pub async fn post(&mut self, path: &str, body: &[u8]) -> Result<&[u8], Failure> {
        self.ask("POST", path, Some(body)).await
    }

    async fn ask(&mut self, method: &str, path: &str, body: Option<&[u8]>) -> Result<&[u8], Failure> {
        self.request.clear();
        self.request.extend_from_slice(format!("{method} {path} HTTP/1.1\r\n{}", self.headers).as_bytes());
        if let Some(body) = body {
            let length = body.len();
            let about = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n");
            self.request.extend_from_slice(about.as_bytes());
            self.request.extend_from_slice(body);
        } else {
            self.request.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        let (status, begin, end) = loop {
            if let Some(whole) = whole(&self.answer)? {
                break whole;
            }
            let begins = self.answer.is_empty();
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if begins {
                self.first_byte = Instant::now();
            }
        };
        let body = self.answer.get(begin..end).unwrap_or_default();
        if (200..300).contains(&status) {
            Ok(body)
        } else {
            Err(format!("{method} {path} answered {status}: {}", String::from_utf8_lossy(body)).into())
        }
    }
}

/// Status, begin and end of the body, once all of the answer is there.
fn whole(answer: &[u8]) -> Result<Option<(u16, usize, usize)>, Failure> {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let mut lines = std::str::from_utf8(answer.get(..head).unwrap_or_default())?.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or("no status")?.parse()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    // The API gives every answer its length.
    let length = length.ok_or("an answer without a length")??;
    if length > LONGEST {
        return Err(format!("an answer of {length} bytes").into());
    }
    let begin = head + 4;
    Ok((answer.len() >= begin + length).then_some((status, begin, begin + length)))
}

/// A text in an answer by JSON Pointer.
pub fn text_at(answer: &[u8], pointer: &str) -> Result<String, Failure> {
    let answer: Value = serde_json::from_slice(answer)?;
    let text = answer.pointer(pointer).and_then(Value::as_str);
    Ok(text.ok_or_else(|| format!("no text at {pointer}"))?.to_owned())
}

/// The number after `"position":`, without reading the rest of the answer.
pub fn position(answer: &[u8]) -> Result<u64, Failure> {
    const NAME: &str = "\"position\":";
    let text = std::str::from_utf8(answer)?;
    let at = text.find(NAME).ok_or("no position in the answer")? + NAME.len();
    let rest = text.get(at..).unwrap_or_default();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Ok(rest.get(..digits).unwrap_or_default().parse()?)
}
