//! Pings as healthchecks.io has made them usual: one line of `curl` in a crontab.

use access::Inlet;
use domain::reason::ReasonCode;
use domain::{Completed, EventBody, Failed, Progressed, Started};
use redaction::{CleanText, recognized_secret, redact_json};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fault::Malformed;
use crate::ids::event_id;
use crate::report::{About, Report, RunName, Said};

/// How much of a ping's body is looked at, in bytes: its end.
const LOOKED_AT: usize = 16 * 1024;

/// How much of the last lines becomes a message, in characters. What begins them has room before it.
const SHOWN: usize = 250;

/// What a ping signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The job went well.
    Success,
    /// The job has begun.
    Start,
    /// The job failed.
    Fail,
    /// The job says something.
    Log,
    /// The job ended with that exit code.
    Exit(u8),
}

impl Signal {
    /// The signal of that name, as it stands behind the slug.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "start" => Self::Start,
            "fail" => Self::Fail,
            "log" => Self::Log,
            code if code.bytes().all(|byte| byte.is_ascii_digit()) => Self::Exit(code.parse().ok()?),
            _ => return None,
        })
    }
}

/// A ping.
#[derive(Debug, Clone, Copy)]
pub struct Ping<'a> {
    /// Which job.
    pub slug: &'a str,
    /// What it signals.
    pub signal: Signal,
    /// Which run of the job, where it says so.
    pub rid: Option<&'a str>,
    /// What it says: the last lines count.
    pub body: &'a [u8],
    /// The id of this ping, where it has none by which a repetition of it is known.
    pub fresh: Uuid,
}

/// What a ping says of which run.
///
/// # Errors
/// [`Malformed`] where the slug or the `rid` is none.
pub fn translate(inlet: &Inlet, ping: Ping<'_>) -> Result<Report, Malformed> {
    let Ping { slug, signal, rid, body, fresh } = ping;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(1..=100).contains(&slug.len()) || !slug.bytes().all(legal) || recognized_secret(slug).is_some() {
        let detail = "a slug names a job by 1 to 100 characters A-Z, a-z, 0-9, ., _ and -; it is no secret";
        return Err(Malformed::new("slug", detail));
    }
    let rid = rid.map(Uuid::try_parse).transpose();
    let rid = rid.map_err(|_| Malformed::new("?rid", "a run is named by a UUID, as uuidgen makes them"))?;
    let said = said(inlet, signal, last_lines(body));
    // A log may come many times; the others once in a run.
    let event_id = match (rid, signal) {
        (None, _) | (_, Signal::Log) => fresh,
        (Some(rid), signal) => event_id(inlet.inlet_id, &format!("ping {slug} {rid} {signal:?}")),
    };
    let run = match (rid, signal) {
        (Some(rid), _) => RunName::Named(format!("{slug} {rid}")),
        (None, Signal::Start) => RunName::New,
        (None, _) => RunName::Newest,
    };
    let about = About::new(slug, json!({ "slug": slug }), &[("slug", slug)]);
    let about = match rid {
        Some(rid) => about.tied(&rid.to_string()),
        None => about,
    };
    let begins = signal != Signal::Log;
    Ok(Report { event_id, run, lane: slug.to_owned(), at: None, said: Said::Event(said), begins, about })
}

fn said(inlet: &Inlet, signal: Signal, lines: Option<String>) -> EventBody {
    let message = lines.as_deref().map(CleanText::new);
    match signal {
        Signal::Start => {
            EventBody::Started(Started { worker: None, heartbeat_seconds: inlet.heartbeat_seconds })
        }
        Signal::Log => EventBody::Progressed(Progressed { message, items_total: None }),
        Signal::Success | Signal::Exit(0) => EventBody::Completed(Completed { message, tally: None }),
        Signal::Fail => {
            failed("unknown", message.unwrap_or_else(|| CleanText::new("The job says that it failed.")))
        }
        Signal::Exit(code) => {
            let lines = lines.map_or_else(String::new, |lines| format!(": {lines}"));
            failed(reason(code), CleanText::new(&format!("Exit code {code}{lines}")))
        }
    }
}

fn failed(reason: &str, message: CleanText) -> EventBody {
    EventBody::Failed(Failed { reason_code: code(reason), message, presumed: false })
}

/// One of the catalogue's codes.
pub(crate) fn code(name: &str) -> ReasonCode {
    #[expect(clippy::expect_used, reason = "the names are constants of the catalogue, and tested")]
    ReasonCode::parse(name).expect("a code of the catalogue")
}

/// What shells and `timeout` mean by an exit code.
fn reason(code: u8) -> &'static str {
    match code {
        124 => "timeout",
        126 => "permission_denied",
        127 => "not_found",
        // Ctrl-C, and kill.
        130 | 143 => "cancelled",
        _ => "unknown",
    }
}

/// The last lines that are not empty, as many as are shown; none where there are none.
fn last_lines(body: &[u8]) -> Option<String> {
    let end = body.get(body.len().saturating_sub(LOOKED_AT)..).unwrap_or(body);
    // A secret may go over lines, so it is taken out before they are chosen from.
    let mut text = Value::String(String::from_utf8_lossy(end).into_owned());
    redact_json(&mut text);
    let text = text.as_str()?;
    let mut lines: Vec<&str> = Vec::new();
    let mut room = SHOWN;
    for line in text.lines().rev().map(str::trim).filter(|line| !line.is_empty()) {
        let length = line.chars().count() + 1;
        if length > room && !lines.is_empty() {
            break;
        }
        room = room.saturating_sub(length);
        lines.push(line);
    }
    lines.reverse();
    let text = lines.join("\n");
    if CleanText::new(&text).is_empty() { None } else { Some(text) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_no_secret_of_them() {
        assert_eq!(last_lines(b""), None);
        assert_eq!(last_lines(b"\n \x1b[0m \n"), None);
        assert_eq!(last_lines(b"one\n\ntwo\r\n").unwrap(), "one\ntwo");
        let long = format!("{}\n{}\nlast", "a".repeat(200), "b".repeat(200));
        assert_eq!(last_lines(long.as_bytes()).unwrap(), format!("{}\nlast", "b".repeat(200)));
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----\nbye";
        let kept = last_lines(key.as_bytes()).unwrap();
        assert!(!kept.contains("IBAAKC") && kept.ends_with("bye"), "{kept}");
        assert!(last_lines(&[0xff, 0xfe, b'x']).unwrap().ends_with('x'));
    }

    #[test]
    fn every_code_that_is_given_is_in_the_catalogue() {
        for exit in 0..=255 {
            assert!(code(reason(exit)).in_catalogue());
        }
        for name in ["unknown", "cancelled", "internal"] {
            assert!(code(name).in_catalogue());
        }
    }
}
