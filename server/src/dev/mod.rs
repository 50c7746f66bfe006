//! `runledger dev`: all of it on one machine, with a tenant to try it with.

mod demo;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use access::{AccessError, Role};
use chrono::{TimeDelta, Utc};
use domain::{PrincipalId, TenantId};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use web::Listeners;

use crate::cli::{DevArgs, SealArgs};
use crate::database::{Database, named_url};
use crate::error::Error;
use crate::run::until_stopped;
use crate::services::{Parts, Services};
use crate::{files, listen, operator, print_line};

const TENANT: &str = "demo";
const DEV_FILE: &str = "dev.json";
const SEAL_KEY: &str = "seal.key";
const SEAL_NAME: &str = "dev.runledger.invalid";

/// How long the link that signs in waits to be opened.
const LINK_LASTS: TimeDelta = TimeDelta::hours(1);

/// What scripts need to know of a running `runledger dev`: the content of `<data-dir>/dev.json`.
#[derive(Debug, Serialize, Deserialize)]
struct DevFile {
    base_url: String,
    tenant: String,
    /// By role.
    tokens: BTreeMap<String, String>,
}

/// Runs all of it until Ctrl-C.
///
/// # Errors
/// What made it stop.
pub async fn run(args: DevArgs) -> Result<(), Error> {
    tell_what_is_not_used();
    let listeners = listen::on(&args.http.listen).await?;
    let url = named_url(args.database.database_url.as_deref());
    let database = Database::named_or_private(url, &args.database.private).await?;
    let started = start(&args, listeners, &database).await;
    let (services, dev, sign_in) = match started {
        Ok(started) => started,
        Err(error) => {
            database.close().await?;
            return Err(error);
        }
    };
    welcome(&dev, &sign_in, &args.database.private.data_dir);
    if args.demo {
        tokio::spawn(run_demo(dev));
    }
    until_stopped(services, database).await
}

/// What `dev` makes is for trying out. It does not go into the ledger that the shell is set up for.
fn tell_what_is_not_used() {
    for (name, instead) in [
        ("DATABASE_URL", "--database-url or RUNLEDGER_DEV_DATABASE_URL"),
        ("RUNLEDGER_EVENT_LOG", "--event-log or RUNLEDGER_DEV_EVENT_LOG"),
    ] {
        if std::env::var_os(name).is_some_and(|value| !value.is_empty()) {
            tracing::warn!("{name} is set, and `dev` does not use it; {instead} would count");
        }
    }
}

/// Starts it all. The third is a link that signs a browser in, once.
async fn start(
    args: &DevArgs,
    listeners: Listeners,
    database: &Database,
) -> Result<(Services, DevFile, String), Error> {
    let parts = Parts {
        http: Some((args.http.clone(), listeners)),
        tls: None,
        keys: Some(args.keys.clone()),
        projector: true,
        sweeper: Some(args.sweeper.clone()),
        inlets: Some(args.inlets.clone()),
        seal: Some(seal_key(&args.database.private.data_dir)?),
        metrics: None,
        event_log: args.database.event_log.clone(),
        migrate: true,
    };
    let services = Services::start(&database.options, parts).await?;
    let address = services.addresses.first().copied().ok_or(Error::Stopped)?;

    let data_dir = &args.database.private.data_dir;
    std::fs::create_dir_all(data_dir).map_err(Error::file(data_dir))?;
    let file = data_dir.join(DEV_FILE);
    let pool = operator::pool_options().max_connections(1).connect_with(database.options.clone()).await?;
    let tenant: TenantId =
        TENANT.parse().map_err(|error: domain::InvalidId| Error::Usage(error.to_string()))?;
    let dev = DevFile {
        base_url: format!("http://{}{}", reachable(address), args.http.base_path),
        tenant: tenant.to_string(),
        tokens: tokens(&pool, &tenant, &file).await?,
    };
    let sign_in = sign_in_link(&pool, &dev).await?;
    pool.close().await;
    let content =
        serde_json::to_vec_pretty(&dev).map_err(std::io::Error::from).map_err(Error::file(&file))?;
    files::write_private(&file, &content)?;
    Ok((services, dev, sign_in))
}

/// The key that seals what is tried out: that of the last start, or a new one.
fn seal_key(data_dir: &Path) -> Result<SealArgs, Error> {
    std::fs::create_dir_all(data_dir).map_err(Error::file(data_dir))?;
    let path = data_dir.join(SEAL_KEY);
    if !path.exists() {
        sealer::KeyFile::create(&path, SEAL_NAME)?;
    }
    Ok(SealArgs { seal_key: Some(path), seal_every_seconds: 10, ..SealArgs::default() })
}

