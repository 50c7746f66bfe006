//! How HTTP says why a command changed nothing.

use chrono::{DateTime, Utc};
use commands::{CommandError, StartDifference, StartName};
use domain::key::KeyError;
use domain::{Rejection, RunId, Status};
use eventlog::LogError;
use eventlog::fact::Unfaithful;

use crate::problem::Problem;
use crate::problem_code::ProblemCode;

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Rejected { rejection, revision, status } => {
                rejected(&rejection, revision, status, &Some)
            }
            // The first event of a start is the start itself.
            CommandError::StartRejected(rejection) => rejected(&rejection, None, None, &|index| index.checked_sub(1)),
            CommandError::StartDiffers { by, run, differences } => start_differs(by, run, &differences),
            CommandError::NoSuchRun { link, run } => Problem::invalid(
                format!("/{link}/run_id"),
                format!("this tenant has no run {run}: name one that was started before, or leave it out"),
            ),
            CommandError::Key(KeyError::Context(error)) => {
                Problem::invalid(format!("/context{}", error.pointer()), error.to_string())
            }
            CommandError::Key(error @ KeyError::NotAnArray { .. }) => {
                Problem::invalid("/unordered", error.to_string())
            }
            CommandError::NoNotification => {
                Problem::not_found("There is no such notification for this token.")
            }
            CommandError::EventIdTaken { index, id, revision } => Problem::new(
                ProblemCode::EventIdTaken,
                format!(
                    "/events/{index}: the event id {id} belongs to revision {revision} of the run, which says \
                     something else. Nothing was appended. An id is used again only to repeat the same event; \
                     give every new event a new one."
                ),
            )
            .with("event_id", id.to_string())
            .with("event_index", index)
            .with("revision", revision),
            CommandError::Contended => Problem::unavailable(
                ProblemCode::Contended,
                "Others kept appending to the same run. Nothing was appended; repeat the request.",
                1,
            ),
            CommandError::Overloaded => Problem::unavailable(
                ProblemCode::Overloaded,
                "The event log takes no more appends at the moment. Nothing was appended; repeat the request.",
                1,
            ),
            CommandError::Log(LogError::Unavailable(why)) => {
                tracing::warn!(error = %why, "the event log is unavailable");
                Problem::unavailable(
                    ProblemCode::LogUnavailable,
                    "The event log does not answer. The append may or may not have happened: repeat it with \
                     the same event ids and nothing is appended twice.",
                    1,
                )
            }
            CommandError::Log(error @ (LogError::Refused(_) | LogError::Corrupt(_))) => {
                tracing::error!(%error, "nothing is appended until that is mended");
                let (code, what) = match error {
                    LogError::Refused(_) => (ProblemCode::LogRefused, "refuses the ledger"),
                    _ => (ProblemCode::LogCorrupt, "is damaged"),
                };
                let detail = format!(
                    "The event log {what}, which its operator has to mend; the ledger's log says how. Nothing was \
                     appended; repeat the request then."
                );
                Problem::unavailable(code, detail, 30)
            }
            CommandError::TooLarge { bytes, most } => Problem::new(
                ProblemCode::BodyTooLarge,
                format!(
                    "The events have {bytes} bytes as they are stored; the event log takes {most} at once. \
                     Nothing was appended; send them in several requests."
                ),
            ),
            CommandError::Unfaithful(Unfaithful { id, event_type, .. }) => Problem::new(
                ProblemCode::UnfaithfulEvent,
                format!(
                    "{event_type} would not be read back from the log as what it says now, so it is not taken in. \
                     Nothing was appended. Its texts or its context hold something that the ledger can't keep: \
                     send it without, and tell whoever runs the ledger; its log has the details."
                ),
            )
            .with("event_id", id.to_string()),
            CommandError::Unreadable { run, revision } => unreadable_problem(run, revision),
            error @ CommandError::Internal(_) => Problem::internal(&error),
        }
    }
}

/// 500: the log holds an event that can't be read, of that run if it is a run's.
pub fn unreadable_problem(run: Option<RunId>, revision: u64) -> Problem {
    let problem = Problem::new(
        ProblemCode::StreamUnreadable,
        format!(
            "The event of revision {revision} can't be read from the event log, so nothing can be said of what \
             it is part of, and nothing is appended to it. Nothing else is concerned. Whoever runs the ledger \
             finds the reason in its log and must mend or restore the event."
        ),
    )
    .with("unreadable_revision", revision);
    match run {
        Some(run) => problem.with("run_id", run.to_string()),
        None => problem,
    }
}

