//! Validators and the conditions on them: `ETag`, `If-Match`, `If-None-Match` (RFC 9110, sections 8.8 and 13).

use std::fmt;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use reads::runs::{LivenessState, RunView};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// An entity tag (RFC 9110, section 8.8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    weak: bool,
    opaque: String,
}

/// What a condition names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// `*`: whatever there is.
    Any,
    /// Any of these.
    Tags(Vec<Tag>),
}

/// The text has not the form of a list of entity tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Malformed;

/// The strong tag of a run: its revision. What a revision does not tell, such as a heartbeat that is overdue, is
/// told `apart`; then the tag says more, and still names the revision.
///
/// # Errors
/// 500 when it can't be written, which no run causes.
fn of_run(revision: u64, apart: Option<&[u8]>) -> Result<HeaderValue, Problem> {
    let tag = match apart {
        None => format!("\"{revision}\""),
        Some(apart) => format!("\"{revision}-{}\"", short(apart)),
    };
    HeaderValue::try_from(tag).map_err(|error| Problem::internal(&error))
}

/// The tag of a run as it is shown: its revision, and what of it changes without an event.
///
/// # Errors
/// 500 when it can't be written, which no run causes.
pub fn of_view(run: &RunView) -> Result<HeaderValue, Problem> {
    let by_itself = |state| matches!(state, LivenessState::Stalled | LivenessState::Waiting);
    let liveness = run.liveness.filter(|liveness| by_itself(liveness.state));
    let followed = run.retried_by.is_some() || run.resumed_by.is_some();
    let by_others = followed || run.children.is_some() || !run.label_names.is_empty() || run.usual.is_some();
    if liveness.is_none() && run.held.is_none() && !by_others {
        return of_run(run.revision, None);
    }
    let links = (run.children, &run.retried_by, &run.resumed_by);
    let apart = serde_json::to_vec(&(liveness, &run.held, links, &run.label_names, run.usual, run.late))
        .map_err(|error| Problem::internal(&error))?;
    of_run(run.revision, Some(&apart))
}

/// The weak tag of a content that is told in other bytes at other moments.
///
/// # Errors
/// 500 when it can't be written, which no content causes.
pub fn of_content(content: &[u8]) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(format!("W/\"{}\"", short(content))).map_err(|error| Problem::internal(&error))
}

/// A content by its hash: 16 of its bytes, in hex.
fn short(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content).get(..16).unwrap_or_default())
}

/// The revisions in `If-Match`, of which the run must be at one. None where the caller does not insist on any: `*`
/// asks only that the run exists, which every append does. A weak tag never matches (section 13.1.1), nor does one
/// that was never a run's.
///
/// # Errors
/// 400 when it is no list of entity tags.
pub fn if_match(headers: &HeaderMap) -> Result<Option<Vec<u64>>, Problem> {
    let tags = match named(headers, IF_MATCH) {
        Ok(None | Some(Named::Any)) => return Ok(None),
        Ok(Some(Named::Tags(tags))) => tags,
        Err(Malformed) => {
            return Err(Problem::malformed(
                "If-Match must be revisions in quotes, such as \"7\", as ETag gave it, or *.",
            ));
        }
    };
    Ok(Some(tags.into_iter().filter(|tag| !tag.weak).filter_map(|tag| revision(&tag.opaque)).collect()))
}

/// The revision that the tag of a run names.
fn revision(opaque: &str) -> Option<u64> {
    let digits = opaque.split_once('-').map_or(opaque, |(revision, _)| revision);
    // Tags are compared by their characters: `01` was never a run's.
    digits.parse().ok().filter(|revision: &u64| revision.to_string() == digits)
}

/// Answers 304 to a client that has what there is already (section 13.1.2). The handler has said in `ETag` what there
/// is.
pub async fn not_modified(request: Request, next: Next) -> Response {
    let had = match request.method().is_safe() {
        // A condition that can't be read is none: all of it is answered.
        true => named(request.headers(), IF_NONE_MATCH).ok().flatten(),
        false => None,
    };
    let response = next.run(request).await;
    let tag = response.headers().get(ETAG).and_then(|tag| tags(tag.to_str().ok()?).ok()?.pop());
    let (Some(had), Some(tag), StatusCode::OK) = (had, tag, response.status()) else { return response };
    let same = had.find(&tag).map(|same| Tag { weak: tag.weak, opaque: same.opaque.clone() });
    let Some(same) = same.and_then(|same| HeaderValue::try_from(same.to_string()).ok()) else {
        return response;
    };
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    // As the answer would have it that the caller has, packed as it is.
    parts.headers.insert(ETAG, same);
    parts.headers.append(VARY, HeaderValue::from(ACCEPT_ENCODING));
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
        parts.headers.remove(name);
    }
    Response::from_parts(parts, Body::empty())
}

