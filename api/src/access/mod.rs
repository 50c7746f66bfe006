//! Authentication: bearer tokens, sessions of browsers, roles, and the extractors that every handler names
//! its caller with.

mod caller;
pub(crate) mod cookie;
mod lookup;
mod role;
mod session;
mod store;
mod token;

pub use caller::{Caller, Producer, Viewer, path_param};
pub(crate) use caller::{Credential, Identified, identify};
pub(crate) use lookup::Ended;
pub use lookup::{Tokens, holder_of};
pub use role::{Role, UnknownRole};
pub use session::{CSRF_HEADER, SESSION_LIFETIME, SessionSecret, create_sign_in_code};
pub use store::{
    AccessError, NewToken, NewTokenFor, TenantRow, TokenRow, create_expiring_token, create_tenant,
    create_token, list_tenants, list_tokens, revoke_tenant, revoke_token,
};
pub use token::{Fault, Secret, TokenHash};

/// Whether a text has the form of a token, checksum included.
pub(crate) fn is_well_formed(token: &str) -> bool {
    token::check(token).is_ok()
}
