//! How the server is seen from outside, where proxies stand in between: over TLS or not, by which name, under
//! which path. A proxy says so in `Forwarded` (RFC 7239) or in the older `X-Forwarded-...`; of several the
//! outermost counts, which comes first.
//!
//! A client that lies in these headers is answered with links and a cookie that work for nobody, and no answer is kept.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request};
use axum::http::header::{FORWARDED, HOST, ORIGIN, REFERER};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Uri};
use reads::BasePath;

use crate::problem::Problem;

/// How the server is seen by the client that sent a request.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// Under which path.
    pub base: BasePath,
    /// Whether over TLS.
    pub https: bool,
    /// By which names, with their ports: the one that we were called by, and those that a proxy says it was.
    hosts: Vec<String>,
}

impl Outside {
    /// How the server is seen by the client that sent a request with these headers, where it was set to be seen under
    /// that path and no proxy says otherwise.
    pub fn new(uri: &Uri, headers: &HeaderMap, set: &BasePath) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let first = |name| text(name).and_then(|value| value.split(',').next()).map(str::trim);
        let said = |parameter| text(FORWARDED.as_str()).and_then(|value| forwarded(value, parameter));
        let scheme = said("proto").or_else(|| first("x-forwarded-proto").map(str::to_owned));
        let scheme = scheme.as_deref().or(uri.scheme_str()).unwrap_or_default();
        // HTTP/2 has it in the address.
        let called = text(HOST.as_str()).or(uri.authority().map(|authority| authority.as_str()));
        let hosts = [called.map(str::to_owned), first("x-forwarded-host").map(str::to_owned), said("host")];
        Self {
            base: prefix(headers).unwrap_or_else(|| set.clone()),
            https: scheme.eq_ignore_ascii_case("https"),
            hosts: hosts.into_iter().flatten().collect(),
        }
    }

    /// The port in the name that we were called by.
    pub fn port(&self) -> Option<&str> {
        let (_, port) = self.hosts.first()?.rsplit_once(':')?;
        (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(port)
    }

    /// Makes sure that a form was sent from a page of this server: browsers say from where they send one, in one of
    /// two ways, and nobody's script can make them say otherwise.
    ///
    /// # Errors
    /// 403 where it comes from elsewhere.
    pub fn must_be_ours(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let from = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
            // It has compared the whole of both addresses, as it sees them.
            (Some("same-origin" | "none"), _) | (None, None) => return Ok(()),
            (None, Some(origin)) if self.is_origin(origin) => return Ok(()),
            (_, origin) => origin.unwrap_or("elsewhere"),
        };
        Err(Problem::forbidden(format!(
            "The form was sent from {from}. Send it from a page of this server; a proxy in between must pass on the \
             header Host, or say in X-Forwarded-Host how it was called.",
        )))
    }

    /// The path and the query of the page of ours that a browser comes from, where it says so (RFC 9110, section
    /// 10.1.3).
    #[must_use]
    pub fn came_from<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let referer = headers.get(REFERER)?.to_str().ok()?;
        let authority = referer.find("://")? + 3;
        let path = authority + referer.get(authority..)?.find('/')?;
        let (origin, path) = referer.split_at_checked(path)?;
        self.is_origin(origin).then_some(path)
    }

    /// Whether an origin (RFC 6454, section 7) is this server. A name without a port has that of the scheme.
    fn is_origin(&self, origin: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let usual = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return false,
        };
        let plain = |authority: &str| {
            let lower = authority.to_ascii_lowercase();
            lower.strip_suffix(usual).map(str::to_owned).unwrap_or(lower)
        };
        self.hosts.iter().any(|host| plain(host) == plain(authority))
    }
}

impl<S: Sync> FromRequestParts<S> for Outside {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of_parts(parts))
    }
}

impl Outside {
    /// As [`enter`] has found it; by the headers alone where it was not asked.
    pub fn of_parts(parts: &Parts) -> Self {
        let found = parts.extensions.get().cloned();
        found.unwrap_or_else(|| Self::new(&parts.uri, &parts.headers, &BasePath::default()))
    }

    /// As [`Self::of_parts`], of a request as a whole.
    pub fn of_request(request: &Request) -> Self {
        let found = request.extensions().get().cloned();
        found.unwrap_or_else(|| Self::new(request.uri(), request.headers(), &BasePath::default()))
    }
}

/// Finds out how the server is seen by the client that sent a request, and makes its path one of ours: without what it
/// is seen under, whether a proxy has taken that away already or not, and without slashes at its end.
pub fn enter(set: &BasePath, mut request: Request) -> Request {
    let outside = Outside::new(request.uri(), request.headers(), set);
    let path = request.uri().path();
    let ours = outside.base.of(path).unwrap_or(path);
    let ours = match ours.trim_end_matches('/') {
        "" => "/",
        ours => ours,
    };
    if ours.len() != path.len()
        && let Some(uri) = with_path(request.uri(), ours)
    {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(outside);
    request
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let path_and_query = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.ok()?);
    Uri::from_parts(parts).ok()
}

