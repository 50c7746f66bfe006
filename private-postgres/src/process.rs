//! The server's process: started, watched, stopped.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::{oneshot, watch};

use crate::error::PostgresError;
use crate::lock::DataLock;

/// How long a fast shutdown may take: it writes all that is in memory.
pub(crate) const FAST: Duration = Duration::from_secs(60);
/// How long an immediate shutdown may take.
pub(crate) const IMMEDIATE: Duration = Duration::from_secs(10);

/// A running server. Dropped, it is asked to stop, and the data folder stays locked until it has.
#[derive(Debug)]
pub(crate) struct Process {
    handle: Arc<Handle>,
    exit: watch::Receiver<Option<String>>,
}

/// The process by its id, as long as that id is surely the process's own.
#[derive(Debug)]
struct Handle {
    pid: Pid,
    /// Held while a signal is sent, and while the process is reaped: after that its id may be another's.
    alive: Mutex<bool>,
}

impl Handle {
    fn signal(&self, signal: Signal) {
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if *alive && let Err(error) = kill_process(self.pid, signal) {
            tracing::warn!(pid = self.pid.as_raw_nonzero(), %error, "can't signal Postgres");
        }
    }
}

impl Process {
    /// Starts the server and watches it.
    ///
    /// Both happen on a thread of its own which lives as long as the server: the kernel counts the end of
    /// the thread that started a process as its parent's death.
    pub(crate) async fn start(mut command: Command, lock: Arc<DataLock>) -> Result<Self, PostgresError> {
        let program = PathBuf::from(command.get_program());
        let (started, starting) = oneshot::channel();
        let run = move || {
            end_with_us(&mut command, Signal::INT);
            let child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return drop(started.send(Err(error))),
            };
            let handle = Arc::new(Handle { pid: Pid::from_child(&child), alive: Mutex::new(true) });
            let (exited, exit) = watch::channel(None);
            if let Err(Ok(unwanted)) = started.send(Ok(Self { handle: handle.clone(), exit })) {
                // Nobody waits for it any more; to drop it is to stop it.
                drop(unwanted);
            }
            let status = wait(child, &handle);
            drop(lock);
            exited.send_replace(Some(status));
        };
        let spawned = std::thread::Builder::new().name("postgres".into()).spawn(run);
        spawned.map_err(|source| PostgresError::Spawn { program: program.clone(), source })?;
        match starting.await {
            Ok(Ok(process)) => Ok(process),
            Ok(Err(source)) => Err(PostgresError::Spawn { program, source }),
            Err(_) => Err(PostgresError::Interrupted),
        }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> i32 {
        self.handle.pid.as_raw_nonzero().get()
    }

    /// How the process ended, once it has.
    pub(crate) async fn exited(&self) -> String {
        match self.exit.clone().wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            Err(_) => "an unknown status".to_owned(),
        }
    }

    /// Stops the server: sessions are ended and all is written (`SIGINT`). If that takes too long it ends
    /// at once (`SIGQUIT`), which is safe too, but the next start takes longer.
    pub(crate) async fn stop(&self) -> Result<(), PostgresError> {
        for (signal, patience) in [(Signal::INT, FAST), (Signal::QUIT, IMMEDIATE)] {
            self.handle.signal(signal);
            if tokio::time::timeout(patience, self.exited()).await.is_ok() {
                return Ok(());
            }
            tracing::warn!(pid = self.pid(), seconds = patience.as_secs(), "Postgres has not stopped yet");
        }
        Err(PostgresError::WontStop { pid: self.pid() })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.handle.signal(Signal::INT);
    }
}

/// Waits for the end without reaping, then reaps while nobody can send a signal.
fn wait(mut child: Child, handle: &Handle) -> String {
    while let Err(error) = waitid(WaitId::Pid(handle.pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
        if error != rustix::io::Errno::INTR {
            tracing::warn!(%error, "can't wait for Postgres");
            break;
        }
    }
    let mut alive = handle.alive.lock().unwrap_or_else(PoisonError::into_inner);
    let status = child.wait();
    *alive = false;
    status.map_or_else(|error| format!("an unknown status ({error})"), |status| status.to_string())
}

/// Has the kernel send a signal to the program when we die, however we die. Only Linux can; elsewhere the
/// next start stops what is left.
///
/// The program also leaves our process group, so that Ctrl-C in a terminal reaches us alone and we stop
/// it in our own order.
pub(crate) fn end_with_us(command: &mut Command, signal: Signal) {
    use std::os::unix::process::CommandExt;

    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let us = rustix::process::getpid();
        let ask = move || {
            rustix::process::set_parent_process_death_signal(Some(signal))?;
            // We may have died before the kernel knew.
            if rustix::process::getppid() == Some(us) {
                Ok(())
            } else {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        };
        // SAFETY: between fork and exec the closure makes two system calls, allocates nothing and takes no
        // lock. The standard library calls it after it has changed the user, which would undo the request.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(ask)
        };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = signal;
}
