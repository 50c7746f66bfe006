//! What is reported, on disk: written at the call, taken from there by the sender, kept until the ledger has it.
//!
//! ```text
//! SPOOL/LEDGER.rust/OWNER/lock      held by the process that sends what is in the folder, for as long as it lives
//! SPOOL/LEDGER.rust/OWNER/REF.run   how a run is known to the ledger: its start, its id, its `Started`
//! SPOOL/LEDGER.rust/OWNER/REF.log   its events, a line each
//! SPOOL/LEDGER.rust/refused.log     what was refused, and why
//! ```
//!
//! One `write` an event, which survives the end of the process, however it comes. LEDGER is a hash of address and tenant;
//! no token is ever written.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use domain::RunId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::Problem;
use crate::event::now;
use crate::runfile::{Meta, RunFile, lock, private};

const REFUSED_LIMIT: u64 = 8 << 20;
/// A lock is taken right after it is made; the folder is left alone for the moment that this takes.
const BEGINNING: Duration = Duration::from_secs(1);

/// The folder of one process and one ledger, and what is left by processes that are gone.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    own: Option<PathBuf>,
    locks: HashMap<PathBuf, File>,
}

impl Spool {
    pub fn new(folder: &Path, url: &str, tenant: &str) -> Self {
        let name = hex::encode(Sha256::digest(format!("{} {tenant}", url.trim_end_matches('/'))));
        Self { folder: folder.join(format!("{}.rust", &name[..16])), held: Mutex::default() }
    }

    /// Begins a run.
    ///
    /// # Errors
    /// Where nothing can be written.
    pub fn create(&self, meta: Meta) -> io::Result<RunFile> {
        let mut held = lock(&self.held);
        let own = match &held.own {
            Some(own) => own.clone(),
            None => {
                let unique = &Uuid::new_v4().simple().to_string()[..8];
                let own = self.folder.join(format!("{}-{unique}", std::process::id()));
                DirBuilder::new().recursive(true).mode(0o700).create(&own)?;
                held.lock(&own)?;
                held.own.insert(own).clone()
            }
        };
        RunFile::create(&own, &Uuid::new_v4().to_string(), meta)
    }

    /// The runs of processes that have died. From now on this process is the one that sends them.
    pub fn adopt(&self) -> Vec<RunFile> {
        let mut held = lock(&self.held);
        let mut found = Vec::new();
        for owner in folders(&self.folder) {
            if held.locks.contains_key(&owner) || is_beginning(&owner) || held.lock(&owner).is_err() {
                continue; // somebody has it
            }
            let mut runs: Vec<PathBuf> = fs::read_dir(&owner)
                .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
                .unwrap_or_default();
            runs.retain(|path| path.extension().is_some_and(|end| end == "run"));
            runs.sort();
            found.extend(runs.iter().filter_map(|path| RunFile::found(path)));
        }
        found
    }

    /// Removes the folders of the dead of which all is sent. `busy`: folders with runs that are not.
    pub fn tidy(&self, busy: &HashSet<PathBuf>) {
        let mut held = lock(&self.held);
        let own = held.own.clone();
        held.locks.retain(|owner, _| {
            let keep = Some(owner) == own.as_ref() || busy.contains(owner);
            if !keep {
                let _ = fs::remove_dir_all(owner);
            }
            keep
        });
    }

    /// Keeps what was refused, for people to look at: at most some 16 MB.
    pub fn set_aside(&self, run: Option<RunId>, event: &Value, problem: &Problem) {
        let line = json!({"at": now(), "run_id": run, "event": event, "problem": problem.0});
        let write = || -> io::Result<()> {
            let path = self.folder.join("refused.log");
            if fs::metadata(&path).is_ok_and(|found| found.len() > REFUSED_LIMIT) {
                fs::rename(&path, self.folder.join("refused.log.1"))?;
            }
            private().append(true).create(true).open(path)?.write_all(format!("{line}\n").as_bytes())
        };
        if let Err(error) = write() {
            // It is told as well.
            tracing::warn!(%error, "what was refused can't be set aside");
        }
    }
}

impl Held {
    fn lock(&mut self, owner: &Path) -> io::Result<()> {
        let file = private().read(true).write(true).create(true).truncate(false).open(owner.join("lock"))?;
        file.try_lock()?;
        self.locks.insert(owner.to_owned(), file);
        Ok(())
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn is_beginning(owner: &Path) -> bool {
    let made =
        fs::metadata(owner.join("lock")).or_else(|_| fs::metadata(owner)).and_then(|found| found.modified());
    made.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < BEGINNING))
}
