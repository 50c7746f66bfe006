//! `runledger tenant`, `runledger token` and `runledger policy`.

use access::{NewTokenFor, TenantRow, TokenRow};
use chrono::{DateTime, Utc};
use commands::policies::{self, PolicyChange, PolicyKind, StalePolicy};
use domain::{PrincipalId, TenantId};
use serde_json::json;

use crate::cli::{PolicyCommand, TenantCommand, TokenCommand};
use crate::database::connect_existing;
use crate::error::Error;
use crate::print_line;

/// Runs a `runledger tenant` command.
///
/// # Errors
/// When an argument is malformed or the database refuses.
pub async fn tenant(command: TenantCommand) -> Result<(), Error> {
    match command {
        TenantCommand::Create { tenant, name, output, database } => {
            let tenant: TenantId = parsed(&tenant)?;
            let name = name.unwrap_or_else(|| tenant.to_string());
            let created = access::create_tenant(&connect_existing(&database).await?, &tenant, &name).await?;
            output.tell(&created, |created| print_line!("tenant {} created", created.tenant))
        }
        TenantCommand::List { output, database } => {
            let tenants = access::list_tenants(&connect_existing(&database).await?).await?;
            output.tell(&tenants, |tenants| {
                for TenantRow { tenant, name, created_at } in tenants {
                    print_line!("{tenant:<24}  {}  {name}", created_at.format("%F %T"));
                }
            })
        }
        TenantCommand::Revoke { tenant, output, database } => {
            let tenant: TenantId = parsed(&tenant)?;
            let revoked = access::revoke_tenant(&connect_existing(&database).await?, &tenant).await?;
            output.tell(&json!({"tenant": tenant.as_str(), "revoked_tokens": revoked}), |_| {
                print_line!("{revoked} tokens of tenant {tenant} revoked");
            })
        }
    }
}

/// Runs a `runledger token` command.
///
/// # Errors
/// When an argument is malformed or the database refuses.
pub async fn token(command: TokenCommand) -> Result<(), Error> {
    match command {
        TokenCommand::Create { tenant, role, principal, expires, output, database } => {
            let tenant: TenantId = parsed(&tenant)?;
            let role = access::Role::parse(&role).ok_or_else(|| {
                let all = access::Role::ALL.map(access::Role::as_str).join(", ");
                Error::Usage(format!("{role:?} is no role: it is one of {all}"))
            })?;
            let principal: PrincipalId = parsed(&principal)?;
            let expires_at =
                expires.map(|expires| expires.from(Utc::now())).transpose().map_err(Error::Usage)?;
            let pool = connect_existing(&database).await?;
            let holder = NewTokenFor { tenant: &tenant, role, principal: &principal, expires_at };
            let created = access::create_expiring_token(&pool, holder).await?;
            let told = json!({
                "token_id": created.token_id,
                "token": created.token.reveal(),
                "tenant": tenant.as_str(),
                "role": role.as_str(),
                "principal": principal.as_str(),
                "expires_at": expires_at,
            });
            output.tell(&told, |_| {
                print_line!("{}", created.token.reveal());
                let life = expires_at.map_or_else(String::new, |at| format!(", good until {}", moment(at)));
                eprintln!("token {} created{life}; it is shown this once", created.token_id);
            })
        }
        TokenCommand::List { tenant, output, database } => {
            let tenant: TenantId = parsed(&tenant)?;
            let tokens = access::list_tokens(&connect_existing(&database).await?, &tenant).await?;
            output.tell(&tokens, |tokens| {
                for token in tokens {
                    let TokenRow { token_id, role, principal, .. } = token;
                    let (created, life) = (token.created_at.format("%F %T"), life(token, Utc::now()));
                    print_line!("{token_id}  {role:<8}  {created}  {life:<27}  {principal}");
                }
            })
        }
        TokenCommand::Revoke { token_id, output, database } => {
            access::revoke_token(&connect_existing(&database).await?, token_id).await?;
            output.tell(&json!({"token_id": token_id, "revoked": true}), |_| {
                print_line!("token {token_id} revoked")
            })
        }
    }
}

/// Whether a token is good, and until or since when.
fn life(token: &TokenRow, now: DateTime<Utc>) -> String {
    match (token.revoked_at, token.expires_at) {
        (Some(at), _) => format!("revoked {}", moment(at)),
        (None, Some(at)) if at <= now => format!("expired {}", moment(at)),
        (None, Some(at)) => format!("until {}", moment(at)),
        (None, None) => "active".into(),
    }
}

pub fn moment(at: DateTime<Utc>) -> impl std::fmt::Display {
    at.format("%F %T")
}

/// Runs a `runledger policy` command.
///
/// # Errors
/// When an argument is malformed or the database refuses.
pub async fn policy(command: PolicyCommand) -> Result<(), Error> {
    match command {
        PolicyCommand::Set { tenant, kind, queued_limit_seconds, fail_stale, output, database } => {
            let (tenant, kind): (TenantId, PolicyKind) = (parsed(&tenant)?, parsed(&kind)?);
            let change = PolicyChange { queued_limit_seconds, fail_stale };
            let pool = connect_existing(&database).await?;
            output.tell(&policies::set_policy(&pool, &tenant, &kind, change).await?, show)
        }
        PolicyCommand::List { tenant, output, database } => {
            let tenant: Option<TenantId> = tenant.as_deref().map(parsed).transpose()?;
            let pool = connect_existing(&database).await?;
            let policies = policies::list_policies(&pool, tenant.as_ref()).await?;
            output.tell(&policies, |policies| policies.iter().for_each(show))
        }
        PolicyCommand::Remove { tenant, kind, output, database } => {
            let (tenant, kind): (TenantId, PolicyKind) = (parsed(&tenant)?, parsed(&kind)?);
            policies::remove_policy(&connect_existing(&database).await?, &tenant, &kind).await?;
            let told = json!({"tenant": tenant.as_str(), "kind": kind.as_str(), "removed": true});
            output.tell(&told, |_| print_line!("policy of tenant {tenant} for {} removed", kind.as_str()))
        }
    }
}

fn show(policy: &StalePolicy) {
    let limit = match policy.queued_limit_seconds {
        Some(seconds) => format!("queued for {seconds} s at most"),
        None => "queued without limit".into(),
    };
    let fails = if policy.fail_stale { "presumed failed when stalled" } else { "only shown when stalled" };
    print_line!("{:<24}  {:<32}  {limit:<30}  {fails}", policy.tenant, policy.kind);
}

pub fn parsed<T: std::str::FromStr<Err = domain::InvalidId>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: domain::InvalidId| Error::Usage(error.to_string()))
}
