//! The cluster: made once, with a password and checksums, and run with durability on.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use uuid::Uuid;

use crate::account::RunAs;
use crate::error::PostgresError;
use crate::home::{Home, PORT};
use crate::locate::Binaries;
use crate::process::end_with_us;

/// The superuser, and the name of the database.
pub(crate) const NAME: &str = "runledger";

/// How the name of a cluster begins while it is being made.
const UNFINISHED: &str = "data.new-";

/// Settings that go to the server on its command line, where nothing in the cluster can override them.
const SETTINGS: [(&str, &str); 12] = [
    // What makes an acknowledged event durable. All three are Postgres's own defaults.
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    // The socket is the only way in.
    ("listen_addresses", ""),
    ("max_connections", "200"),
    ("shared_buffers", "128MB"),
    ("wal_compression", "on"),
    ("max_wal_size", "2GB"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_line_prefix", "%m [%p] %q%a "),
    ("cluster_name", NAME),
];

/// The major version that made the cluster; none where there is no cluster yet.
pub(crate) fn major(home: &Home) -> Result<Option<u32>, PostgresError> {
    let path = home.data().join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let unreadable = || io::Error::new(io::ErrorKind::InvalidData, format!("no version: {text:?}"));
            let major = text.trim().parse().map_err(|_| PostgresError::file("read", &path)(unreadable()))?;
            Ok(Some(major))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PostgresError::file("read", &path)(error)),
    }
}

/// The superuser's password.
pub(crate) fn password(home: &Home) -> Result<String, PostgresError> {
    let path = home.password();
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(PostgresError::MissingPassword { path }),
        Err(error) => Err(PostgresError::file("read", &path)(error)),
    }
}

/// Makes the cluster. It gets its name only when it is whole, so one that was begun and not ended is
/// never taken for a cluster.
pub(crate) fn create(home: &Home, binaries: &Binaries, run_as: &RunAs) -> Result<(), PostgresError> {
    remove_unfinished(home)?;
    write_password(home, run_as)?;
    let unfinished = home.dir().join(format!("{UNFINISHED}{}", Uuid::new_v4().simple()));
    let program = binaries.program("initdb");
    let mut command = run_as.command(&program);
    command.arg("--pgdata").arg(&unfinished).arg("--pwfile").arg(home.password());
    command.args(["--username", NAME, "--auth", "scram-sha-256", "--data-checksums"]);
    // The locale C is there on every machine and sorts alike on all of them.
    command.args(["--encoding", "UTF8", "--locale", "C"]);
    end_with_us(&mut command, rustix::process::Signal::KILL);
    let output = command.output().map_err(|source| PostgresError::Spawn { program, source })?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let output_text = String::from_utf8_lossy(&said).trim().to_owned();
        return Err(PostgresError::Initdb { status: output.status.to_string(), output: output_text });
    }
    let data = home.data();
    fs::rename(&unfinished, &data).map_err(PostgresError::file("create", &data))?;
    sync_dir(home.dir()).map_err(PostgresError::file("sync", home.dir()))?;
    tracing::info!(cluster = %data.display(), version = binaries.major(), "made a database cluster");
    Ok(())
}

/// The server's arguments.
pub(crate) fn arguments(home: &Home) -> Vec<OsString> {
    // A list of folders, in which a quoted name may hold any character.
    let socket_dir = home.socket_dir().to_string_lossy().replace('"', "\"\"");
    let mut arguments: Vec<OsString> = vec!["-D".into(), home.data().into()];
    arguments.extend(["-p".into(), PORT.to_string().into(), "-k".into(), format!("\"{socket_dir}\"").into()]);
    for (name, value) in SETTINGS {
        arguments.extend(["-c".into(), format!("{name}={value}").into()]);
    }
    arguments
}

fn remove_unfinished(home: &Home) -> Result<(), PostgresError> {
    let entries = fs::read_dir(home.dir()).map_err(PostgresError::file("list", home.dir()))?;
    for entry in entries {
        let entry = entry.map_err(PostgresError::file("list", home.dir()))?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path()).map_err(PostgresError::file("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// Writes a new password. Only for a cluster that is yet to be made.
fn write_password(home: &Home, run_as: &RunAs) -> Result<(), PostgresError> {
    let path = home.password();
    let fresh = path.with_extension("new");
    // Two random UUIDs: 244 random bits.
    let password = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let write = || {
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        writeln!(file, "{password}")?;
        file.sync_all()?;
        run_as.own(&fresh)?;
        fs::rename(&fresh, &path)?;
        sync_dir(home.dir())
    };
    write().map_err(PostgresError::file("write", &path))
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
