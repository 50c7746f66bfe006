//! The ids of messages: how far a listener has come, and in which epoch of the ledger.

use std::fmt;
use std::str::FromStr;

use eventlog::Position;
use reads::LAST;

/// How far a listener has come: `POSITION-EPOCH`. The position alone is read too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) position: Position,
    /// None where only a position was given.
    pub(super) epoch: Option<u64>,
}

/// What is no id of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither the id of a message of this stream nor a position")]
pub(super) struct NoId;

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.position.0)?;
        match self.epoch {
            Some(epoch) => write!(f, "-{epoch}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Seen {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let (position, epoch) = match text.split_once('-') {
            Some((position, epoch)) => (position, Some(number(epoch)?)),
            None => (text, None),
        };
        Ok(Self { position: Position(number(position)?), epoch })
    }
}

fn number(text: &str) -> Result<u64, NoId> {
    // No sign, as `parse` would take one.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= LAST).ok_or(NoId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_position_and_may_have_an_epoch() {
        let seen = |position, epoch| Ok(Seen { position: Position(position), epoch });
        assert_eq!("7".parse(), seen(7, None));
        assert_eq!("7-1764218400000".parse(), seen(7, Some(1_764_218_400_000)));
        assert_eq!(seen(7, Some(5)).map(|seen| seen.to_string()), Ok("7-5".to_owned()));
        for bad in
            ["", "-", "7-", "-1", "+7", "7-x", "7-1-2", "x", "9223372036854775808", "7-9223372036854775808"]
        {
            assert_eq!(bad.parse::<Seen>(), Err(NoId), "{bad}");
        }
    }
}
