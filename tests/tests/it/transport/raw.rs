//! HTTP/1.1 byte by byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer as it came.
pub struct Said {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Said {
    pub fn closes(&self) -> bool {
        self.head.contains("\r\nconnection: close\r\n")
    }

    pub fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        assert!(self.head.contains("content-type: application/problem+json\r\n"), "{}", self.head);
        assert!(self.head.contains("x-request-id: "), "{}", self.head);
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()), "{body}");
    }
}

pub async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).await.unwrap()
}

/// Reads one answer.
pub async fn answer(connection: &mut TcpStream) -> Said {
    in_time(async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let status = head[9..12].parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        connection.read_exact(&mut body).await.unwrap();
        Said { status, head, body: String::from_utf8(body).unwrap() }
    })
    .await
}

/// Says something and reads the answer.
pub async fn ask(connection: &mut TcpStream, bytes: &[u8]) -> Said {
    connection.write_all(bytes).await.unwrap();
    answer(connection).await
}

/// Waits until the other side has closed.
pub async fn closed(connection: &mut TcpStream) {
    let mut rest = [0; 16];
    let read = in_time(connection.read(&mut rest)).await;
    assert!(matches!(read, Ok(0)), "closed in an orderly way: {read:?}");
}

/// Only what hangs meets this bound.
pub async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("in time")
}