/// Under which path proxies say that we are seen: each says what it has taken away, the outermost first. None where
/// they say nothing, or nothing that can be.
fn prefix(headers: &HeaderMap) -> Option<BasePath> {
    let mut whole = String::new();
    let mut said = false;
    for line in headers.get_all("x-forwarded-prefix") {
        for one in line.to_str().ok()?.split(',') {
            whole.push_str(one.trim().parse::<BasePath>().ok()?.as_str());
            said = true;
        }
    }
    said.then(|| whole.parse().ok()).flatten()
}

/// A parameter of the first element of `Forwarded` (RFC 7239, section 4).
fn forwarded(value: &str, parameter: &str) -> Option<String> {
    let element = unquoted(value, ',').next()?;
    let pairs = unquoted(element, ';').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case(parameter));
    let (_, value) = values.next()?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// The parts of a text between separators that do not stand in a quoted string (RFC 9110, section 5.6.4).
fn unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return character == separator && !quoted,
        }
        false
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::HeaderValue;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn seen(of: &[(&'static str, &str)]) -> Outside {
        Outside::new(&Uri::from_static("/"), &headers(of), &BasePath::default())
    }

    #[test]
    fn tls_is_what_the_outermost_proxy_says() {
        for of in [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-proto", "HTTPS"),
            ("x-forwarded-proto", "https, https"),
            ("x-forwarded-proto", " https ,http"),
            ("forwarded", "proto=https"),
            ("forwarded", "for=192.0.2.1; Proto=\"HTTPS\";by=10.0.0.1, for=10.0.0.1;proto=http"),
            ("forwarded", "for=\"a,b;c\";proto=https"),
            ("forwarded", "for=\"a\\\",b\";proto=https"),
        ] {
            assert!(seen(&[of]).https, "{of:?}");
        }
        for of in [
            ("x-forwarded-proto", "http"),
            ("x-forwarded-proto", "http, https"),
            ("x-forwarded-proto", "httpsx"),
            ("x-forwarded-proto", ""),
            ("forwarded", "for=192.0.2.1, for=10.0.0.1;proto=https"),
            ("forwarded", "for=\"proto=https\""),
            ("forwarded", "for=\"a;proto=https\""),
            ("forwarded", "for=\"a,b\", for=c;proto=https"),
        ] {
            assert!(!seen(&[of]).https, "{of:?}");
        }
        assert!(!seen(&[]).https);
        let by_itself =
            Outside::new(&Uri::from_static("https://ledger/"), &headers(&[]), &BasePath::default());
        assert!(by_itself.https);
    }

    #[test]
    fn the_path_is_ours_whether_the_proxy_has_cut_it_or_not() {
        let set: BasePath = "/set".parse().unwrap();
        for (said, path, base, ours) in [
            (None, "/t/demo?x=/y/", "/set", "/t/demo?x=/y/"),
            (None, "/set/t/demo", "/set", "/t/demo"),
            (None, "/set", "/set", "/"),
            (None, "/set/?a=b", "/set", "/?a=b"),
            (None, "/settings", "/set", "/settings"),
            (Some("/said"), "/t/demo", "/said", "/t/demo"),
            (Some("/said/"), "/said/t/demo/", "/said", "/t/demo"),
            (Some("/outer, /inner"), "/t/demo", "/outer/inner", "/t/demo"),
            (Some("//evil.example"), "/set/t", "/set", "/t"),
            (Some("/a, b"), "/t///", "/set", "/t"),
            (Some("/"), "///", "", "/"),
        ] {
            let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
            if let Some(said) = said {
                request.headers_mut().insert("x-forwarded-prefix", HeaderValue::from_str(said).unwrap());
            }
            let request = enter(&set, request);
            let outside = request.extensions().get::<Outside>().unwrap();
            assert_eq!(
                (outside.base.to("").as_str(), request.uri().to_string().as_str()),
                (base, ours),
                "{path}"
            );
        }
    }

    #[test]
    fn forms_come_from_our_own_pages() {
        let sent = |of: &[(&'static str, &str)]| seen(of).must_be_ours(&headers(of)).is_ok();
        for ours in [
            &[("host", "a.example")][..],
            &[("host", "a.example"), ("origin", "http://a.example")],
            &[("host", "A.example:443"), ("origin", "https://a.example")],
            &[("host", "127.0.0.1:7311"), ("origin", "http://127.0.0.1:7311")],
            &[("host", "upstream:80"), ("x-forwarded-host", "a.example"), ("origin", "https://a.example")],
            &[
                ("host", "upstream"),
                ("forwarded", "host=\"a.example:8443\""),
                ("origin", "https://a.example:8443"),
            ],
            &[("host", "upstream"), ("sec-fetch-site", "same-origin"), ("origin", "https://a.example")],
        ] {
            assert!(sent(ours), "{ours:?}");
        }
        for other in [
            &[("host", "a.example"), ("origin", "http://evil.example")][..],
            &[("host", "a.example"), ("origin", "null")],
            &[("host", "a.example"), ("origin", "")],
            &[("host", "a.example"), ("origin", "http://a.example.evil.example")],
            &[("host", "a.example:8080"), ("origin", "http://a.example")],
            &[("host", "a.example"), ("origin", "http://a.example"), ("sec-fetch-site", "cross-site")],
            &[("host", "a.example"), ("sec-fetch-site", "same-site")],
            &[("origin", "http://a.example")],
        ] {
            assert!(!sent(other), "{other:?}");
        }
    }
}
