//! What a request says of the ledger that it knows, and what an answer says of this one.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use eventlog::Position;
use reads::{LAST, Ledger, Params};
use uuid::Uuid;

use crate::problem::Problem;
use crate::problem_code::ProblemCode;

/// How far an answer goes.
const POSITION: HeaderName = HeaderName::from_static("runledger-position");
/// Of which ledger.
const LEDGER: HeaderName = HeaderName::from_static("runledger-ledger");
/// In which of its epochs.
const EPOCH: HeaderName = HeaderName::from_static("runledger-epoch");
/// The position that a caller has seen: a read waits for it, and an append must find it in the log.
const AFTER: HeaderName = HeaderName::from_static("runledger-after");

/// The query parameter that says the same as the header `Runledger-Epoch`.
pub const EPOCH_PARAM: &str = "epoch";

/// Says with an answer of which position, ledger and epoch it is.
pub fn mark(ledger: Ledger, headers: &mut HeaderMap, position: Position) {
    headers.insert(POSITION, HeaderValue::from(position.0));
    headers.insert(EPOCH, HeaderValue::from(ledger.epoch));
    if let Ok(id) = HeaderValue::try_from(ledger.id.to_string()) {
        headers.insert(LEDGER, id);
    }
}

/// Makes sure that the epoch and the ledger that a caller expects are these.
///
/// # Errors
/// 412 `epoch_changed`.
pub fn check(ledger: Ledger, preconditions: Preconditions) -> Result<(), Problem> {
    if preconditions.epoch.is_none_or(|epoch| epoch == ledger.epoch)
        && preconditions.ledger.is_none_or(|id| id == ledger.id)
    {
        return Ok(());
    }
    let detail = if preconditions.ledger.is_some_and(|id| id != ledger.id) {
        "This is another ledger than the one that the request speaks of: its database was made anew, or the \
         address leads elsewhere than before. Nothing was done."
    } else {
        "The ledger was restored since: it is in another epoch than the one that the request speaks of. \
         Nothing was done. Events that were acknowledged before may be gone, and positions mean other \
         events now: look at your runs again, and repeat what is missing under the new epoch."
    };
    let problem = Problem::new(ProblemCode::EpochChanged, detail);
    let problem = named_in(ledger, problem);
    Err(match preconditions.epoch {
        Some(epoch) => problem.with("given_epoch", epoch),
        None => problem,
    })
}

/// 412: the log ends before a position that a caller has from this ledger.
pub fn ahead(ledger: Ledger, given: Position, head: Position) -> Problem {
    let problem = Problem::new(
        ProblemCode::PositionAhead,
        format!(
            "Position {} is ahead of the log, which ends at {}. Nothing was done. If this ledger gave you \
             that position, it was restored to an earlier moment since, and events that it had \
             acknowledged are gone: look at your runs again, and repeat what is missing.",
            given.0, head.0
        ),
    );
    named_in(ledger, problem).with("position", given.0).with("head", head.0)
}

fn named_in(ledger: Ledger, problem: Problem) -> Problem {
    problem.with("ledger", ledger.id.to_string()).with("epoch", ledger.epoch)
}

/// What a caller expects of the ledger: what it has seen of it before. A caller that names nothing expects nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Preconditions {
    epoch: Option<u64>,
    ledger: Option<Uuid>,
    /// The position that it has seen.
    pub after: Option<Position>,
}

impl Preconditions {
    /// The preconditions in the headers, and in the query, which counts more.
    ///
    /// # Errors
    /// 422 for what is no epoch, no id or no position.
    pub fn from_request(headers: &HeaderMap, params: &mut Params) -> Result<Self, Problem> {
        let epoch = params.number(EPOCH_PARAM, 0, LAST)?;
        let after = params.number("after", 0, LAST)?;
        let number = |text: &str| text.parse().ok().filter(|number| *number <= LAST);
        let position = "must be a position: a whole number from 0 to 9223372036854775807";
        let epoch_form = "must be an epoch, as an answer's header Runledger-Epoch gave it";
        let ledger_form = "must be a ledger's id, as an answer's header Runledger-Ledger gave it";
        Ok(Self {
            epoch: epoch.map_or_else(|| header(headers, &EPOCH, epoch_form, number), |it| Ok(Some(it)))?,
            ledger: header(headers, &LEDGER, ledger_form, |text| text.parse().ok())?,
            after: after
                .map_or_else(|| header(headers, &AFTER, position, number), |it| Ok(Some(it)))?
                .map(Position),
        })
    }
}

fn header<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    form: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match value.to_str().ok().and_then(|text| read(text.trim())) {
        Some(value) => Ok(Some(value)),
        None => Err(Problem::invalid(format!("header {}", shown(name)), form)),
    }
}

/// A header's name as it is written in documents.
fn shown(name: &HeaderName) -> &'static str {
    if *name == EPOCH {
        "Runledger-Epoch"
    } else if *name == LEDGER {
        "Runledger-Ledger"
    } else {
        "Runledger-After"
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn preconditions(query: &str, headers: &[(&'static str, &str)]) -> Result<Preconditions, Problem> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        Preconditions::from_request(&headers.collect(), &mut Params::of(Some(query))?)
    }

    #[test]
    fn who_says_nothing_is_answered_and_who_says_another_epoch_or_ledger_is_not() {
        let ledger = Ledger { id: Uuid::from_u128(7), epoch: 5 };
        let id = ledger.id.to_string();
        let code = |preconditions: Result<Preconditions, Problem>| {
            check(ledger, preconditions.unwrap()).err().map(|it| it.code)
        };
        assert_eq!(code(preconditions("", &[])), None);
        assert_eq!(code(preconditions("epoch=5", &[("runledger-ledger", &id)])), None);
        assert_eq!(
            code(preconditions("epoch=4", &[("runledger-epoch", "5")])),
            Some(ProblemCode::EpochChanged)
        );
        assert_eq!(code(preconditions("", &[("runledger-epoch", "6")])), Some(ProblemCode::EpochChanged));
        let other = Uuid::from_u128(8).to_string();
        assert_eq!(
            code(preconditions("epoch=5", &[("runledger-ledger", &other)])),
            Some(ProblemCode::EpochChanged)
        );
        assert_eq!(preconditions("after=9", &[]).unwrap().after, Some(Position(9)));
        assert_eq!(preconditions("", &[("runledger-after", " 9 ")]).unwrap().after, Some(Position(9)));
    }

    #[test]
    fn what_has_no_form_is_named() {
        for (name, shown, bad) in [
            ("runledger-epoch", "header Runledger-Epoch", "x"),
            ("runledger-epoch", "header Runledger-Epoch", ""),
            ("runledger-after", "header Runledger-After", "9223372036854775808"),
            ("runledger-after", "header Runledger-After", "-1"),
            ("runledger-ledger", "header Runledger-Ledger", "7"),
        ] {
            let problem = preconditions("", &[(name, bad)]).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, shown), "{bad}");
        }
        assert_eq!(preconditions("epoch=x", &[]).unwrap_err().errors[0].pointer, "?epoch");
    }
}
