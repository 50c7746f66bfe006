//! What somebody types into the search field: the beginning of a run's id or of its title.

use uuid::Uuid;

use crate::problem::Problem;
use crate::reads::params::wrong;

/// Longer than any title.
const LONGEST: usize = 300;

/// A search, as the query wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Search {
    /// How the title begins, in any case.
    pub(crate) title: String,
    /// The first and last id that begin like that, where it may be the beginning of an id.
    pub(crate) ids: Option<(Uuid, Uuid)>,
}

impl Search {
    /// Reads the parameter `q`.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > LONGEST {
            return Err(wrong(
                "q",
                format!("must have 1 to {LONGEST} characters: the beginning of an id or title"),
            ));
        }
        Ok(Self { title: text.to_owned(), ids: id_range(text) })
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
    fn what_is_not_hex_or_too_long_is_no_id() {
        for text in ["drift", "0198 c", "-", &"a".repeat(33), "é"] {
            assert_eq!(Search::parse(text).unwrap().ids, None, "{text}");
        }
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        for text in ["", "  ", &"x".repeat(301)] {
            assert_eq!(Search::parse(text).unwrap_err().errors[0].pointer, "?q");
        }
    }
}
