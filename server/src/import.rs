//! `runledger import`: what another system has kept of its runs.

mod told;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use chrono::Utc;
use commands::Commands;
use domain::{PrincipalId, TenantId};
use eventlog::Position;
use imports::{Importer, Mapping, Mode, Planner, READY, Reached, Report, Settings, Source, ready};
use projector::Progress;
use sqlx::postgres::PgConnectOptions;

use crate::cli::ImportArgs;
use crate::connect::with_files;
use crate::error::Error;
use crate::meter::Meter;
use crate::operator::operator;
use crate::{database, keys};

/// Imports rows, or says what would become of them.
///
/// # Errors
/// When the mapping or the source can't be used, or the ledger takes nothing at the moment. Rows that can't be imported
/// are no error: the report tells of them, and so does the exit code.
pub async fn import(args: ImportArgs) -> Result<ExitCode, Error> {
    let tenant: TenantId = args.tenant.parse().map_err(|error| Error::Usage(format!("--tenant: {error}")))?;
    let mapping = mapping(&args.map)?;
    let query = args.query.clone().or_else(|| mapping.query.clone());
    let actor = PrincipalId::try_from(operator().name.into_string());
    let settings = Settings {
        tenant: tenant.clone(),
        actor: actor.map_err(|error| Error::Usage(format!("who runs this can't be named: {error}")))?,
        zone: args.zone,
        unfinished: args.unfinished.map(Into::into),
        now: Utc::now(),
    };
    let planner = Planner::new(mapping, settings).map_err(|error| Error::Usage(format!("--map: {error}")))?;
    let pool = database::connect_existing(&args.database).await?;
    if !access::list_tenants(&pool).await?.iter().any(|row| row.tenant == tenant.as_str()) {
        return Err(Error::Usage(format!(
            "there is no tenant {tenant}: make it with `runledger tenant create {tenant}`"
        )));
    }
    args.event_log.event_log.claim(&pool).await?;
    let log = args.event_log.event_log.open(&(*pool.connect_options()).clone()).await?;
    let imported = async {
        let commands = Commands::new(log.clone(), keys::load(&pool, &*log, None).await?);
        let source = source(&args.source, query.as_deref()).await?;
        let mode = Mode { dry_run: args.dry_run, resume: args.resume };
        let importer = Importer::new(commands, pool.clone(), planner, mode);
        let meter = Meter::of_rows(if args.dry_run { "reading" } else { "importing" });
        let goal = Position(source.goal());
        let show = |Reached { source, rows }| {
            meter.show(Progress { reached: Position(source), goal, events: rows });
        };
        let report = importer.run(source, show).await;
        meter.done();
        Ok::<_, Error>(report?)
    };
    let imported = imported.await;
    log.shutdown().await;
    pool.close().await;
    let report = imported?;
    args.output.tell(&report, told::in_words)?;
    Ok(if Report::refused_rows(&report) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The mapping of that name, or of that file.
fn mapping(name: &str) -> Result<Mapping, Error> {
    let wrong = |error: imports::InvalidMapping| Error::Usage(format!("--map {name}: {error}"));
    if let Some(mapping) = ready(name).map_err(wrong)? {
        return Ok(mapping);
    }
    let path = PathBuf::from(name);
    if !path.exists() {
        let names = READY.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        return Err(Error::Usage(format!(
            "--map: there is no file {name}, and no mapping of that name: {names}"
        )));
    }
    let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
    Mapping::parse(&text).map_err(wrong)
}

async fn source(source: &str, query: Option<&str>) -> Result<Source, Error> {
    if !source.starts_with("postgres://") && !source.starts_with("postgresql://") {
        return Ok(Source::file(PathBuf::from(source)).map_err(imports::ImportError::from)?);
    }
    // The error is kept short on purpose: it must not repeat the password.
    let options = PgConnectOptions::from_str(source.trim()).map_err(|_| {
        Error::Usage("--source can't be read: write postgres://user:password@host:5432/database".to_owned())
    })?;
    let options = with_files(options.application_name("runledger import"), source)?;
    let query = query.ok_or_else(|| {
        Error::Usage("a database must be asked something: give `query` in the mapping, or --query".to_owned())
    })?;
    Ok(Source::postgres(options, query).await.map_err(imports::ImportError::from)?)
}
