//! The name of the cookie that holds a session.

use axum::http::{HeaderMap, header};

/// What the cookie is called, and whether it goes over TLS only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) secure: bool,
}

/// What the cookie of this request's server is called.
///
/// Behind a proxy that speaks TLS it is sent nowhere else, and no neighbour on another name of the domain may
/// set it, which the browser sees to by its prefix (RFC 6265bis, section 4.1.3.2). A server on one's own
/// machine has no TLS. Cookies know no ports (RFC 6265, section 8.5), so the name does: two servers on one
/// host do not sign each other's visitors out.
pub(crate) fn name(headers: &HeaderMap) -> Name {
    let secure = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let port = host.and_then(|host| host.rsplit_once(':')).map(|(_, port)| port);
    let port = port.filter(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let prefix = if secure { "__Host-" } else { "" };
    let suffix = port.map(|port| format!("_{port}")).unwrap_or_default();
    Name { name: format!("{prefix}runledger_session{suffix}"), secure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn each_server_has_a_name_of_its_own() {
        let of = |host: &'static str, https: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            if https {
                headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
            }
            name(&headers).name
        };
        assert_eq!(of("127.0.0.1:7311", false), "runledger_session_7311");
        assert_eq!(of("[::1]:7312", false), "runledger_session_7312");
        assert_eq!(of("ledger.example", false), "runledger_session");
        assert_eq!(of("[::1]", false), "runledger_session");
        assert_eq!(of("ledger.example", true), "__Host-runledger_session");
        assert_eq!(of("ledger.example:8443", true), "__Host-runledger_session_8443");
    }
}
