//! A server that is downloaded from a stand-in for Maven Central on loopback, unpacked and run.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha512};
use sqlx::{ConnectOptions, Connection};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

type Pages = Arc<HashMap<String, Vec<u8>>>;

/// Serves pages, and remembers which were asked for.
struct Mirror {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn serve(pages: HashMap<String, Vec<u8>>) -> Mirror {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/maven/postgres/", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (pages, log): (Pages, _) = (Arc::new(pages), asked.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that goes away early is not the mirror's concern.
            drop(answer(stream, &pages, &log).await);
        }
    });
    Mirror { url, asked }
}

async fn answer(stream: TcpStream, pages: &Pages, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if stream.read_line(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let page = pages.get(path.rsplit('/').next().unwrap_or_default());
    asked.lock().unwrap().push(path);
    let (status, body) = page.map_or(("404 Not Found", &[][..]), |page| ("200 OK", page.as_slice()));
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}

/// An archive of the form that is on Maven Central, whose programs hand over to this machine's own.
fn archive(bin: &Path) -> Vec<u8> {
    let mut tar = tar::Builder::new(liblzma::write::XzEncoder::new(Vec::new(), 6));
    tar.append_dir("bin", bin).unwrap();
    for name in ["initdb", "postgres"] {
        let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", bin.join(name).display());
        let mut header = tar::Header::new_gnu();
        header.set_size(script.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, format!("bin/{name}"), script.as_bytes()).unwrap();
    }
    let packed = tar.into_inner().unwrap().finish().unwrap();
    let mut jar = zip::ZipWriter::new(Cursor::new(Vec::new()));
    jar.start_file("postgres-linux-x86_64.txz", zip::write::SimpleFileOptions::default()).unwrap();
    jar.write_all(&packed).unwrap();
    jar.finish().unwrap().into_inner()
}

/// What a mirror holds that has several versions, and the archive of one.
fn pages(major: u32, jar: &[u8], hash: &str) -> HashMap<String, Vec<u8>> {
    let artifact = download::artifact("").unwrap().trim_start_matches('/').to_owned();
    let versions = [format!("{major}.1.0"), format!("{major}.9.0"), format!("{}.0.0", major + 1)];
    let versions: String = versions.iter().map(|version| format!("<version>{version}</version>")).collect();
    let metadata = format!(
        "<metadata><groupId>io.zonky.test.postgres</groupId><artifactId>{artifact}</artifactId><versioning>\
         <latest>{major}.9.0</latest><release>{major}.9.0</release><versions>{versions}</versions>\
         <lastUpdated>20260101000000</lastUpdated></versioning></metadata>"
    );
    HashMap::from([
        ("maven-metadata.xml".to_owned(), metadata.into_bytes()),
        (format!("{artifact}-{major}.9.0.jar"), jar.to_vec()),
        (format!("{artifact}-{major}.9.0.jar.sha512"), hash.as_bytes().to_vec()),
    ])
}

fn nothing_here() -> Search {
    Search { bin_dir: None, path: vec![], install_folders: vec![] }
}

fn this_machines() -> Binaries {
    Search::here(None).run(&RunAs::choose().unwrap(), None).unwrap().unwrap()
}

fn open_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

#[tokio::test]
async fn a_downloaded_server_runs_and_is_downloaded_once() {
    let binaries = this_machines();
    let major = binaries.major();
    let jar = archive(binaries.dir());
    let mirror = serve(pages(major, &jar, &hex::encode(Sha512::digest(&jar)))).await;
    let dir = open_dir();
    let cache_dir = dir.path().join("cache");
    // The cluster says which version is needed: make one, and then have no server.
    let config = PrivatePostgresConfig {
        data_dir: dir.path().join("data"),
        releases_url: Some(mirror.url.clone()),
        cache_dir: Some(cache_dir.clone()),
        ..Default::default()
    };
    PrivatePostgres::start(config.clone()).await.unwrap().stop().await.unwrap();
    assert_eq!(*mirror.asked.lock().unwrap(), [""; 0], "a server that is here is not downloaded");

    for _ in 0..2 {
        let postgres = PrivatePostgres::start_found(config.clone(), nothing_here()).await.unwrap();
        let mut connection = postgres.connect_options().connect().await.unwrap();
        let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut connection).await.unwrap();
        assert_eq!(one, 1);
        connection.close().await.unwrap();
        postgres.stop().await.unwrap();
        assert!(cache_dir.join(format!("{major}.9.0/bin/postgres")).exists(), "not the newest that fits");
        assert_eq!(mirror.asked.lock().unwrap().len(), 3, "index, hash and archive, once each");
    }
}

#[tokio::test]
async fn an_archive_with_another_hash_is_not_used() {
    let mirror = serve(pages(17, b"not what was published", &"0".repeat(128))).await;
    let dir = open_dir();
    let config = PrivatePostgresConfig {
        data_dir: dir.path().join("data"),
        releases_url: Some(mirror.url.clone()),
        cache_dir: Some(dir.path().join("cache")),
        ..Default::default()
    };
    let error = PrivatePostgres::start_found(config, nothing_here()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, PostgresError::NotFound { .. }), "{text}");
    for part in ["PATH: no folder", "download: ", &mirror.url, "hash", "apt-get install postgresql"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    assert!(!dir.path().join("cache").exists());
}
