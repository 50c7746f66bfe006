//! What a ledger is made of.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Trouble};
use crate::event::text;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::sender::Sender;
use crate::spool::Spool;
use crate::transport::{Token, Transport};
use crate::troubles::{OnTrouble, Troubles};

/// Makes a [`Ledger`].
#[must_use]
pub struct Builder {
    url: String,
    tenant: String,
    token: Token,
    spool: Option<PathBuf>,
    worker: Option<String>,
    on_trouble: Option<OnTrouble>,
    limits: Limits,
    end_on_sigterm: bool,
}

impl Builder {
    pub(crate) fn new(url: &str, token: &str, tenant: &str) -> Self {
        let token = token.to_owned();
        Self {
            url: url.to_owned(),
            tenant: tenant.to_owned(),
            token: Arc::new(move || token.clone()),
            spool: None,
            worker: None,
            on_trouble: None,
            limits: Limits::default(),
            end_on_sigterm: false,
        }
    }

    /// From `RUNLEDGER_URL`, `RUNLEDGER_TOKEN`, `RUNLEDGER_TENANT` and `RUNLEDGER_SPOOL`.
    pub(crate) fn from_env() -> Result<Self, Error> {
        let given = |name: &str| {
            let missing = || {
                Error::Setting(format!("{name} is not set: Ledger::builder(url, token, tenant) takes it too"))
            };
            std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        Ok(Self::new(&given("RUNLEDGER_URL")?, &given("RUNLEDGER_TOKEN")?, &given("RUNLEDGER_TENANT")?))
    }

    /// Asked for a token at each request, for tokens that change.
    pub fn token_from(mut self, token: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.token = Arc::new(token);
        self
    }

    /// The folder in which reports wait, which outlives the process; without, `RUNLEDGER_SPOOL`, or
    /// `~/.local/state/runledger`.
    pub fn spool(mut self, folder: impl AsRef<Path>) -> Self {
        self.spool = Some(folder.as_ref().to_owned());
        self
    }

    /// As what this process is shown; without, its host and number.
    pub fn worker(mut self, name: &str) -> Self {
        self.worker = Some(name.to_owned());
        self
    }

    /// Told what does not reach the ledger; without, it is logged by `tracing`.
    pub fn on_trouble(mut self, told: impl Fn(&Trouble) + Send + Sync + 'static) -> Self {
        self.on_trouble = Some(Box::new(told));
        self
    }

    /// Sizes and times.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// On SIGTERM, ends the runs of this process, waits until that is told, for `Limits::exit_timeout` at most, and then
    /// lets the process end by the signal. For programs that do not handle the signal themselves; those call
    /// [`Ledger::abort_all`].
    pub fn end_on_sigterm(mut self) -> Self {
        self.end_on_sigterm = true;
        self
    }

    /// Starts the thread that sends. Nothing is asked of the ledger.
    ///
    /// # Errors
    /// [`Error::Setting`] where the address is none, and [`Error::Io`] where the system gives no thread.
    pub fn build(self) -> Result<Ledger, Error> {
        let transport = Transport::new(&self.url, &self.tenant, self.token)?;
        let folder = self.spool.or_else(default_spool).ok_or_else(|| {
            Error::Setting("no folder for the spool: Builder::spool or RUNLEDGER_SPOOL names one".to_owned())
        })?;
        let spool = Spool::new(&folder, &self.url, &self.tenant);
        let worker = self.worker.unwrap_or_else(|| {
            let host = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
            format!("{host}/{}", std::process::id())
        });
        // The first text that is cleaned makes the patterns, which takes a moment: not in the midst of the work.
        let _ = text(&worker);
        Ledger::running(
            Sender::new(transport, spool, self.limits, Troubles::new(self.on_trouble)),
            worker,
            self.end_on_sigterm,
        )
    }
}

fn default_spool() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("RUNLEDGER_SPOOL").or_else(|| {
        let state =
            named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")))?;
        Some(state.join("runledger"))
    })
}
