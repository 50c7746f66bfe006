//! The server's log file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::PostgresError;

/// A log that has grown beyond this, in bytes, starts anew with the next start of the server.
const LARGEST: u64 = 10 * 1024 * 1024;
/// How much of the end is looked at, in bytes, and how many lines of it are shown.
const TAIL_BYTES: u64 = 16 * 1024;
const TAIL_LINES: usize = 20;

/// The log of one run of the server.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    path: PathBuf,
    /// Where this run's part begins, in bytes.
    start: u64,
}

impl Log {
    /// Opens the log for a new run, and gives the file to write to.
    pub(crate) fn open(path: &Path) -> Result<(Self, File), PostgresError> {
        let open = || {
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            if file.metadata()?.len() > LARGEST {
                file.set_len(0)?;
            }
            let start = file.metadata()?.len();
            Ok((Self { path: path.to_owned(), start }, file))
        };
        open().map_err(PostgresError::file("open", path))
    }

    /// Where the log is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// This run's last lines.
    pub(crate) fn tail(&self) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.start.max(length.saturating_sub(TAIL_BYTES))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        match read() {
            Ok(text) => {
                let lines: Vec<&str> = text.lines().collect();
                lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
            }
            Err(error) => format!("(can't be read: {error})"),
        }
    }
}