impl Named {
    /// The tag that it names of what is there, however that is packed, in the weak comparison (section 8.8.3.2).
    fn find<'a>(&'a self, there: &'a Tag) -> Option<&'a Tag> {
        match self {
            Self::Any => Some(there),
            Self::Tags(tags) => tags.iter().find(|tag| unpacked(&tag.opaque) == there.opaque),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weak = if self.weak { "W/" } else { "" };
        write!(f, "{weak}\"{}\"", self.opaque)
    }
}

/// How an answer may be packed, as a strong tag says it: what it names is the very bytes (section 8.8.3.3).
const PACKED: [&str; 2] = ["-gzip", "-br"];

fn unpacked(opaque: &str) -> &str {
    PACKED.iter().find_map(|packed| opaque.strip_suffix(packed)).unwrap_or(opaque)
}

/// Tells the strong tag of an answer that was packed from that of the same answer as it is.
pub async fn of_packed(mut response: Response) -> Response {
    let headers = response.headers();
    let (Some(tag), Some(coding)) = (headers.get(ETAG), headers.get(CONTENT_ENCODING)) else {
        return response;
    };
    let (Ok(tag), Ok(coding)) = (tag.to_str(), coding.to_str()) else { return response };
    let strong = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let packed = strong.and_then(|opaque| HeaderValue::try_from(format!("\"{opaque}-{coding}\"")).ok());
    if let Some(packed) = packed {
        response.headers_mut().insert(ETAG, packed);
    }
    response
}

/// What a condition names; none where it is not given. Several lines are one list.
fn named(headers: &HeaderMap, name: HeaderName) -> Result<Option<Named>, Malformed> {
    let mut lines = Vec::new();
    for line in headers.get_all(name) {
        // A tag may have any byte above ASCII.
        lines.push(String::from_utf8_lossy(line.as_bytes()).trim().to_owned());
    }
    match lines.as_slice() {
        [] => Ok(None),
        [any] if any == "*" => Ok(Some(Named::Any)),
        lines => tags(&lines.join(",")).map(|tags| Some(Named::Tags(tags))),
    }
}

/// A list of entity tags; of one at least. A bare number is taken for a tag without its quotes.
fn tags(text: &str) -> Result<Vec<Tag>, Malformed> {
    let mut tags = Vec::new();
    let mut rest = text.trim();
    if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(vec![Tag { weak: false, opaque: rest.to_owned() }]);
    }
    loop {
        // Empty entries of a list are passed over (section 5.6.1.2).
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if rest.is_empty() {
            return if tags.is_empty() { Err(Malformed) } else { Ok(tags) };
        }
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
        let (opaque, after) =
            quoted.strip_prefix('"').and_then(|rest| rest.split_once('"')).ok_or(Malformed)?;
        if opaque.chars().any(|c| c.is_control() || c == ' ') {
            return Err(Malformed);
        }
        tags.push(Tag { weak, opaque: opaque.to_owned() });
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return Err(Malformed);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt;

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
    }

    #[test]
    fn if_match_names_revisions_by_strong_tags() {
        let matched = |lines: &[&str]| if_match(&headers(IF_MATCH, lines)).map_err(|problem| problem.status);
        assert_eq!(matched(&[]), Ok(None));
        assert_eq!(matched(&["*"]), Ok(None));
        assert_eq!(matched(&["\"7\""]), Ok(Some(vec![7])));
        assert_eq!(matched(&["7"]), Ok(Some(vec![7])));
        assert_eq!(matched(&["\"0\", \"7\""]), Ok(Some(vec![0, 7])));
        assert_eq!(matched(&["\"0\"", "\"7\""]), Ok(Some(vec![0, 7])));
        assert_eq!(matched(&[" ,\"0\" ,,\t\"7\", "]), Ok(Some(vec![0, 7])));
        assert_eq!(matched(&["\"7-0123456789abcdef0123456789abcdef\""]), Ok(Some(vec![7])));
        assert_eq!(matched(&["\"7-gzip\", \"8-0123456789abcdef0123456789abcdef-br\""]), Ok(Some(vec![7, 8])));
        // They are tags, but no run ever had them, or they say that they are weak.
        for never in
            ["W/\"7\"", "\"\"", "\"x\"", "\"-1\"", "\"+1\"", "\"01\"", "\"7,8\"", "\"99999999999999999999\""]
        {
            assert_eq!(matched(&[never]), Ok(Some(Vec::new())), "{never}");
        }
        assert_eq!(matched(&["W/\"7\", \"8\", \"é\""]), Ok(Some(vec![8])));
        for wrong in [
            "",
            ",",
            "-1",
            "+1",
            "\"7",
            "7\"",
            "x",
            "7, 8",
            "\"7\" \"8\"",
            "w/\"7\"",
            "W/7",
            "*, \"7\"",
            "\"a b\"",
        ] {
            assert_eq!(matched(&[wrong]), Err(400), "{wrong}");
        }
    }

    #[tokio::test]
    async fn who_has_what_there_is_is_told_so() {
        let there =
            get(async || ([(ETAG, "W/\"a\"")], "content")).post(async || ([(ETAG, "W/\"a\"")], "done"));
        let routes = Router::new().route("/", there).layer(from_fn(not_modified));
        let asked = async |method: &str, lines: &[&str]| {
            let mut request = Request::builder().method(method).uri("/").body(Body::empty()).unwrap();
            *request.headers_mut() = headers(IF_NONE_MATCH, lines);
            let response = routes.clone().oneshot(request).await.unwrap();
            let tagged = response.headers().contains_key(ETAG);
            let length = axum::body::to_bytes(response.into_body(), 100).await.unwrap().len();
            (tagged, length)
        };
        // The weak comparison: only what is in the quotes counts.
        for same in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "\"a-gzip\"", "*"] {
            assert_eq!(asked("GET", &[same]).await, (true, 0), "{same}");
        }
        for other in ["\"b\"", "a", "", "\"A\""] {
            assert_eq!(asked("GET", &[other]).await, (true, 7), "{other}");
        }
        assert_eq!(asked("GET", &[]).await, (true, 7));
        assert_eq!(asked("POST", &["*"]).await, (true, 4));
    }
}
