//! `runledger seal`: keys, policies for readers, audits.

use std::path::Path;
use std::process::ExitCode;

use chrono::Utc;
use domain::TenantId;
use projector::Progress;
use redaction::CleanText;
use seal::continues::{Continues, Named};
use sealer::{
    Anew, Audit, AuditProgress, Audited, Begun, KeyFile, Restoration, SealError, Sealer, SealerConfig,
};
use serde_json::{Value, json};

use crate::cli::{DatabaseArgs, EventLogArgs, OutputArgs, SealCommand};
use crate::error::Error;
use crate::meter::Meter;
use crate::operator::operator;
use crate::{database, print_line, services};

/// Runs a `runledger seal` command.
///
/// # Errors
/// When an argument is malformed, or a file, the database or the log refuses. What an audit finds is no error; it is told
/// on standard output and by the exit code.
pub async fn seal(command: SealCommand) -> Result<ExitCode, Error> {
    match command {
        SealCommand::Keygen { ledger_name, key } => keygen(&key.seal_key, &ledger_name)?,
        SealCommand::Policy { tenant, key, database } => {
            policy(&KeyFile::read(&key.seal_key)?, &tenant, &database).await?;
        }
        SealCommand::Status { key, output, database } => {
            status(&KeyFile::read(&key.seal_key)?, output, &database).await?;
        }
        SealCommand::Audit { tenant, rate, seal_key, output, database, event_log } => {
            let keys = seal_key.as_deref().map(KeyFile::read).transpose()?;
            let which = async |audit: Audit, show: &(dyn Fn(AuditProgress) + Sync)| {
                audit.at_most(rate).run(tenant.as_deref(), show).await
            };
            return audit(which, keys, output, &database, &event_log).await;
        }
        SealCommand::Adopt { output, database, event_log, seal_key } => {
            let keys = seal_key.as_deref().map(KeyFile::read).transpose()?;
            let which = async |audit: Audit, show: &(dyn Fn(AuditProgress) + Sync)| audit.adopt(show).await;
            return audit(which, keys, output, &database, &event_log).await;
        }
        SealCommand::BeginAnew { reason, known_checkpoint, database, event_log, key, seal_policy } => {
            let (why, by) = (CleanText::new(&reason), operator());
            let anew = Anew { why, by, at: Utc::now(), known: known_checkpoint };
            begin_anew(&anew, (&key.seal_key, seal_policy.as_deref()), &database, &event_log).await?;
        }
        SealCommand::RotateKey { key } => {
            let mut keys = KeyFile::read(&key.seal_key)?;
            keys.rotate()?;
            print_line!("a new key signs from the next checkpoint on, beside those that were there.");
            print_line!(
                "Give readers a new policy (`runledger seal policy`), then `runledger seal retire-keys`."
            );
        }
        SealCommand::RetireKeys { key } => {
            let retired = KeyFile::read(&key.seal_key)?.retire()?;
            print_line!(
                "{retired} older keys taken out: the newest one alone signs from the next checkpoint on"
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn keygen(path: &Path, name: &str) -> Result<(), Error> {
    let keys = KeyFile::create(path, name)?;
    print_line!("{} written. Keep a copy of it apart from the database.", path.display());
    for key in keys.verifiers(keys.name()).map_err(SealError::from)? {
        print_line!("public key of the ledger's own log: {key}");
    }
    Ok(())
}

async fn policy(keys: &KeyFile, tenant: &str, args: &DatabaseArgs) -> Result<(), Error> {
    let tenant: TenantId =
        tenant.parse().map_err(|error: domain::InvalidId| Error::Usage(error.to_string()))?;
    let pool = database::connect_existing(args).await?;
    let found = async {
        sealer::must_be_key_of(&pool, keys).await?;
        sealer::origin(&pool, keys.name(), tenant.as_str()).await
    };
    let origin = found.await;
    pool.close().await;
    let origin = origin?.ok_or_else(|| {
        Error::Usage(format!(
            "nothing of tenant {tenant} is sealed yet: start `runledger serve --seal-key`, and append an event"
        ))
    })?;
    print_line!(
        "# The history of tenant {tenant}, see c2sp.org/tlog-policy. Add witnesses that you trust, and a quorum."
    );
    for key in keys.verifiers(&origin).map_err(SealError::from)? {
        print_line!("log {key}");
    }
    let named = Named::of(&origin);
    if named.generation > 1 {
        print_line!(
            "# Its names before the history was restored: for checkpoints and exports that you have kept from then."
        );
    }
    for generation in 1..named.generation {
        let before = Named { generation, ..named }.to_string();
        for key in keys.verifiers(&before).map_err(SealError::from)? {
            print_line!("log {key}");
        }
    }
    print_line!("quorum none");
    Ok(())
}

async fn status(keys: &KeyFile, output: OutputArgs, args: &DatabaseArgs) -> Result<(), Error> {
    let pool = database::connect_existing(args).await?;
    let found = async {
        sealer::must_be_key_of(&pool, keys).await?;
        Ok::<_, SealError>((
            sealer::status(&pool, keys.name(), None).await?,
            sealer::time_stamps(&pool).await?,
        ))
    };
    let found = found.await;
    pool.close().await;
    let (logs, stamps) = found?;
    let (stamped_at, authority) = stamps.newest.unzip();
    let told: Vec<Value> = logs
        .iter()
        .map(|log| {
            json!({"tenant": log.tenant, "origin": log.origin, "entries": log.size, "runs": log.runs,
                "signed_at": log.signed_at, "waiting": log.waiting,
                // Of the ledger's own log: for all of them the same.
                "time_stamp": {"claimed_at": stamped_at, "authority": authority, "failures": stamps.failures,
                    "failure": stamps.failure}})
        })
        .collect();
    output.tell(&told, |_| {
        for log in &logs {
            let at = log.signed_at.map_or_else(|| "never".to_owned(), |at| at.format("%F %T").to_string());
            print_line!(
                "{:<24}  {at:<19}  {:>10} entries  {:>8} runs  {:>6} wait  {}",
                log.tenant,
                log.size,
                log.runs,
                log.waiting,
                log.origin
            );
        }
        if let (Some(at), Some(authority)) = (stamped_at, &authority) {
            print_line!("the newest time stamp is of {}, by {authority}", at.format("%F %T"));
        }
        if let Some(failure) = &stamps.failure {
            print_line!("time stamps have failed {} times since: {failure}", stamps.failures);
        }
    })
}

async fn begin_anew(
    anew: &Anew,
    (key, policy): (&Path, Option<&Path>),
    args: &DatabaseArgs,
    event_log: &EventLogArgs,
) -> Result<(), Error> {
    if anew.why.as_str().is_empty() {
        return Err(Error::Usage("--reason: say why the database was restored".to_owned()));
    }
    let witnesses = policy.map(services::policy).transpose()?;
    let pool = database::connect_existing(args).await?;
    let log = event_log.event_log.open(&(*pool.connect_options()).clone()).await?;
    let config = SealerConfig { witnesses, ..SealerConfig::default() };
    let begun = async {
        let sealer = Sealer::new(log.clone(), pool.clone(), key.to_owned(), config)?;
        Ok::<_, Error>(sealer.begin_anew(anew).await?)
    };
    let begun = begun.await;
    log.shutdown().await;
    pool.close().await;
    let Begun { generation, tenants, unused } = begun?;
    print_line!(
        "the logs of {tenants} tenants are sealed anew, their names end with /{generation} from now on."
    );
    print_line!("What was signed after the backup is gone; each export says so, and why.");
    for path in unused {
        print_line!(
            "{} was not written down: its log has as much, a newer one was given, or it was begun before.",
            path.display()
        );
    }
    print_line!(
        "Give readers the new policies (`runledger seal policy`): they trust no log that they do not know."
    );
    Ok(())
}

async fn audit(
    which: impl AsyncFnOnce(Audit, &(dyn Fn(AuditProgress) + Sync)) -> Result<Audited, SealError>,
    keys: Option<KeyFile>,
    output: OutputArgs,
    args: &DatabaseArgs,
    event_log: &EventLogArgs,
) -> Result<ExitCode, Error> {
    let pool = database::connect_existing(args).await?;
    let log = event_log.event_log.open(&(*pool.connect_options()).clone()).await?;
    let meter = Meter::new("auditing");
    let show = |at: AuditProgress| {
        meter.show(Progress { reached: at.reached, goal: at.goal, events: at.events });
    };
    let audited = which(Audit::new(log.clone(), pool.clone(), keys), &show).await;
    log.shutdown().await;
    pool.close().await;
    let audited = audited?;
    meter.done();
    tell(output, &audited)?;
    Ok(if audited.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(output: OutputArgs, audited: &Audited) -> Result<(), Error> {
    let findings: Vec<Value> = audited
        .findings
        .iter()
        .map(|finding| {
            let (number, run) = finding.run.unzip();
            json!({"tenant": finding.tenant, "run_id": run, "run_number": number, "revision": finding.revision,
                "position": finding.position, "what": finding.what})
        })
        .collect();
    let restored: Vec<Value> = audited
        .restored
        .iter()
        .map(|Restoration { tenant, said }| {
            let known = said.known.as_ref().map(|known| json!({"log": known.log, "entries": known.size}));
            json!({"tenant": tenant, "at": said.at, "why": said.why, "log": said.log, "from": said.from,
                "entries": said.agrees.0, "known": known})
        })
        .collect();
    let told = json!({"events": audited.events, "tenants": audited.tenants, "checkpoints": audited.checkpoints,
        "time_stamps": audited.time_stamps, "restored": restored, "findings": findings});
    output.tell(&told, |_| {
        for Restoration { tenant, said } in audited.restored.iter().filter(|one| one.tenant.is_some()) {
            let tenant = tenant.as_deref().unwrap_or_default();
            let Continues { at, why, agrees: (size, _), from, .. } = said;
            print_line!("tenant {tenant}: restored at {at} to {size} entries of {from}: {why}");
        }
        for finding in &audited.findings {
            print_line!("{finding}");
        }
        print_line!(
            "{} events of {} tenants recomputed, and the roots of {} checkpoints; {} time stamps compared with them: {}",
            audited.events,
            audited.tenants,
            audited.checkpoints,
            audited.time_stamps,
            match audited.findings.len() {
                0 => "all is as it was sealed".to_owned(),
                count => format!("{count} findings"),
            }
        );
    })
}
