//! One run in the spool: who it is, and the lines that are still to be sent. Written by the job, read by the sender.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::RunId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A file whose lines are all sent begins anew when it has grown to this.
const REWIND: u64 = 1 << 20;
/// The longest line, in bytes.
const LINE_LIMIT: usize = 128 << 10;

/// How a run is known: by its id, and before there is one by its start. `started` is what claims it; none where the run is
/// only dispatched, or was claimed elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub start: Option<Value>,
    pub run_id: Option<RunId>,
    pub started: Option<Value>,
    pub claimed: bool,
}

#[derive(Debug)]
pub(crate) struct RunFile {
    pub folder: PathBuf,
    name: String,
    meta: Mutex<Meta>,
    file: File,
    /// Held while a line is written; says whether one may be.
    writing: Mutex<()>,
    /// Nothing more will be written: it has ended, or nobody wants to hear of it.
    closed: AtomicBool,
    size: AtomicU64,
    /// Moved by the sender alone.
    sent: AtomicU64,
}

/// A panic elsewhere leaves what is guarded here whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For files that nobody else may read.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

impl RunFile {
    fn open(folder: &Path, name: &str, meta: Meta) -> io::Result<Self> {
        let file = private().read(true).append(true).create(true).open(folder.join(format!("{name}.log")))?;
        let size = file.metadata()?.len();
        Ok(Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            meta: Mutex::new(meta),
            file,
            writing: Mutex::new(()),
            closed: AtomicBool::new(false),
            size: AtomicU64::new(size),
            sent: AtomicU64::new(0),
        })
    }

    pub fn create(folder: &Path, name: &str, meta: Meta) -> io::Result<Self> {
        let file = Self::open(folder, name, meta)?;
        file.save()?;
        Ok(file)
    }

    /// One that a process which is gone has left; nothing where it died while it began.
    pub fn found(path: &Path) -> Option<Self> {
        let read = || -> Option<Self> {
            let meta = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
            Self::open(path.parent()?, path.file_stem()?.to_str()?, meta).ok()
        };
        let Some(file) = read() else {
            let _ = fs::remove_file(path);
            return None;
        };
        // What follows the last whole line is half of one.
        file.closed.store(true, Ordering::Release);
        Some(file)
    }

    pub fn meta(&self) -> Meta {
        lock(&self.meta).clone()
    }

    pub fn run_id(&self) -> Option<RunId> {
        lock(&self.meta).run_id
    }

    /// Changes how the run is known, here and on the disk.
    pub fn know(&self, change: impl FnOnce(&mut Meta)) -> io::Result<()> {
        change(&mut lock(&self.meta));
        self.save()
    }

    fn save(&self) -> io::Result<()> {
        let path = self.folder.join(format!("{}.run", self.name));
        let new = self.folder.join(format!("{}.new", self.name));
        let meta = serde_json::to_vec(&self.meta())?;
        private().write(true).create(true).truncate(true).open(&new)?.write_all(&meta)?;
        fs::rename(new, path)
    }

    /// Writes one line, unless the last one was written; how many bytes.
    ///
    /// # Errors
    /// What the disk does; nothing of the line is there then.
    pub fn append(&self, line: &[u8], last: bool) -> io::Result<u64> {
        let _turn = lock(&self.writing);
        if self.closed() {
            return Ok(0);
        }
        if line.len() > LINE_LIMIT {
            return Err(io::Error::other(format!("an event of {} bytes is too long", line.len())));
        }
        let size = self.size.load(Ordering::Acquire);
        let written = (&self.file).write(line)?;
        if written < line.len() {
            self.file.set_len(size)?;
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"));
        }
        self.size.store(size + written as u64, Ordering::Release);
        if last {
            self.closed.store(true, Ordering::Release);
        }
        Ok(written as u64)
    }

    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub fn close(&self) {
        let _turn = lock(&self.writing);
        self.closed.store(true, Ordering::Release);
    }

    /// The next whole lines: at most `count`, and no more bytes than `size` unless one alone has more.
    pub fn lines(&self, count: usize, size: usize) -> io::Result<Vec<String>> {
        let sent = self.sent.load(Ordering::Acquire);
        let room = size.max(LINE_LIMIT).min(usize::try_from(self.waiting()).unwrap_or(usize::MAX));
        let mut chunk = vec![0; room];
        let mut got = 0;
        while got < room {
            match self.file.read_at(&mut chunk[got..], sent + got as u64)? {
                0 => break,
                more => got += more,
            }
        }
        let (mut lines, mut at) = (Vec::new(), 0);
        while lines.len() < count {
            let Some(length) = chunk[at..got].iter().position(|byte| *byte == b'\n') else { break };
            if at + length > size && at > 0 {
                break;
            }
            lines.push(String::from_utf8_lossy(&chunk[at..at + length]).into_owned());
            at += length + 1;
        }
        Ok(lines)
    }

    /// The ledger has these, or will never take them.
    pub fn sent(&self, lines: &[String]) -> io::Result<()> {
        let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
        let sent = self.sent.fetch_add(bytes as u64, Ordering::AcqRel) + bytes as u64;
        if sent >= REWIND {
            let _turn = lock(&self.writing);
            if sent == self.size.load(Ordering::Acquire) {
                self.file.set_len(0)?;
                self.size.store(0, Ordering::Release);
                self.sent.store(0, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Bytes that are not sent.
    pub fn waiting(&self) -> u64 {
        self.size.load(Ordering::Acquire).saturating_sub(self.sent.load(Ordering::Acquire))
    }

    /// Puts it on the disk, so that it outlives the machine's end as well.
    pub fn sync(&self) {
        if let Err(error) = self.file.sync_data() {
            tracing::warn!(%error, "the spool can't be put on the disk");
        }
    }

    pub fn remove(&self) {
        self.close();
        for end in ["log", "run"] {
            let _ = fs::remove_file(self.folder.join(format!("{}.{end}", self.name)));
        }
    }
}
