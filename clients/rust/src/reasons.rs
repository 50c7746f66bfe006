//! Which reason code an error stands for.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::sync::{PoisonError, RwLock};

use crate::error::Error;
use crate::transport::chain;

type AnyError = dyn StdError + 'static;
type Rule = Box<dyn Fn(&AnyError) -> Option<String> + Send + Sync>;
type View = Box<dyn for<'e> Fn(&'e dyn Any) -> Option<&'e AnyError> + Send + Sync>;

/// A table from errors to reason codes, to be extended: `ledger.reasons().set::<QuotaError>("quota_exceeded")`, which also
/// counts for errors that have it as their source.
///
/// The operating system's errors, `reqwest`'s with the status of the answer, and those of parsers are known. What nobody
/// knows is `internal`.
pub struct Reasons {
    rules: RwLock<Vec<Rule>>,
    views: RwLock<Vec<View>>,
}

impl Default for Reasons {
    fn default() -> Self {
        let reasons = Self { rules: RwLock::default(), views: RwLock::default() };
        reasons.see::<io::Error>(|error| error);
        reasons.see::<reqwest::Error>(|error| error);
        reasons.see::<serde_json::Error>(|error| error);
        reasons.see::<tokio::time::error::Elapsed>(|error| error);
        reasons.see::<tokio::task::JoinError>(|error| error);
        reasons.see::<std::str::Utf8Error>(|error| error);
        reasons.see::<std::string::FromUtf8Error>(|error| error);
        reasons.see::<std::num::ParseIntError>(|error| error);
        reasons.see::<std::num::ParseFloatError>(|error| error);
        reasons.see::<Error>(|error| error);
        reasons.see::<Box<dyn StdError + Send + Sync>>(|error| &**error);
        reasons.see::<Box<dyn StdError + Send>>(|error| &**error);
        reasons.see::<Box<dyn StdError>>(|error| &**error);
        reasons
    }
}

impl Reasons {
    /// Errors of type `E`, and those that one of them has caused, have this code.
    pub fn set<E: StdError + 'static>(&self, code: &str) -> &Self {
        self.rule::<E>({
            let code = code.to_owned();
            move |_| Some(code.clone())
        })
    }

    /// Errors of type `E`, and those that one of them has caused, have the code that `code` says, where it says one.
    pub fn rule<E: StdError + 'static>(
        &self,
        code: impl Fn(&E) -> Option<String> + Send + Sync + 'static,
    ) -> &Self {
        let rule: Rule = Box::new(move |error| code(error.downcast_ref::<E>()?));
        self.rules.write().unwrap_or_else(PoisonError::into_inner).push(rule);
        self.see::<E>(|error| error)
    }

    /// How to look into an error of type `E`: for types that wrap others, such as
    /// `reasons.see::<anyhow::Error>(|error| error.as_ref())`, and to have the sources of your own looked at,
    /// `reasons.see::<MyError>(|error| error)`.
    pub fn see<E: 'static>(&self, view: fn(&E) -> &AnyError) -> &Self {
        let view: View = Box::new(move |error| error.downcast_ref::<E>().map(view));
        self.views.write().unwrap_or_else(PoisonError::into_inner).push(view);
        self
    }

    /// The reason code of an error; `internal` where nothing better is known.
    pub fn of<E: 'static>(&self, error: &E) -> String {
        self.seen(error, |error| {
            let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
            let own = causes(error).find_map(|error| rules.iter().rev().find_map(|rule| rule(error)));
            own.or_else(|| causes(error).find_map(known).map(str::to_owned))
        })
        .flatten()
        .unwrap_or_else(|| "internal".to_owned())
    }

    /// What people are told of an error, with its causes where they are known.
    pub(crate) fn told<E: Display + 'static>(&self, error: &E) -> String {
        // The alternate form is where `anyhow` and its like have the causes.
        self.seen(error, chain).unwrap_or_else(|| format!("{error:#}"))
    }

    fn seen<T>(&self, error: &dyn Any, what: impl FnOnce(&AnyError) -> T) -> Option<T> {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.iter().rev().find_map(|view| view(error)).map(what)
    }
}

/// An error and what has caused it, the last cause last.
fn causes(error: &AnyError) -> impl Iterator<Item = &AnyError> {
    std::iter::successors(Some(error), |error| {
        // An error of the operating system's form leaves out the one that it wraps, and goes on to that one's cause.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|error| error as &AnyError).or_else(|| (**error).source())
    })
}

/// What is known of errors of others.
fn known(error: &AnyError) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_system(error.kind());
    }
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return match error.status() {
            Some(status) => Some(of_http(status.as_u16())),
            None if error.is_timeout() => Some("timeout"),
            None if error.is_decode() => Some("data_corrupt"),
            None if error.is_connect() => Some("unavailable"),
            None => None,
        };
    }
    if let Some(error) = error.downcast_ref::<tokio::task::JoinError>() {
        return error.is_cancelled().then_some("cancelled");
    }
    if let Some(error) = error.downcast_ref::<Error>() {
        return match error {
            Error::AlreadyTaken { .. } => Some("conflict"),
            Error::Away { .. } | Error::Unclear { .. } => Some("unavailable"),
            Error::Refused { status, .. } => Some(of_http(*status)),
            Error::Setting(_) => Some("validation_failed"),
            Error::Io(error) => known(error),
        };
    }
    let is_corrupt = error.is::<serde_json::Error>()
        || error.is::<std::str::Utf8Error>()
        || error.is::<std::string::FromUtf8Error>();
    let is_invalid = error.is::<std::num::ParseIntError>() || error.is::<std::num::ParseFloatError>();
    match () {
        () if error.is::<tokio::time::error::Elapsed>() => Some("timeout"),
        () if is_corrupt => Some("data_corrupt"),
        () if is_invalid => Some("validation_failed"),
        () => None,
    }
}

fn of_system(kind: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    Some(match kind {
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => "permission_denied",
        Kind::NotFound => "not_found",
        Kind::AlreadyExists => "already_exists",
        Kind::TimedOut => "timeout",
        Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::NotConnected
        | Kind::BrokenPipe
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown => "unavailable",
        Kind::StorageFull | Kind::QuotaExceeded | Kind::OutOfMemory => "quota_exceeded",
        Kind::InvalidData | Kind::UnexpectedEof => "data_corrupt",
        Kind::InvalidInput => "validation_failed",
        Kind::Unsupported => "unsupported",
        _ => return None,
    })
}

fn of_http(status: u16) -> &'static str {
    match status {
        401 => "unauthenticated",
        403 => "permission_denied",
        404 => "not_found",
        408 | 504 => "timeout",
        409 => "conflict",
        412 => "precondition_failed",
        422 => "validation_failed",
        429 => "throttled",
        507 => "quota_exceeded",
        500.. => "unavailable",
        _ => "internal",
    }
}
