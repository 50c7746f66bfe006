//! `runledger inlet`.

use access::{InletRow, InletType, NewInletFor, UnknownInletType};
use domain::{HeartbeatSeconds, InvalidId, Kind, PrincipalId, TenantId};
use serde_json::json;

use crate::admin::{moment, parsed};
use crate::cli::InletCommand;
use crate::database::connect_existing;
use crate::error::Error;
use crate::print_line;

/// Runs a `runledger inlet` command.
///
/// # Errors
/// When an argument is malformed or the database refuses.
pub async fn inlet(command: InletCommand) -> Result<(), Error> {
    match command {
        InletCommand::Create { tenant, inlet_type, kind, principal, heartbeat_seconds, output, database } => {
            let (tenant, kind): (TenantId, Kind) = (parsed(&tenant)?, parsed(&kind)?);
            let usage = |error: InvalidId| Error::Usage(error.to_string());
            let inlet_type: InletType =
                inlet_type.parse().map_err(|error: UnknownInletType| Error::Usage(error.to_string()))?;
            let principal: PrincipalId = match principal {
                Some(principal) => parsed(&principal)?,
                None => api::usual_principal(inlet_type).map_err(usage)?,
            };
            let heartbeat_seconds =
                heartbeat_seconds.map(HeartbeatSeconds::try_from).transpose().map_err(usage)?;
            let wanted = NewInletFor {
                tenant: &tenant,
                inlet_type,
                kind: &kind,
                principal: &principal,
                heartbeat_seconds,
            };
            let created = access::create_inlet(&connect_existing(&database).await?, wanted).await?;
            let key = created.key.reveal();
            let told = json!({
                "inlet_id": created.inlet_id,
                "key": key,
                "address": format!("/in/{key}"),
                "tenant": tenant.as_str(),
                "inlet_type": inlet_type.as_str(),
                "kind": kind.as_str(),
                "principal": principal.as_str(),
                "heartbeat_seconds": heartbeat_seconds,
            });
            output.tell(&told, |_| {
                print_line!("{key}");
                eprintln!("inlet {} created; its key is shown this once", created.inlet_id);
                eprintln!("{}", example(inlet_type));
            })
        }
        InletCommand::List { tenant, output, database } => {
            let tenant: TenantId = parsed(&tenant)?;
            let inlets = access::list_inlets(&connect_existing(&database).await?, &tenant).await?;
            output.tell(&inlets, |inlets| {
                for inlet in inlets {
                    let InletRow { inlet_id, inlet_type, kind, principal, .. } = inlet;
                    let created = moment(inlet.created_at);
                    let life = inlet
                        .revoked_at
                        .map_or_else(|| "active".to_owned(), |at| format!("revoked {}", moment(at)));
                    print_line!(
                        "{inlet_id}  {inlet_type:<11}  {created}  {life:<27}  {kind:<32}  {principal}"
                    );
                }
            })
        }
        InletCommand::Revoke { inlet_id, output, database } => {
            access::revoke_inlet(&connect_existing(&database).await?, inlet_id).await?;
            output.tell(&json!({"inlet_id": inlet_id, "revoked": true}), |_| {
                print_line!("inlet {inlet_id} revoked");
            })
        }
    }
}

/// What to do with a key.
fn example(inlet_type: InletType) -> &'static str {
    match inlet_type {
        InletType::Pings => "ping it: curl -fsS --retry 3 http://127.0.0.1:7311/in/KEY/JOB",
        InletType::OpenLineage => "emit to it: OPENLINEAGE_URL=http://127.0.0.1:7311 OPENLINEAGE_API_KEY=KEY",
        InletType::CloudEvents => "send CloudEvents to it: http://127.0.0.1:7311/in/KEY",
    }
}
