//! Downloads a Postgres server where the machine has none.
//!
//! The archives are those of zonkyio/embedded-postgres-binaries, which lie on Maven Central: one small
//! archive per system with `initdb`, `postgres` and what they need. Each comes with its SHA-512, without
//! which it is not used. Any mirror of Maven Central will do in its stead.

use std::error::Error;
use std::fs;
use std::io::{BufReader, Cursor, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use liblzma::read::XzDecoder;
use tokio::task::spawn_blocking;
use zip::ZipArchive;

use crate::locate::versions;
use crate::maven::{Artifact, Problem};

/// Where the archives are, if nothing else is said.
const RELEASES_URL: &str = "https://repo1.maven.org/maven2/io/zonky/test/postgres";

/// The major version that is downloaded where there is no cluster yet.
const MAJOR: u32 = 17;

/// Gives the folder of a downloaded server's programs. Downloads it first if the cache has none that fits.
///
/// `releases_url` is the folder that holds one Maven artifact per system. The error says what went wrong.
pub(crate) async fn download(
    releases_url: Option<&str>,
    cache_dir: &Path,
    major: Option<u32>,
) -> Result<PathBuf, String> {
    let major = major.unwrap_or(MAJOR);
    if let Some(bin) = cached(cache_dir, major) {
        return Ok(bin);
    }
    let url = artifact(releases_url.unwrap_or(RELEASES_URL))?;
    tracing::info!(%url, cache = %cache_dir.display(), "no Postgres server on this machine: downloading one");
    let fetch = async {
        let artifact = Artifact::new(&url)?;
        let version = artifact.newest(major).await?;
        let archive = artifact.archive(&version).await?;
        let dir = cache_dir.join(version);
        let unpacked = dir.clone();
        spawn_blocking(move || unpack(archive, &unpacked)).await??;
        Ok::<_, Problem>(dir)
    };
    let dir = fetch.await.map_err(|error| format!("{url}: {}", chain(error.as_ref())))?;
    Ok(dir.join("bin"))
}

/// The folder for downloads, if nothing else is said. As root it is one that the server's user can reach.
pub(crate) fn default_cache_dir() -> Result<PathBuf, String> {
    if rustix::process::geteuid().is_root() {
        return Ok("/var/cache/runledger/postgres".into());
    }
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    Ok(base.ok_or("no home folder to keep a download in: set XDG_CACHE_HOME")?.join("runledger/postgres"))
}

fn cached(cache_dir: &Path, major: u32) -> Option<PathBuf> {
    versions(cache_dir, &format!("{major}."), "bin").into_iter().find(|bin| bin.is_dir())
}

pub(crate) fn artifact(base: &str) -> Result<String, String> {
    let system = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        other => return Err(format!("there is no download for {other}")),
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64v8",
        other => return Err(format!("there is no download for {other} machines")),
    };
    // Those for the C library musl are archives of their own.
    let library = if cfg!(target_env = "musl") { "-alpine" } else { "" };
    Ok(format!("{}/embedded-postgres-binaries-{system}-{machine}{library}", base.trim_end_matches('/')))
}

/// Unpacks the programs, a packed tar inside an archive, beside `dir` and renames: `dir` is whole or not there.
fn unpack(archive: Vec<u8>, dir: &Path) -> Result<(), Problem> {
    let parent = dir.parent().ok_or("no folder to unpack in")?;
    fs::create_dir_all(parent)?;
    let beside = tempfile::tempdir_in(parent)?;
    let mut archive = ZipArchive::new(Cursor::new(archive))?;
    let programs = archive.file_names_raw().position(|name| name.ends_with(b".txz"));
    let programs = archive.by_index(programs.ok_or("there are no programs in the archive")?)?;
    tar::Archive::new(XzDecoder::new(BufReader::new(programs))).unpack(beside.path())?;
    // A temporary folder is open to its own user alone, and the server's user may be another.
    fs::set_permissions(beside.path(), fs::Permissions::from_mode(0o755))?;
    match fs::rename(beside.path(), dir) {
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
        renamed => renamed?,
    }
    Ok(())
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        next = error.source();
    }
    text
}
