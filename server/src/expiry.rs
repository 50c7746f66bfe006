//! When a token ends, as it is said on the command line.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};

/// How a time is written here.
const FORMS: &str = "write a time such as 90d, 12h or 30m, a day such as 2027-01-31, or a moment with its offset \
    such as 2027-01-31T12:00:00Z";

/// The last year that is taken: later ones are typing errors.
const LAST_YEAR: i32 = 9999;

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expires {
    /// So long after it was made.
    After(TimeDelta),
    /// At a moment.
    At(DateTime<Utc>),
}

impl Expires {
    /// The moment, for something that is made now.
    ///
    /// # Errors
    /// A message when it is over already, or beyond all calendars.
    pub fn from(self, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
        let at = match self {
            Self::After(time) => now.checked_add_signed(time),
            Self::At(moment) => Some(moment),
        };
        match at.filter(|at| at.year() <= LAST_YEAR) {
            Some(at) if at > now => Ok(at),
            Some(at) => Err(format!("--expires: {} is over already", at.format("%F %T UTC"))),
            None => Err(format!(
                "--expires: that is after the year {LAST_YEAR}; leave it out for a token without end"
            )),
        }
    }
}

impl FromStr for Expires {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(moment.to_utc()));
        }
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            // Good through that day.
            let end = day.checked_add_days(Days::new(1)).and_then(|next| next.and_hms_opt(0, 0, 0));
            return end.map(|end| Self::At(end.and_utc())).ok_or_else(|| FORMS.to_owned());
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return Err(FORMS.to_owned()),
        };
        let count: i64 = digits.parse().map_err(|_| FORMS.to_owned())?;
        let time =
            count.checked_mul(unit).and_then(TimeDelta::try_seconds).ok_or_else(|| FORMS.to_owned())?;
        Ok(Self::After(time))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn times_days_and_moments_are_read() {
        let now = moment("2026-11-27T10:00:00Z");
        for (text, at) in [
            ("90d", "2027-02-25T10:00:00Z"),
            ("12h", "2026-11-27T22:00:00Z"),
            ("30m", "2026-11-27T10:30:00Z"),
            ("2w", "2026-12-11T10:00:00Z"),
            // The day itself counts.
            ("2026-11-27", "2026-11-28T00:00:00Z"),
            ("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00Z"),
        ] {
            assert_eq!(text.parse::<Expires>().unwrap().from(now), Ok(moment(at)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_to_come_is_refused() {
        let now = moment("2026-11-27T10:00:00Z");
        for text in
            ["", "d", "90", "90y", "1.5d", "2026-13-01", "2027-01-31T12:00:00", "99999999999999999999d"]
        {
            assert!(text.parse::<Expires>().unwrap_err().contains("90d"), "{text}");
        }
        for text in ["0d", "-1d", "2026-11-26", "2026-11-27T10:00:00Z", "99999999d", "+99999-01-01"] {
            let refused = text.parse::<Expires>().and_then(|expires| expires.from(now)).unwrap_err();
            assert!(refused.contains("--expires") || refused.contains("90d"), "{text}: {refused}");
        }
    }
}
