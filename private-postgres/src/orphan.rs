//! Stopping an orphaned server: one that outlived the program that started it.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::Instant;

use crate::error::PostgresError;
use crate::home::{Home, PORT};
use crate::process::{FAST, IMMEDIATE};

/// How often we look whether the server is gone: it is not our child, so its end is not told to us.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Stops a server that still runs on the cluster, and clears away what would keep a new one from starting.
///
/// We hold the data folder's lock, so such a server is no other program's.
pub(crate) async fn stop(home: &Home) -> Result<(), PostgresError> {
    let pid_file = home.data().join("postmaster.pid");
    if let Some(pid) = read_pid(&pid_file)? {
        if is_server(pid, &home.data()) {
            end(pid, &home.data()).await?;
        } else if is_alive(pid) {
            // The id went to another process since. Postgres would take that one for the server. Where no
            // process has the id we leave the file: Postgres learns from it whether sessions are left over.
            remove(&pid_file)?;
        }
    }
    let socket = format!(".s.PGSQL.{PORT}");
    remove(&home.socket_dir().join(format!("{socket}.lock")))?;
    remove(&home.socket_dir().join(socket))
}

async fn end(pid: Pid, data: &Path) -> Result<(), PostgresError> {
    tracing::info!(
        pid = pid.as_raw_nonzero(),
        "a Postgres of an earlier run is still there: stopping it first"
    );
    for (signal, limit) in [(Signal::INT, FAST), (Signal::QUIT, IMMEDIATE)] {
        // It may be gone by now, which is what we want; the loop below sees it.
        let _ = kill_process(pid, signal);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if !is_server(pid, data) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Err(PostgresError::WontStop { pid: pid.as_raw_nonzero().get() })
}

fn read_pid(pid_file: &Path) -> Result<Option<Pid>, PostgresError> {
    match fs::read_to_string(pid_file) {
        // A file that was cut short by a crash names no process.
        Ok(text) => Ok(text.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PostgresError::file("read", pid_file)(error)),
    }
}

fn is_alive(pid: Pid) -> bool {
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// Whether the process is a Postgres that was started on this very cluster.
fn is_server(pid: Pid, data: &Path) -> bool {
    let data = data.as_os_str().as_encoded_bytes();
    let Some(arguments) = arguments(pid) else { return false };
    arguments.first().is_some_and(|program| program.ends_with(b"postgres"))
        && arguments.windows(2).any(|pair| pair[0] == b"-D" && pair[1] == data)
}

/// The process's command line; empty for one that is dead and not reaped, none for one that is gone.
#[cfg(target_os = "linux")]
fn arguments(pid: Pid) -> Option<Vec<Vec<u8>>> {
    let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    Some(line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

/// As above. `ps` joins the arguments by spaces, so a folder with a space in its name is not recognized.
#[cfg(not(target_os = "linux"))]
fn arguments(pid: Pid) -> Option<Vec<Vec<u8>>> {
    let pid = pid.as_raw_nonzero().to_string();
    let output = std::process::Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid]).output().ok()?;
    Some(output.stdout.trim_ascii().split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect())
}

fn remove(path: &Path) -> Result<(), PostgresError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(PostgresError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}
