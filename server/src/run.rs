//! What each command does, from start to stop.

use tokio::process::Command as Process;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{MigrateArgs, ProjectorRunArgs, ServeArgs, WithPostgresArgs};
use crate::database::{self, Database};
use crate::error::Error;
use crate::listen;
use crate::services::{Parts, Services};
use crate::tls::Certificate;

/// `runledger serve`: until it is told to stop, or a part fails.
///
/// # Errors
/// What made it stop.
pub async fn serve(args: ServeArgs) -> Result<(), Error> {
    let mut stop = Stop::listen()?;
    let url = served(&args)?;
    // Before anything is made.
    let listeners = listen::on(&args.http.listen).await?;
    let tls = Certificate::read(&args.tls)?;
    let database = Database::named_or_private(url, &args.database.private).await?;
    let parts = Parts {
        tls,
        keys: Some(args.keys),
        projector: !args.no_projector,
        sweeper: Some(args.sweeper),
        inlets: Some(args.inlets),
        seal: Some(args.seal),
        metrics: None,
        event_log: args.event_log.event_log,
        // A private database is nobody else's to migrate.
        migrate: args.migrate || database.is_private(),
        http: Some((args.http, listeners)),
    };
    let Some(services) = started(&mut stop, &database, parts).await? else { return database.close().await };
    for address in &services.addresses {
        tracing::info!(%address, "listening");
    }
    until_stopped(services, database).await
}

/// The URL of the database that `serve` was told of; none for a private one. None is made that was not asked for: an
/// empty one in the place of the one that was meant would look like a ledger that lost all.
fn served(args: &ServeArgs) -> Result<Option<&str>, Error> {
    match (database::named_url(args.database.database_url.as_deref()), args.private_postgres) {
        (Some(url), false) => Ok(Some(url)),
        (None, true) => Ok(None),
        (None, false) => Err(Error::Usage(
            "which database? Set DATABASE_URL, or say --private-postgres for a private one in the data folder; \
             `runledger dev` is for trying it out"
                .to_owned(),
        )),
        (Some(_), true) => Err(Error::Usage(
            "DATABASE_URL names one database, --private-postgres another: leave one of them out".to_owned(),
        )),
    }
}

/// `runledger projector run`: until it is told to stop, or it fails.
///
/// # Errors
/// What made it stop.
pub async fn project(args: ProjectorRunArgs) -> Result<(), Error> {
    let mut stop = Stop::listen()?;
    let metrics = match &args.metrics_listen {
        Some(address) => Some(listen::on(address).await?),
        None => None,
    };
    let database = Database::named_or_running(&args.database)?;
    let parts = Parts {
        http: None,
        tls: None,
        keys: None,
        projector: true,
        sweeper: None,
        inlets: None,
        seal: None,
        metrics,
        event_log: args.event_log.event_log,
        migrate: false,
    };
    let Some(services) = started(&mut stop, &database, parts).await? else { return database.close().await };
    until_stopped(services, database).await
}

/// Starts the parts; none when we are told to stop while the database is still waited for.
async fn started(stop: &mut Stop, database: &Database, parts: Parts) -> Result<Option<Services>, Error> {
    tokio::select! {
        services = Services::start(&database.options, parts) => services.map(Some),
        () = stop.asked() => Ok(None),
        error = database.died() => Err(error),
    }
}

/// `runledger migrate`
///
/// # Errors
/// When a migration fails, or rights are missing that this user may not give.
pub async fn migrate(args: MigrateArgs) -> Result<(), Error> {
    let database = Database::named_or_running(&args.database)?;
    database::migrate(&database.options, args.serve_role.as_deref()).await?;
    tracing::info!("the tables and the rights on them are up to date");
    Ok(())
}

/// `runledger with-postgres`: gives back the command's exit code.
///
/// # Errors
/// When the server or the command can't be started.
pub async fn with_postgres(args: WithPostgresArgs) -> Result<u8, Error> {
    let url = database::named_url(args.database_url.as_deref());
    let database = Database::named_or_private(url, &args.private).await?;
    let (program, arguments) = args.command.split_first().ok_or_else(|| Error::Usage("no command".into()))?;
    let status = Process::new(program).args(arguments).env("DATABASE_URL", &database.url).status();
    // The terminal sends Ctrl-C to the command as well; we stay to clean up behind it.
    let mut stop = Stop::listen()?;
    let mut status = std::pin::pin!(status);
    let status = loop {
        tokio::select! {
            status = &mut status => break status,
            () = stop.asked() => tracing::info!("waiting for the command to end"),
        }
    };
    database.close().await?;
    let status = status.map_err(|source| Error::Command { command: program.clone(), source })?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Runs the services until SIGINT, SIGTERM or a failure, then stops everything in order.
///
/// # Errors
/// What made it stop, or what went wrong while stopping.
pub async fn until_stopped(mut services: Services, database: Database) -> Result<(), Error> {
    let mut stop = Stop::listen()?;
    let ended = tokio::select! {
        () = stop.asked() => Ok(()),
        error = services.failed() => Err(error),
        error = database.died() => {
            // Nothing that still runs could end well: there is nothing to wait for.
            tracing::error!(%error, "stopping at once");
            services.abort();
            return Err(error);
        }
    };
    tracing::info!("stopping");
    let stopped = services.stop().await;
    let closed = database.close().await;
    ended.and(stopped).and(closed)
}

/// The signals by which a program is asked to stop.
pub struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    /// Listens from now on, instead of dying at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(Error::file("signals"));
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    /// Resolves at the next SIGINT or SIGTERM.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
