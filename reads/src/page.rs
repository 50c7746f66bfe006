//! How long pages are, and where they are cut.

/// How many entries a page has where nobody says.
pub const USUAL_PAGE: u64 = 50;
/// How many entries a page has at most.
pub const LONGEST_PAGE: u64 = 200;
/// How many a table (CSV) has at most, and where nobody says: some megabytes.
pub const LONGEST_TABLE: u64 = 10_000;

/// Splits off what was read beyond the page to see whether there is more. Gives the last entry of the
/// page where there is.
pub(crate) fn cut<T>(rows: &mut Vec<T>, limit: u64) -> Option<&T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last()
}

/// How many rows to read for a page: one more than it shows.
pub(crate) fn rows_for(limit: u64) -> i64 {
    i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_only_when_there_is_more() {
        let mut rows = vec![1, 2, 3];
        assert_eq!(cut(&mut rows, 3), None);
        assert_eq!(cut(&mut rows, 2), Some(&2));
        assert_eq!(rows, [1, 2]);
    }
}
