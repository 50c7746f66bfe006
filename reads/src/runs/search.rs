//! What somebody types into the search field: the beginning of a run's id or of its title.

use chrono::{DateTime, TimeDelta, Utc};
use domain::search_key;
use redaction::CleanText;
use uuid::Uuid;

use crate::error::ReadError;
use crate::params::{LONGEST_ASKED, wrong};

/// A search, as the query wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// How the title's key begins.
    pub title: String,
    /// The first and last id that begin like that, where it may be the beginning of an id.
    pub ids: Option<(Uuid, Uuid)>,
}

impl Search {
    /// Reads the parameter `q`.
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        // Cleaned as the title was when it was kept.
        let title = CleanText::beginning(text);
        if title.is_empty() || text.chars().count() > LONGEST_ASKED {
            let says = format!(
                "must have 1 to {LONGEST_ASKED} characters, and one that can be seen: the beginning of an id or title"
            );
            return Err(wrong("q", says));
        }
        Ok(Self { title: search_key(&title), ids: id_range(text.trim()) })
    }
}

/// How far the time in a run's id and the time at which it was queued lie apart. Both come from the same
/// clock within one request, but for a run whose start was interrupted and repeated later.
const APART: TimeDelta = TimeDelta::days(1);

/// A range of ids that is not longer is looked up as it is. Eight hex digits, as of the first group of an
/// id, leave 65,536 ms.
const SHORT_RANGE: TimeDelta = TimeDelta::milliseconds(0xffff);

impl Search {
    /// When runs whose ids begin like that were queued: from then, until before then. The first 48 bits of an
    /// id are milliseconds since 1970 (RFC 9562, UUIDv7). None where so few ids begin like that that no bound
    /// is needed to find them.
    pub(super) fn queued_between(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let time = |id: Uuid| DateTime::from_timestamp_millis(i64::try_from(id.as_u128() >> 80).ok()?);
        let (first, last) = (time(self.ids?.0)?, time(self.ids?.1)?);
        if last - first <= SHORT_RANGE {
            return None;
        }
        Some((first.checked_sub_signed(APART)?, last.checked_add_signed(APART)?))
    }
}

fn id_range(prefix: &str) -> Option<(Uuid, Uuid)> {
    let digits: String = prefix.chars().filter(|c| *c != '-').collect();
    if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let id = |fill: &str| Uuid::try_parse(&format!("{digits}{}", fill.repeat(32 - digits.len()))).ok();
    Some((id("0")?, id("f")?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_a_range_of_ids() {
        let (first, last) = Search::parse("0198C-a").unwrap().ids.unwrap();
        assert_eq!(first.to_string(), "0198ca00-0000-0000-0000-000000000000");
        assert_eq!(last.to_string(), "0198caff-ffff-ffff-ffff-ffffffffffff");
        let whole = "0198c0de-7000-7000-8000-00000000000a";
        let (first, last) = Search::parse(whole).unwrap().ids.unwrap();
        assert_eq!((first.to_string().as_str(), first), (whole, last));
    }

    #[test]
    fn an_id_tells_when_its_run_was_queued() {
        let (from, until) = Search::parse("0198c0d").unwrap().queued_between().unwrap();
        let first = DateTime::from_timestamp_millis(0x0198_c0d0_0000).unwrap();
        let last = DateTime::from_timestamp_millis(0x0198_c0df_ffff).unwrap();
        assert_eq!((from, until), (first - APART, last + APART));
        assert!(Search::parse("0").unwrap().queued_between().is_some());
        assert_eq!(Search::parse("0198c0de").unwrap().queued_between(), None);
        assert_eq!(Search::parse("drift").unwrap().queued_between(), None);
    }

    #[test]
    fn what_is_not_hex_or_too_long_is_no_id() {
        for text in ["drift", "0198 c", "-", &"a".repeat(33), "é"] {
            assert_eq!(Search::parse(text).unwrap().ids, None, "{text}");
        }
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        for text in ["", "  ", &"x".repeat(LONGEST_ASKED + 1)] {
            assert_eq!(Search::parse(text).unwrap_err().as_invalid().unwrap().0, "q");
        }
    }
}
