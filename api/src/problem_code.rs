//! The codes of problems: each with its name, its status and its title. `docs/errors.md` says what each means and how
//! it is mended.

use axum::http::StatusCode;
use serde::{Serialize, Serializer};

/// The title of what is worth another try.
const TRY_AGAIN: &str = "Not possible at the moment; try again";

macro_rules! problem_codes {
    ($($code:ident = $name:literal, $status:ident, $title:expr;)+) => {
        /// The stable code of a problem, meant for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "docs/errors.md says what each means")]
        pub enum ProblemCode {
            $($code,)+
        }

        impl ProblemCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// Its name, as answers have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)+
                }
            }

            /// The status that it is usually answered with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$code => StatusCode::$status,)+
                }
            }

            /// It in words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$code => $title,)+
                }
            }
        }
    };
}

problem_codes! {
    MalformedRequest = "malformed_request", BAD_REQUEST, "The request can't be read";
    Unauthorized = "unauthorized", UNAUTHORIZED, "A valid token is needed";
    Forbidden = "forbidden", FORBIDDEN, "The token's role does not allow this";
    NotFound = "not_found", NOT_FOUND, "Not found";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The method is not possible here";
    BodyTimeout = "body_timeout", REQUEST_TIMEOUT, "The body did not come in time";
    IllegalTransition = "illegal_transition", CONFLICT, "The event is not possible now";
    EventIdTaken = "event_id_taken", CONFLICT, "The event id is in use";
    ReferenceTaken = "reference_taken", CONFLICT, "The reference stands for another start";
    RevisionMismatch = "revision_mismatch", PRECONDITION_FAILED, "The run has moved on";
    EpochChanged = "epoch_changed", PRECONDITION_FAILED, "The ledger is not the one that you knew";
    PositionAhead = "position_ahead", PRECONDITION_FAILED, "The position is ahead of the log";
    SealingOff = "sealing_off", CONFLICT, "The ledger seals nothing";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    TooManyEvents = "too_many_events", PAYLOAD_TOO_LARGE, "Too many events";
    UriTooLong = "uri_too_long", URI_TOO_LONG, "The path and its parameters are too long";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body is of a type, or packed in a way, that is not taken here";
    UnfaithfulEvent = "unfaithful_event", UNPROCESSABLE_ENTITY, "The event would not be kept as it was sent";
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "A field of the request is wrong";
    TooManyWaiting = "too_many_waiting", SERVICE_UNAVAILABLE, "Too many wait already";
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large";
    Internal = "internal", INTERNAL_SERVER_ERROR, "The ledger failed";
    NotAsSealed = "not_as_sealed", INTERNAL_SERVER_ERROR, "The history is not as it was sealed";
    StreamUnreadable = "stream_unreadable", INTERNAL_SERVER_ERROR, "An event in the log can't be read";
    Contended = "contended", SERVICE_UNAVAILABLE, TRY_AGAIN;
    DatabaseUnavailable = "database_unavailable", SERVICE_UNAVAILABLE, TRY_AGAIN;
    LogCorrupt = "log_corrupt", SERVICE_UNAVAILABLE, TRY_AGAIN;
    LogRefused = "log_refused", SERVICE_UNAVAILABLE, TRY_AGAIN;
    LogUnavailable = "log_unavailable", SERVICE_UNAVAILABLE, TRY_AGAIN;
    NotReady = "not_ready", SERVICE_UNAVAILABLE, "The ledger can't do its work at the moment";
    NotSealed = "not_sealed", SERVICE_UNAVAILABLE, "Not sealed yet";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, TRY_AGAIN;
    ProjectionBehind = "projection_behind", SERVICE_UNAVAILABLE, TRY_AGAIN;
    RequestTimeout = "request_timeout", SERVICE_UNAVAILABLE, TRY_AGAIN;
}

impl Serialize for ProblemCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_document_lists_every_code_with_its_status_and_no_other() {
        let document = include_str!("../../docs/errors.md");
        let listed: BTreeMap<&str, &str> = document
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|row| row.split_once("` | ").unwrap())
            .map(|(code, row)| (code, row.split(" | ").next().unwrap()))
            .collect();
        let codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert!(codes.iter().all(|code| listed.contains_key(code)), "{codes:?}");
        assert_eq!(listed.len(), codes.len());
        for code in ProblemCode::ALL {
            let statuses = listed[code.as_str()];
            assert!(statuses.contains(code.status().as_str()), "{}: {statuses}", code.as_str());
        }
    }
}