/// 409: a start has the name of another one, and says something else.
fn start_differs(by: StartName, run: Option<RunId>, differences: &[StartDifference]) -> Problem {
    let (code, name) = match by {
        StartName::Reference => (ProblemCode::ReferenceTaken, "reference"),
        StartName::EventId => (ProblemCode::EventIdTaken, "event id"),
    };
    let places: Vec<&str> = differences.iter().map(|it| it.pointer.as_str()).collect();
    let detail = match run {
        Some(run) => format!(
            "The {name} is that of a start that says something else, and has made or found the run {run}: {} differs. \
             Nothing was started. The same {name} is given again only to repeat the same start; give every new one a \
             new {name}.",
            places.join(", ")
        ),
        None => format!(
            "The {name} is that of a start for other work, which was begun and not finished: its kind or context \
             differs. Nothing was started. Repeat that start, or give this one a new {name}."
        ),
    };
    let differences = serde_json::to_value(differences).unwrap_or_default();
    let problem = Problem::new(code, detail).with("differences", differences);
    match run {
        Some(run) => problem.with("run_id", run.to_string()),
        None => problem,
    }
}

/// `event` says which of the request's events the one with that index is; none for the start itself.
fn rejected(
    rejection: &Rejection,
    revision: Option<u64>,
    status: Option<Status>,
    event: &dyn Fn(usize) -> Option<usize>,
) -> Problem {
    let at = &|index| event(index).map_or_else(String::new, |index| format!("/events/{index}"));
    let problem = match rejection {
        Rejection::NotFound => return Problem::not_found("There is no such run in this tenant."),
        Rejection::Illegal { index, .. } => Problem::new(
            ProblemCode::IllegalTransition,
            format!("{}: {rejection}. Nothing was appended.", at(*index)),
        )
        .with("event_index", event(*index)),
        Rejection::TallyContradicts { index, named, .. } => {
            Problem::invalid(format!("{}/tally", at(*index)), rejection.to_string())
                .with("named", serde_json::to_value(named).unwrap_or_default())
        }
        Rejection::RevisionMismatch { .. } => Problem::new(
            ProblemCode::RevisionMismatch,
            format!("{rejection}. Nothing was appended; look at the run again and decide anew."),
        ),
        Rejection::ImplausibleTimes(times) | Rejection::TooOld { times, .. } => {
            wrong_times(times, rejection, "", at)
        }
        Rejection::OlderThanRun { times, .. } => {
            let advice = ". Start a run with the occurred_at at which it was queued, if that was long ago";
            wrong_times(times, rejection, advice, at)
        }
    };
    let problem = match revision {
        Some(revision) => problem.with("current_revision", revision),
        None => problem,
    };
    match status {
        Some(status) => problem.with("current_status", status.as_str()),
        None => problem,
    }
}

fn wrong_times(
    times: &[(usize, DateTime<Utc>)],
    rejection: &Rejection,
    advice: &str,
    at: &dyn Fn(usize) -> String,
) -> Problem {
    let wrong = times.iter().map(|(index, time)| {
        Problem::invalid(format!("{}/occurred_at", at(*index)), format!("{time}: {rejection}{advice}"))
    });
    // There is at least one.
    Problem::of_all(wrong.collect()).unwrap_or_else(|| Problem::invalid("/events", rejection.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_refuses_is_no_log_that_does_not_answer() {
        let refused = LogError::Refused("the user admin is not known".to_owned());
        let problem = Problem::from(CommandError::Log(refused));
        assert_eq!((problem.code, problem.status), (ProblemCode::LogRefused, 503));
        assert!(problem.detail.contains("Nothing was appended"), "{}", problem.detail);
        assert!(!problem.detail.contains("admin"), "what the log says is the operator's: {}", problem.detail);
        let away = LogError::Unavailable("nobody is there".to_owned());
        assert_eq!(Problem::from(CommandError::Log(away)).code, ProblemCode::LogUnavailable);
    }
}
