//! What must hold for the head of every request, whatever it asks for: it names one host, and is not too large.

use api::ProblemCode;
use api::problem::Problem;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The longest target of a request, in bytes. RFC 9110, section 4.1, wants 8,000 at least; a sign-in takes along
/// where it goes on, every byte of it as three.
const LONGEST_URI: usize = 16 * 1024;

/// The largest head without its first line, in bytes. More than 64 KiB are not even kept.
const LARGEST_HEADERS: usize = 32 * 1024;

/// What a header takes beside its name and value: a colon, a blank, the end of its line.
const AROUND: usize = 4;

/// Refuses heads that are too large, or that do not say which host is meant. Behind this every request has the
/// header `Host`, in HTTP/2 as well, unless it is one of HTTP/1.0.
pub(crate) async fn check(mut request: Request, next: Next) -> Response {
    match fault(&mut request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn fault(request: &mut Request) -> Result<(), Problem> {
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > LONGEST_URI) {
        return Err(uri_too_long());
    }
    let headers = request.headers().iter();
    let size: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + AROUND).sum();
    if size > LARGEST_HEADERS {
        return Err(headers_too_large());
    }
    let said = host(request)?;
    if let Some(host) = said {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

/// The host that a request is for: that of its target where it has one (RFC 9112, section 3.2.2; RFC 9113,
/// section 8.3.1), else that of its one header.
///
/// # Errors
/// 400 where none is named, several are, or something that is none.
fn host(request: &Request) -> Result<Option<HeaderValue>, Problem> {
    let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().collect();
    let (target, version) = (request.uri().authority(), request.version());
    let named = match hosts[..] {
        [] => None,
        [host] => Some(valid(host)?),
        _ => return Err(Problem::malformed("The header Host is there more than once. Send it once.")),
    };
    if let Some(target) = target {
        let target = HeaderValue::try_from(target.as_str()).map_err(|_| no_host())?;
        let target = valid(&target)?;
        let differs =
            named.as_ref().is_some_and(|named| !named.as_bytes().eq_ignore_ascii_case(target.as_bytes()));
        if differs && version >= Version::HTTP_2 {
            return Err(Problem::malformed(
                "The header Host names another host than :authority. Leave it out.",
            ));
        }
        if named.is_some() || version != Version::HTTP_11 {
            return Ok(Some(target));
        }
    }
    match named {
        None if version > Version::HTTP_10 => Err(Problem::malformed(
            "The header Host is missing. HTTP/1.1 wants it on every request, such as Host: ledger.example.",
        )),
        named => Ok(named),
    }
}

fn valid(host: &HeaderValue) -> Result<HeaderValue, Problem> {
    let authority: Authority = host.to_str().ok().and_then(|host| host.parse().ok()).ok_or_else(no_host)?;
    let port = authority.as_str().get(authority.host().len()..).unwrap_or_default();
    let is_port =
        matches!(port, "" | ":") || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if authority.host().is_empty() || authority.as_str().contains('@') || !is_port {
        return Err(no_host());
    }
    Ok(host.clone())
}

fn no_host() -> Problem {
    Problem::malformed("The header Host must be a host, with or without a port, such as ledger.example:7311.")
}

/// 414: the target is longer than is taken.
pub(crate) fn uri_too_long() -> Problem {
    Problem::new(
        ProblemCode::UriTooLong,
        format!("At most {LONGEST_URI} bytes are taken. Ask with fewer or shorter parameters."),
    )
}

/// 431: the headers are larger than is taken.
pub(crate) fn headers_too_large() -> Problem {
    Problem::new(
        ProblemCode::HeadersTooLarge,
        format!(
            "At most {LARGEST_HEADERS} bytes and 100 headers are taken. Send fewer or shorter ones; a browser's \
             cookies for this host may be what is too large."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn checked(version: Version, uri: &str, hosts: &[&str]) -> Result<Option<String>, u16> {
        let request = hosts.iter().fold(Request::builder().version(version).uri(uri), |request, host| {
            request.header(header::HOST, *host)
        });
        let mut request = request.body(Body::empty()).unwrap();
        fault(&mut request).map_err(|problem| problem.status)?;
        Ok(request.headers().get(header::HOST).map(|host| host.to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_request_names_one_host() {
        let named = |host: &str| Ok(Some(host.to_owned()));
        for host in ["a", "a.example", "a.example:80", "a:", "127.0.0.1:7311", "[::1]", "[::1]:7311"] {
            assert_eq!(checked(Version::HTTP_11, "/", &[host]), named(host), "{host}");
        }
        for hosts in [
            &[][..],
            &["a", "a"],
            &["a", "b"],
            &[""],
            &["a b"],
            &["a, b"],
            &["u@a"],
            &["a/b"],
            &["http://a"],
            &["a:x"],
            &["a:99999"],
            &[":80"],
            &["[::1"],
        ] {
            assert_eq!(checked(Version::HTTP_11, "/", hosts), Err(400), "{hosts:?}");
        }
        // RFC 9112, section 3.2.2: what the target says counts, and yet the header must be there.
        assert_eq!(checked(Version::HTTP_11, "http://a/", &["b"]), named("a"));
        assert_eq!(checked(Version::HTTP_11, "http://a/", &[]), Err(400));
        assert_eq!(checked(Version::HTTP_10, "/", &[]), Ok(None));
        assert_eq!(checked(Version::HTTP_10, "/", &["a", "b"]), Err(400));
        // RFC 9113, section 8.3.1.
        assert_eq!(checked(Version::HTTP_2, "https://a:1/", &[]), named("a:1"));
        assert_eq!(checked(Version::HTTP_2, "https://a/", &["A"]), named("a"));
        assert_eq!(checked(Version::HTTP_2, "https://a/", &["b"]), Err(400));
        assert_eq!(checked(Version::HTTP_2, "/", &["a"]), named("a"));
        assert_eq!(checked(Version::HTTP_2, "/", &[]), Err(400));
    }
}
