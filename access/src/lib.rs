//! Authentication: tenants, bearer tokens, sessions of browsers and roles, in the database. Nothing here knows HTTP.

pub mod administration;
mod caller;
mod credential;
mod error;
mod inlets;
mod lookup;
mod managed;
mod role;
mod session;
mod sign_in;
mod store;
mod token;

pub use caller::Caller;
pub use credential::Credential;
pub use error::{AccessError, Denied, LookupError};
pub use inlets::{
    Inlet, InletRow, InletType, NewInlet, NewInletFor, UnknownInletType, create_inlet, inlet_of, list_inlets,
    revoke_inlet,
};
pub use lookup::{Ended, Tokens, holder_of};
pub use role::{Role, UnknownRole};
pub use session::SessionSecret;
pub use sign_in::{SESSION_LIFETIME, create_sign_in_code};
pub use store::{
    NewToken, NewTokenFor, TenantRow, TokenRow, create_expiring_token, create_tenant, create_token,
    list_tenants, list_tokens, revoke_tenant, revoke_token,
};
pub use token::{Fault, Secret, TokenHash, check};
