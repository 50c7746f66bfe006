//! Tenants, tokens and policies.
#![allow(missing_docs, reason = "what a flattened field means stands with its type")]

use clap::Subcommand;
use clap::builder::BoolishValueParser;
use uuid::Uuid;

use super::{DatabaseArgs, OutputArgs};
use crate::expiry::Expires;

/// `runledger tenant ...`
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Creates a tenant.
    Create {
        /// 1 to 63 characters a-z, 0-9 and -.
        tenant: String,
        /// The name people know it by; the tenant's own where it is left out.
        #[arg(long, env = "RUNLEDGER_NAME")]
        name: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Lists the tenants.
    List {
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Ends the life of all of a tenant's tokens, at once. Its runs and their history stay.
    Revoke {
        /// Which tenant.
        tenant: String,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// `runledger token ...`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Creates a token and shows it, this once.
    Create {
        /// Whose runs it opens.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        /// owner, manager, operator, readonly, producer or auditor.
        #[arg(long, env = "RUNLEDGER_ROLE")]
        role: String,
        /// Who uses it: the actor of its events, and the initiator whose notifications it reads.
        #[arg(long, env = "RUNLEDGER_PRINCIPAL")]
        principal: String,
        /// When it ends: after a time such as 90d, 12h or 30m, at the end of a day such as 2027-01-31 (UTC), or at a
        /// moment such as 2027-01-31T12:00:00Z. Without it, never.
        #[arg(long, env = "RUNLEDGER_EXPIRES", value_name = "TIME|DATE")]
        expires: Option<Expires>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Lists a tenant's tokens, without the tokens themselves.
    List {
        /// Which tenant.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Ends a token's life, at once.
    Revoke {
        /// The token's id, as `token list` shows it.
        token_id: Uuid,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// `runledger policy ...`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Makes a policy, or changes what is given of it. Without a policy no run is ever presumed failed.
    Set {
        /// Whose runs.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        /// The kind of operation; * for all kinds of the tenant that have no policy of their own.
        #[arg(long, env = "RUNLEDGER_KIND")]
        kind: String,
        /// How long a run may wait in the queue before it is shown as stalled.
        #[arg(long, env = "RUNLEDGER_QUEUED_LIMIT_SECONDS")]
        queued_limit_seconds: Option<i32>,
        /// Whether a run that stays stalled is presumed failed.
        #[arg(long, env = "RUNLEDGER_FAIL_STALE", value_name = "true|false", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true")]
        fail_stale: Option<bool>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Lists the policies.
    List {
        /// Only this tenant's.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Removes a policy.
    Remove {
        /// Whose.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        /// The kind, or *.
        #[arg(long, env = "RUNLEDGER_KIND")]
        kind: String,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}
