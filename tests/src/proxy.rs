//! A reverse proxy, as stands before a server that is seen under a path of a larger site.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How it passes requests on.
#[derive(Debug, Clone, Default)]
pub struct Passing {
    /// Under which path of its site the server is.
    pub under: &'static str,
    /// Whether it takes that path away before it passes a request on.
    pub cuts: bool,
    /// The headers that it adds, `{host}` being the name that it was called by.
    pub adds: &'static [(&'static str, &'static str)],
}

/// A running proxy. Each connection has one request.
pub struct Proxy {
    /// Where the server is seen: the site's address and the path.
    pub url: String,
    strays: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts one before the server at `http://HOST:PORT`.
    ///
    /// # Panics
    /// When it can't listen.
    pub async fn start(server: &str, passing: Passing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{}", listener.local_addr().unwrap(), passing.under);
        let server = server.trim_start_matches("http://").to_owned();
        let strays = Arc::new(Mutex::new(Vec::new()));
        let kept = strays.clone();
        let task = tokio::spawn(async move {
            loop {
                let (browser, _) = listener.accept().await.unwrap();
                let (server, passing, strays) = (server.clone(), passing.clone(), strays.clone());
                // Whichever side breaks off: the other one sees it.
                tokio::spawn(async move { pass(browser, &server, &passing, &strays).await.ok() });
            }
        });
        Self { url, strays: kept, task }
    }

    /// What it was asked for that is not the server's: where links lead that have forgotten the path.
    ///
    /// # Panics
    /// When a connection has panicked.
    #[must_use]
    pub fn strays(&self) -> Vec<String> {
        self.strays.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    mut browser: TcpStream,
    server: &str,
    passing: &Passing,
    strays: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if browser.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let (first, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let inner =
        target.strip_prefix(passing.under).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let Some(inner) = inner else {
        // Browsers ask for one by themselves.
        if target != "/favicon.ico" {
            strays.lock().unwrap().push(target.to_owned());
        }
        return browser
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    };
    let rooted = if inner.starts_with('/') { inner.to_owned() } else { format!("/{inner}") };
    let target = if passing.cuts { rooted.as_str() } else { target };
    let mut host = "";
    let mut passed = format!("{method} {target} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n");
    for line in headers.split("\r\n") {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "host" => host = value.trim(),
            "connection" => {}
            _ => passed.push_str(&format!("{line}\r\n")),
        }
    }
    for (name, value) in passing.adds {
        passed.push_str(&format!("{name}: {}\r\n", value.replace("{host}", host)));
    }
    passed.push_str("\r\n");
    let mut upstream = TcpStream::connect(server).await?;
    upstream.write_all(passed.as_bytes()).await?;
    upstream.write_all(&read[end + 4..]).await?;
    copy_bidirectional(&mut browser, &mut upstream).await.map(|_| ())
}
