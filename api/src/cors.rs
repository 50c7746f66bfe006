//! Which other sites' scripts may use the API (the Fetch standard, section 3.2). With a token only: a session's cookie
//! is never sent along.

use std::str::FromStr;
use std::time::Duration;

use axum::http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, RETRY_AFTER,
};
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser need not ask again.
const KEPT: Duration = Duration::from_secs(600);

/// The headers of ours that requests may have.
const ASKED: [&str; 6] = [
    "idempotency-key",
    "runledger-after",
    "runledger-epoch",
    "runledger-ledger",
    "last-event-id",
    "x-request-id",
];

/// The headers of ours that answers have.
const TOLD: [&str; 6] = [
    "runledger-position",
    "runledger-lag-events",
    "runledger-lag-seconds",
    "runledger-epoch",
    "runledger-ledger",
    "x-request-id",
];

/// Another site: a scheme, a name and, where it is not the scheme's, a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsOrigin(HeaderValue);

/// What is no other site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is a scheme, a name and perhaps a port, such as https://tools.example or http://localhost:5173"
)]
pub struct InvalidCorsOrigin;

impl FromStr for CorsOrigin {
    type Err = InvalidCorsOrigin;

    /// As browsers send it: in lower case, and without the scheme's own port.
    fn from_str(text: &str) -> Result<Self, InvalidCorsOrigin> {
        let text = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or(InvalidCorsOrigin)?;
        let usual = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return Err(InvalidCorsOrigin),
        };
        let authority = authority.strip_suffix(usual).unwrap_or(authority);
        let uri: Uri = format!("{scheme}://{authority}").parse().map_err(|_| InvalidCorsOrigin)?;
        let alone = uri.path() == "/" && uri.query().is_none();
        let named =
            uri.authority().is_some_and(|it| it.as_str() == authority && !authority.contains(['@', '*']));
        if !alone || !named {
            return Err(InvalidCorsOrigin);
        }
        HeaderValue::try_from(format!("{scheme}://{authority}")).map(Self).map_err(|_| InvalidCorsOrigin)
    }
}

/// Lets the scripts of these sites use the API.
pub fn layer(origins: &[CorsOrigin]) -> CorsLayer {
    let ours =
        |names: &[&'static str]| names.iter().copied().map(HeaderName::from_static).collect::<Vec<_>>();
    let mut asked = ours(&ASKED);
    asked.extend([AUTHORIZATION, CONTENT_TYPE, CONTENT_ENCODING, IF_MATCH, IF_NONE_MATCH]);
    let mut told = ours(&TOLD);
    told.extend([ETAG, LINK, LOCATION, RETRY_AFTER]);
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().map(|origin| origin.0.clone())))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allow_headers(asked)
        .expose_headers(told)
        .max_age(KEPT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_as_browsers_send_it() {
        for (text, is) in [
            ("https://tools.example", "https://tools.example"),
            ("https://Tools.Example/", "https://tools.example"),
            ("https://tools.example:443", "https://tools.example"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(text.parse::<CorsOrigin>().unwrap().0, is);
        }
        for bad in [
            "",
            "*",
            "https://*",
            "https://*.example",
            "tools.example",
            "null",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a b",
            "https://a#b",
        ] {
            assert_eq!(bad.parse::<CorsOrigin>(), Err(InvalidCorsOrigin), "{bad}");
        }
    }
}
