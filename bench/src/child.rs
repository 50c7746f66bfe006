//! The real server in a process of its own, so that its memory is its own too.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use access::{AccessError, Role, create_tenant, create_token};
use clap::Parser;
use domain::TenantId;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgPool;
use tokio::process::{Child, Command};

use crate::Failure;
use crate::client::Connection;
use crate::rig::Rig;

/// The first argument by which this program becomes the server.
pub const AS_SERVER: &str = "as-server";

/// What the server logs. The rows of long lists are made without a log of theirs, and its sampler finds them.
const LOG: &str = "warn,projector::maintenance::sampler=off";

/// How long the server may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server in this process, with the arguments after [`AS_SERVER`].
pub async fn run() -> Result<(), Failure> {
    let arguments = std::env::args().skip(2);
    let cli = server::cli::Cli::parse_from(std::iter::once("runledger".to_owned()).chain(arguments));
    server::main(cli).await?;
    Ok(())
}

/// A running server.
pub struct Server {
    child: Child,
    pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The memory of a process, in megabytes of 10^6 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// At this moment.
    pub now: f64,
    /// The most it ever was.
    pub most: f64,
}

impl Server {
    /// Starts it on the rig's main database, with more arguments for `serve`.
    pub async fn start(rig: &Rig, more: &[&str]) -> Result<Self, Failure> {
        // The port is free again before the server takes it; nobody else here asks for one.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([AS_SERVER, "serve", "--log", LOG, "--listen", &address.to_string()]).args(more);
        command.env("DATABASE_URL", rig.url()).stdin(Stdio::null()).kill_on_drop(true);
        let child = command.spawn()?;
        let pid = child.id().ok_or("the server ended at once")?;
        let mut server = Self { child, pid, address };
        let begin = Instant::now();
        while !server.answers().await {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            if begin.elapsed() > PATIENCE {
                return Err("the server does not answer".into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }

    async fn answers(&self) -> bool {
        let Ok(mut connection) = Connection::open(self.address, "none").await else { return false };
        connection.get("/readyz").await.is_ok()
    }

    /// Its memory, as the kernel counts it.
    pub fn memory(&self) -> Result<Memory, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let field = |name: &str| -> Result<f64, Failure> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")).ok_or("no such field")?;
            Ok(kilobytes.trim().parse::<f64>()? * 1_024.0 / 1_000_000.0)
        };
        Ok(Memory { now: field("VmRSS:")?, most: field("VmHWM:")? })
    }

    /// Stops it as an operator does, and waits for its end.
    pub async fn stop(mut self) -> Result<(), Failure> {
        let pid = Pid::from_raw(i32::try_from(self.pid)?).ok_or("no process id")?;
        kill_process(pid, Signal::TERM)?;
        let status = self.child.wait().await?;
        if status.success() { Ok(()) } else { Err(format!("the server ended badly: {status}").into()) }
    }
}

/// A caller of the API.
pub struct Caller {
    /// The tenant in the paths.
    pub tenant: TenantId,
    /// The token.
    pub token: String,
}

/// A token of a role in a tenant, which is made if it is not there.
pub async fn caller(pool: &PgPool, tenant: &str, role: Role) -> Result<Caller, Failure> {
    let tenant: TenantId = tenant.parse()?;
    match create_tenant(pool, &tenant, "Bench").await {
        Ok(_) | Err(AccessError::TenantExists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let made = create_token(pool, &tenant, role, &format!("bench-{}", role.as_str()).parse()?).await?;
    Ok(Caller { tenant, token: made.token.reveal().to_owned() })
}

/// Waits until the projection has reached the head of the log.
pub async fn projected(pool: &PgPool) -> Result<(), Failure> {
    loop {
        let behind: i64 = sqlx::query_scalar(
            "SELECT h.position - c.position FROM log.head AS h, projection.checkpoints AS c",
        )
        .fetch_one(pool)
        .await?;
        if behind <= 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Moves the projection to the head of the log: what the parts before have appended is not for the
/// server that comes next. Only while nothing projects.
pub async fn skip_to_head(rig: &Rig) -> Result<(), Failure> {
    let pool = rig.pool(1).await?;
    sqlx::query("UPDATE projection.checkpoints SET position = (SELECT position FROM log.head)")
        .execute(&pool)
        .await?;
    pool.close().await;
    Ok(())
}
