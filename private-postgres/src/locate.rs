//! Finds a Postgres server on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use crate::account::RunAs;
use crate::error::{Attempt, PostgresError};

/// The oldest major version that we run on.
const OLDEST: u32 = 14;

/// Where the usual packages put a server: a folder that holds one folder a version, how that one's name
/// begins, and the way from there to the programs. Without a beginning of its own the name is the version.
const INSTALL_FOLDERS: [(&str, &str, &str); 9] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/lib", "postgresql", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ("/opt/local/lib", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// Install folders with no version in their names.
const PLAIN_INSTALL_FOLDERS: [&str; 4] = [
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql/bin",
    "/usr/local/opt/postgresql/bin",
    "/usr/libexec/postgresql",
];

/// A folder with a server that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    dir: PathBuf,
    major: u32,
}

impl Binaries {
    /// Looks whether `dir` holds `initdb` and `postgres`, both of which run as the server's user, and, if
    /// `major` is given, of that version.
    ///
    /// The error says what is wrong with the folder.
    pub(crate) fn check(dir: &Path, run_as: &RunAs, major: Option<u32>) -> Result<Self, String> {
        // The server is started in another working folder than ours.
        let dir = std::path::absolute(dir).map_err(|error| error.to_string())?;
        let mut found = None;
        for name in ["initdb", "postgres"] {
            let program = dir.join(name);
            if !program.is_file() {
                return Err(format!("holds no {name}"));
            }
            let output = run_as
                .command(&program)
                .arg("--version")
                .output()
                .map_err(|error| format!("{name} can't be run by the user {}: {error}", run_as.name()))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{name} does not run ({}): {}", output.status, said.trim()));
            }
            found = version(&String::from_utf8_lossy(&output.stdout));
        }
        let found = found.ok_or("its postgres does not tell its version")?;
        match major {
            Some(major) if major != found => {
                Err(format!("is Postgres {found}, but the cluster was made by Postgres {major}"))
            }
            _ if found < OLDEST => Err(format!("is Postgres {found}, and {OLDEST} or newer is needed")),
            _ => Ok(Self { dir, major: found }),
        }
    }

    /// One of the programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The server's major version.
    pub(crate) fn major(&self) -> u32 {
        self.major
    }
}

/// Where to look.
#[derive(Debug)]
pub(crate) struct Search {
    /// `PG_BIN_DIR`. Where it is given, no other place is looked at.
    pub(crate) bin_dir: Option<PathBuf>,
    /// The folders in PATH.
    pub(crate) path: Vec<PathBuf>,
    /// The usual install folders of this machine, best first.
    pub(crate) install_folders: Vec<PathBuf>,
}

impl Search {
    /// This machine.
    pub(crate) fn here(bin_dir: Option<PathBuf>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut install_folders: Vec<PathBuf> = INSTALL_FOLDERS
            .iter()
            .flat_map(|(parent, prefix, tail)| versions(Path::new(parent), prefix, tail))
            .collect();
        install_folders.extend(PLAIN_INSTALL_FOLDERS.iter().map(PathBuf::from).filter(|dir| dir.is_dir()));
        Self { bin_dir, path: std::env::split_paths(&path).collect(), install_folders }
    }

    /// The first place with a server that fits. `Err` inside `Ok` lists what was tried.
    ///
    /// # Errors
    /// [`PostgresError::BadBinDir`] when `PG_BIN_DIR` is given and of no use: it was meant, so to take
    /// another server in silence would be wrong.
    pub(crate) fn run(
        &self,
        run_as: &RunAs,
        major: Option<u32>,
    ) -> Result<Result<Binaries, Vec<Attempt>>, PostgresError> {
        if let Some(dir) = &self.bin_dir {
            return match Binaries::check(dir, run_as, major) {
                Ok(binaries) => Ok(Ok(binaries)),
                Err(reason) => Err(PostgresError::BadBinDir { path: dir.clone(), reason }),
            };
        }
        let mut attempts = vec![attempt("PG_BIN_DIR", "not set")];
        let mut folders = Vec::new();
        match self.pg_config() {
            Ok(dir) => folders.push(("pg_config --bindir: ", dir)),
            Err(reason) => attempts.push(attempt("pg_config --bindir", &reason)),
        }
        if self.install_folders.is_empty() {
            attempts.push(attempt("the usual install folders", "there are none"));
        }
        folders.extend(self.install_folders.iter().map(|dir| ("", dir.clone())));
        let in_path: Vec<_> = self.path.iter().filter(|dir| dir.join("postgres").is_file()).collect();
        if in_path.is_empty() {
            attempts.push(attempt("PATH", "no folder in it holds postgres"));
        }
        folders.extend(in_path.into_iter().map(|dir| ("in PATH: ", dir.clone())));
        for (from, dir) in folders {
            match Binaries::check(&dir, run_as, major) {
                Ok(binaries) => return Ok(Ok(binaries)),
                Err(reason) => attempts.push(attempt(&format!("{from}{}", dir.display()), &reason)),
            }
        }
        Ok(Err(attempts))
    }

    fn pg_config(&self) -> Result<PathBuf, String> {
        let program = self.path.iter().map(|dir| dir.join("pg_config")).find(|file| file.is_file());
        let program = program.ok_or("no pg_config in PATH")?;
        let output = RunAs::Ourselves.command(&program).arg("--bindir").output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        let dir = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || dir.is_empty() {
            return Err(format!("{} gives no folder ({})", program.display(), output.status));
        }
        Ok(dir.into())
    }
}

fn attempt(place: &str, reason: &str) -> Attempt {
    Attempt { place: place.into(), reason: reason.into() }
}

/// `<parent>/<prefix><version>/<tail>` for each version there is, the newest first: 16 before 9.6.
pub(crate) fn versions(parent: &Path, prefix: &str, tail: &str) -> Vec<PathBuf> {
    // A parent that is missing or closed has no server for us.
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(Vec<u32>, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?;
            let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
            Some((numbers?, if tail.is_empty() { entry.path() } else { entry.path().join(tail) }))
        })
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0));
    found.into_iter().map(|(_, dir)| dir).collect()
}

/// The major version in what `postgres --version` prints, such as `postgres (PostgreSQL) 17beta1`.
fn version(text: &str) -> Option<u32> {
    let word = text.split_once(')')?.1.trim_start();
    let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    word[..end].parse().ok()
}

#[cfg(test)]
#[path = "locate_tests.rs"]
mod tests;
