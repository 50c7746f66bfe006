//! Who runs a command: what the history of administration says of it.

use access::administration::always_act_as;
use domain::admin::{ActorKind, AdminActor};
use redaction::CleanText;
use sqlx::postgres::PgPoolOptions;

/// Connections on which everything is done by the person who runs this program, as `user@host` of the operating system.
pub fn pool_options() -> PgPoolOptions {
    let actor = operator();
    PgPoolOptions::new().after_connect(move |connection, _| {
        let actor = actor.clone();
        Box::pin(async move {
            always_act_as(connection, &actor).await.map_err(|error| match error {
                access::AccessError::Database(error) => error,
                other => sqlx::Error::Encode(other.into()),
            })
        })
    })
}

/// By the effective user, as the system's list of users names it, not by what the environment says.
pub fn operator() -> AdminActor {
    // In a container a user may have no name.
    let user = whoami::username().unwrap_or_else(|_| format!("uid {}", rustix::process::geteuid().as_raw()));
    let host = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
    let name = CleanText::new(&format!("{user}@{host}"));
    AdminActor { kind: ActorKind::Os, name, token_id: None, request_id: None }
}
