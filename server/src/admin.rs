//! `runledger tenant`, `runledger token` and `runledger policy`.

use api::access;
use api::policies::{self, PolicyChange, PolicyKind, StalePolicy};
use domain::{PrincipalId, TenantId};

use crate::cli::{PolicyCommand, TenantCommand, TokenCommand};
use crate::database::connect_existing;
use crate::error::Error;
use crate::say;

/// Runs a `runledger tenant` command.
///
/// # Errors
/// When an argument is malformed or the database refuses.
pub async fn tenant(command: TenantCommand) -> Result<(), Error> {
    match command {
        TenantCommand::Create { tenant, name, database } => {
            let tenant: TenantId = parsed(&tenant)?;
            let name = name.unwrap_or_else(|| tenant.to_string());
            access::create_tenant(&connect_existing(&database).await?, &tenant, &name).await?;
            say!("tenant {tenant} created");
        }
        TenantCommand::List { database } => {
            for tenant in access::list_tenants(&connect_existing(&database).await?).await? {
                say!("{:<24}  {}  {}", tenant.tenant, tenant.created_at.format("%F %T"), tenant.name);
            }
        }
        TenantCommand::Revoke { tenant, database } => {
            let tenant: TenantId = parsed(&tenant)?;
            let revoked = access::revoke_tenant(&connect_existing(&database).await?, &tenant).await?;
            say!("{revoked} tokens of tenant {tenant} revoked");
        }
    }
    Ok(())
}

/// Runs a `runledger token` command.
///
/// # Errors
/// When an argument is malformed or the database refuses.
pub async fn token(command: TokenCommand) -> Result<(), Error> {
    match command {
        TokenCommand::Create { tenant, role, principal, database } => {
            let tenant: TenantId = parsed(&tenant)?;
            let role = access::Role::parse(&role).ok_or_else(|| {
                let all = access::Role::ALL.map(access::Role::as_str).join(", ");
                Error::Usage(format!("{role:?} is no role: it is one of {all}"))
            })?;
            let principal: PrincipalId = parsed(&principal)?;
            let pool = connect_existing(&database).await?;
            let created = access::create_token(&pool, &tenant, role, &principal).await?;
            say!("{}", created.token.reveal());
            eprintln!("token {} created; it is shown this once", created.token_id);
        }
        TokenCommand::List { tenant, database } => {
            let tenant: TenantId = parsed(&tenant)?;
            for token in access::list_tokens(&connect_existing(&database).await?, &tenant).await? {
                let life = match token.revoked_at {
                    Some(at) => format!("revoked {}", at.format("%F %T")),
                    None => "active".into(),
                };
                let created = token.created_at.format("%F %T");
                say!("{}  {:<8}  {created}  {life:<27}  {}", token.token_id, token.role, token.principal);
            }
        }
        TokenCommand::Revoke { token_id, database } => {
            access::revoke_token(&connect_existing(&database).await?, token_id).await?;
            say!("token {token_id} revoked");
        }
    }
    Ok(())
}

/// Runs a `runledger policy` command.
///
/// # Errors
/// When an argument is malformed or the database refuses.
pub async fn policy(command: PolicyCommand) -> Result<(), Error> {
    match command {
        PolicyCommand::Set { tenant, kind, queued_limit_seconds, fail_stale, database } => {
            let (tenant, kind): (TenantId, PolicyKind) = (parsed(&tenant)?, parsed(&kind)?);
            let change = PolicyChange { queued_limit_seconds, fail_stale };
            let pool = connect_existing(&database).await?;
            show(&policies::set_policy(&pool, &tenant, &kind, change).await?);
        }
        PolicyCommand::List { tenant, database } => {
            let tenant: Option<TenantId> = tenant.as_deref().map(parsed).transpose()?;
            let pool = connect_existing(&database).await?;
            policies::list_policies(&pool, tenant.as_ref()).await?.iter().for_each(show);
        }
        PolicyCommand::Remove { tenant, kind, database } => {
            let (tenant, kind): (TenantId, PolicyKind) = (parsed(&tenant)?, parsed(&kind)?);
            policies::remove_policy(&connect_existing(&database).await?, &tenant, &kind).await?;
            say!("policy of tenant {tenant} for {} removed", kind.as_str());
        }
    }
    Ok(())
}

fn show(policy: &StalePolicy) {
    let limit = match policy.queued_limit_seconds {
        Some(seconds) => format!("queued for {seconds} s at most"),
        None => "queued without limit".into(),
    };
    let fails = if policy.fail_stale { "presumed failed when stalled" } else { "only shown when stalled" };
    say!("{:<24}  {:<32}  {limit:<30}  {fails}", policy.tenant, policy.kind);
}

fn parsed<T: std::str::FromStr<Err = domain::InvalidId>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: domain::InvalidId| Error::Usage(error.to_string()))
}
