//! The cookie that holds a session.

use access::SessionSecret;
use axum::http::{HeaderMap, header};

use crate::outside::Outside;

/// The session of a request's cookie.
#[must_use]
pub fn session(outside: &Outside, headers: &HeaderMap) -> Option<SessionSecret> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let ours = name(outside);
    pairs.find(|(name, _)| *name == ours).and_then(|(_, value)| SessionSecret::shown(value))
}

/// What the cookie of a server is called that is seen so.
///
/// Over TLS it is sent nowhere else, and no neighbour on another name of the domain may set it, which the browser
/// sees to by its prefix (RFC 6265bis, section 4.1.3). A server on one's own machine has no TLS. Cookies know no
/// ports (RFC 6265, section 8.5), so the name does: two servers on one host do not sign each other's visitors out.
pub fn name(outside: &Outside) -> String {
    let prefix = match (outside.https, outside.base.is_root()) {
        (false, _) => "",
        (true, true) => "__Host-",
        // That one is for the whole of a host only.
        (true, false) => "__Secure-",
    };
    let suffix = outside.port().map(|port| format!("_{port}")).unwrap_or_default();
    format!("{prefix}runledger_session{suffix}")
}

/// The header that gives the browser the cookie (RFC 6265, section 4.1), for so many seconds.
pub fn set(outside: &Outside, value: &str, seconds: i64) -> String {
    let (name, secure) = (name(outside), if outside.https { "; Secure" } else { "" });
    let path = if outside.base.is_root() { "/".to_owned() } else { outside.base.to("") };
    format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, Uri};

    fn seen(host: &'static str, https: bool, base: &str) -> Outside {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if https {
            headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        }
        Outside::new(&Uri::from_static("/"), &headers, &base.parse().unwrap())
    }

    #[test]
    fn each_server_has_a_name_of_its_own() {
        let of = |host, https| name(&seen(host, https, ""));
        assert_eq!(of("127.0.0.1:7311", false), "runledger_session_7311");
        assert_eq!(of("[::1]:7312", false), "runledger_session_7312");
        assert_eq!(of("ledger.example", false), "runledger_session");
        assert_eq!(of("[::1]", false), "runledger_session");
        assert_eq!(of("ledger.example", true), "__Host-runledger_session");
        assert_eq!(of("ledger.example:8443", true), "__Host-runledger_session_8443");
    }

    #[test]
    fn it_is_sent_to_no_neighbour() {
        assert_eq!(
            set(&seen("a.example", true, ""), "x", 5),
            "__Host-runledger_session=x; Path=/; Max-Age=5; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            set(&seen("a.example", true, "/ledger"), "x", 5),
            "__Secure-runledger_session=x; Path=/ledger; Max-Age=5; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(set(&seen("a.example", false, "/ledger"), "x", 5).ends_with("SameSite=Strict"));
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let secret = SessionSecret::shown(&"s".repeat(43)).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; runledger_session=short"));
        assert_eq!(session(&Outside::default(), &headers), None);
        let line = format!("theme=dark;  runledger_session={}; b=c", secret.reveal());
        headers.insert(header::COOKIE, HeaderValue::try_from(line).unwrap());
        assert_eq!(session(&Outside::default(), &headers), Some(secret));
    }
}
