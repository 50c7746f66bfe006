//! Why there is no export, as a problem.

use eventlog::LogError;
use exports::{ExportError, NotSealed};
use reads::ReadError;

use crate::problem::Problem;
use crate::problem_code::ProblemCode;

/// After how many seconds what is new is usually sealed.
const USUALLY_SEALED: u16 = 10;

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::NotSealed(why) => not_sealed(why),
            ExportError::NoSuchRun(run) => ReadError::no_such_run(run).into(),
            ExportError::NoSuchEvent { .. } => {
                Self::not_found(format!("{}.", capitalized(error.to_string())))
            }
            ExportError::Differs { .. } => {
                tracing::error!(%error, "history is not as it was sealed");
                Self::new(ProblemCode::NotAsSealed, format!("{}.", capitalized(error.to_string())))
            }
            ExportError::TooManyRuns { .. } => Self::invalid("?since", error.to_string()),
            ExportError::NeverHad { .. } => Self::invalid("?old_size", error.to_string()),
            ExportError::Database(error) => Self::of_database(&error),
            ExportError::Log(error @ LogError::Unavailable(_)) => {
                tracing::warn!(%error, "no export");
                Self::unavailable(ProblemCode::LogUnavailable, "The event log does not answer.", 1)
            }
            ExportError::Log(error @ LogError::Refused(_)) => {
                tracing::error!(%error, "no export");
                let detail =
                    "The event log refuses the ledger. Its operator finds in its log how that is mended.";
                Self::unavailable(ProblemCode::LogRefused, detail, 60)
            }
            ExportError::Log(LogError::Corrupt(_))
            | ExportError::Damaged(_)
            | ExportError::Io(_)
            | ExportError::Gone => Self::internal(&error),
        }
    }
}

fn capitalized(mut words: String) -> String {
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

fn not_sealed(why: NotSealed) -> Problem {
    let words = capitalized(why.to_string());
    let problem = Problem::unavailable(ProblemCode::NotSealed, format!("{words}."), USUALLY_SEALED);
    match why {
        NotSealed::Position { sealed, .. } => problem.with("sealed_position", sealed),
        NotSealed::Signing => problem.retry_after(2),
        NotSealed::Tenant | NotSealed::Run | NotSealed::Event => problem,
    }
}