/// A link that signs a browser in as the demo operator.
async fn sign_in_link(pool: &PgPool, dev: &DevFile) -> Result<String, Error> {
    let token = dev.tokens.get(Role::Operator.as_str()).map_or("", String::as_str);
    let holder = access::holder_of(pool, token).await?;
    let holder =
        holder.ok_or_else(|| Error::Usage("the operator's token was revoked just now".to_owned()))?;
    let code = access::create_sign_in_code(pool, holder.token_id, Utc::now() + LINK_LASTS).await?;
    Ok(format!("{}/sign-in/{}", dev.base_url, code.reveal()))
}

/// One working token per role: those of the last start where they still work, new ones otherwise.
async fn tokens(pool: &PgPool, tenant: &TenantId, file: &Path) -> Result<BTreeMap<String, String>, Error> {
    match access::create_tenant(pool, tenant, "Demo").await {
        Ok(_) | Err(AccessError::TenantExists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let last: Option<DevFile> =
        std::fs::read(file).ok().and_then(|content| serde_json::from_slice(&content).ok());
    let mut tokens = BTreeMap::new();
    for role in Role::ALL {
        let kept = last.as_ref().and_then(|last| last.tokens.get(role.as_str()));
        let holder = match kept {
            Some(token) => access::holder_of(pool, token).await?,
            None => None,
        };
        let token = match (kept, holder) {
            (Some(token), Some(holder)) if holder.role == role && holder.tenant == *tenant => token.clone(),
            _ => {
                let principal = format!("demo-{}", role.as_str());
                let principal: PrincipalId =
                    principal.parse().map_err(|error: domain::InvalidId| Error::Usage(error.to_string()))?;
                access::create_token(pool, tenant, role, &principal).await?.token.reveal().to_owned()
            }
        };
        tokens.insert(role.as_str().to_owned(), token);
    }
    Ok(tokens)
}

/// An address to type: "all addresses" can be listened on, not called.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => {
            SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), address.port())
        }
        _ => address,
    }
}

fn welcome(dev: &DevFile, sign_in: &str, data_dir: &Path) {
    let runs = format!("{}/v1/tenants/{}/runs", dev.base_url, dev.tenant);
    let token = |role: Role| dev.tokens.get(role.as_str()).map_or("", String::as_str);
    let (producer, operator) = (token(Role::Producer), token(Role::Operator));
    print_line!(
        "
Runledger is ready. Ctrl-C stops it; the next start finds everything again.

  Hub      {sign_in}
           (works once, within the hour; afterwards sign in with a token at {base}/)
  API      {runs}
  OpenAPI  {base}/openapi.json
  Metrics  {base}/metrics
  Tokens   {file}  (tenant {tenant}, one token per role)

Start a run, and say what happens to it:

  curl -s {runs} \\
    -H 'Authorization: Bearer {producer}' -H 'Content-Type: application/json' \\
    -d '{{\"kind\": \"hello.world\", \"context\": {{\"greet\": \"everyone\"}}, \"title\": \"My first run\"}}'

  curl -s {runs}/RUN_ID/events \\
    -H 'Authorization: Bearer {producer}' -H 'Content-Type: application/json' \\
    -d '{{\"events\": [{{\"type\": \"Started\"}}, {{\"type\": \"ItemSucceeded\", \"item\": \"a\"}}, {{\"type\": \"Completed\"}}]}}'

See the runs:

  curl -s {runs} -H 'Authorization: Bearer {operator}'
",
        base = dev.base_url,
        tenant = dev.tenant,
        file = data_dir.join(DEV_FILE).display(),
    );
}

async fn run_demo(dev: DevFile) {
    let token = dev.tokens.get(Role::Producer.as_str()).map_or("", String::as_str);
    let producer = demo::Producer::new(&dev.base_url, &dev.tenant, token);
    print_line!("Sample producers at work (the catalog import takes a minute):\n");
    let tell = |run: demo::RunSummary| {
        print_line!(
            "  {:<24} {:<20} {}/v1/tenants/{}/runs/{}",
            run.kind,
            run.status,
            dev.base_url,
            dev.tenant,
            run.run_id
        );
    };
    match demo::run_all(producer, tell).await {
        Ok(()) => print_line!("\nThe sample producers are done."),
        Err(error) => tracing::error!(%error, "the sample producers stopped"),
    }
}
