//! What the API's description says beside its paths.

use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Runledger",
        description = "The ledger of long-running operations. Errors are application/problem+json (RFC 9457) \
                       with a stable code; docs/errors.md lists them."
    ),
    security(("token" = [])),
    tags(
        (name = "runs", description = "Runs, their items and their events"),
        (name = "notifications", description = "What the caller was told"),
        (name = "live", description = "What happens, as it happens: server-sent events"),
    )
)]
struct Base;

/// Title, version and how to identify oneself.
pub fn base() -> utoipa::openapi::OpenApi {
    let mut base = Base::openapi();
    base.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    base.components.get_or_insert_default().add_security_scheme("token", token);
    base
}
