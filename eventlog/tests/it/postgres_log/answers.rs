//! Commits whose answers are lost: the log has the events, and the writer was never told.

use std::path::Path;
use std::sync::Arc;

use eventlog::{Appended, EventLog, Position};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

use super::{append, connect, event, soon, stream};

/// What is done with what the database says.
#[derive(Clone, Copy, PartialEq)]
enum Answers {
    Pass,
    /// The database works on, and nobody hears of it.
    Swallow,
    /// Every connection is at its end.
    Cut,
}

/// Stands between a log and its database, on a socket of its own in `folder`.
async fn between(
    options: &PgConnectOptions,
    folder: &Path,
) -> (PgConnectOptions, Arc<watch::Sender<Answers>>) {
    let name = format!(".s.PGSQL.{}", options.get_port());
    let listener = UnixListener::bind(folder.join(&name)).unwrap();
    let host = (options.get_host().to_owned(), options.get_port());
    let socket = options.get_socket().map(|folder| folder.join(&name));
    let answers = Arc::new(watch::Sender::new(Answers::Pass));
    let told = answers.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // The test's database may be on a port or on a socket.
            match &socket {
                Some(socket) => {
                    let server = UnixStream::connect(socket).await.unwrap();
                    tokio::spawn(relay(client, server, told.subscribe()));
                }
                None => {
                    let server = TcpStream::connect(host.clone()).await.unwrap();
                    tokio::spawn(relay(client, server, told.subscribe()));
                }
            }
        }
    });
    (options.clone().socket(folder), answers)
}

async fn relay(
    client: UnixStream,
    server: impl AsyncRead + AsyncWrite,
    mut answers: watch::Receiver<Answers>,
) {
    answers.borrow_and_update();
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let forth = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let cut = answers.clone();
    let back = async {
        let mut bytes = vec![0; 1 << 16];
        loop {
            let read = from_server.read(&mut bytes).await?;
            if read == 0 {
                return std::io::Result::Ok(());
            }
            if *cut.borrow() == Answers::Pass {
                to_client.write_all(&bytes[..read]).await?;
            }
        }
    };
    // However it ends, both connections end.
    tokio::select! {
        _ = forth => {}
        _ = back => {}
        _ = answers.wait_for(|answers| *answers == Answers::Cut) => {}
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_was_committed_without_an_answer_is_answered(_pool: PgPoolOptions, options: PgConnectOptions) {
    let folder = tempfile::tempdir().unwrap();
    let (through, answers) = between(&options, folder.path()).await;
    let log = connect(&through).await;
    let mut db = PgConnection::connect_with(&options).await.unwrap();
    let (name, mut last) = (stream(), None);
    for _ in 0..10 {
        // After these the writer commits in one message: it is connected, alone, knows the stream and has
        // prepared its statement.
        for _ in 0..2 {
            last = Some(append(&log, &name, last, vec![event()]).await.unwrap().revision);
        }
        let before = log.head().await.unwrap();
        answers.send_replace(Answers::Swallow);
        let one = vec![event(), event()];
        let asked = tokio::spawn({
            let (log, name, one) = (log.clone(), name.clone(), one.clone());
            async move { append(&log, &name, last, one).await }
        });
        // Until it is there, whatever the writer knows of it.
        let there = async {
            loop {
                let head: i64 =
                    sqlx::query_scalar("SELECT position FROM log.head").fetch_one(&mut db).await.unwrap();
                if head == i64::try_from(before.0 + 2).unwrap() {
                    return;
                }
            }
        };
        soon(there).await;
        answers.send_replace(Answers::Cut);
        // Those that were under way have seen it; those to come pass.
        while !asked.is_finished() && answers.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
        answers.send_replace(Answers::Pass);

        let appended = soon(asked).await.unwrap().unwrap();
        assert!(!appended.duplicate, "it is the first time that anybody hears of it");
        assert_eq!(appended.position, Position(before.0 + 2));
        assert_eq!(appended.revision, appended.position.0 - 1);
        let again = append(&log, &name, last, one).await.unwrap();
        assert_eq!(again, Appended { duplicate: true, ..appended });
        last = Some(appended.revision);
    }
    assert_eq!(log.read_stream(&name, 0, 100).await.unwrap().len(), 40);
    log.shutdown().await;
}
