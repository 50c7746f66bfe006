//! Moments as RFC 3339 writes them.

/// A moment, to the nanosecond. They are in order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    seconds: i64,
    nanos: u32,
}

impl Moment {
    /// Reads `2026-03-01T12:00:00.123456Z`, or with an offset as `+01:00`. None where
    /// it is no such text, of the years 1 to 9999.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date_time, rest) = text.as_bytes().split_at_checked(19)?;
        let shape: Vec<u8> = date_time.iter().map(|b| if b.is_ascii_digit() { b'0' } else { *b }).collect();
        if shape != b"0000-00-00T00:00:00" {
            return None;
        }
        let (year, month, day) =
            (number(&date_time[..4])?, number(&date_time[5..7])?, number(&date_time[8..10])?);
        let (hour, minute, second) =
            (number(&date_time[11..13])?, number(&date_time[14..16])?, number(&date_time[17..])?);
        let real = year > 0 && (1..=12).contains(&month) && day > 0 && day <= days_of(year, month);
        if !real || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (nanos, offset) = match rest.strip_prefix(b".") {
            None => (0, rest),
            Some(rest) => {
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                if !(1..=9).contains(&digits) {
                    return None;
                }
                let nanos = number(&rest[..digits])?;
                (nanos * 10i64.pow(9 - u32::try_from(digits).ok()?), &rest[digits..])
            }
        };
        let offset = match offset {
            b"Z" => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                (hours * 60 + minutes) * if *sign == b'-' { -60 } else { 60 }
            }
            _ => return None,
        };
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
        Some(Self { seconds, nanos: u32::try_from(nanos).ok()? })
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    let all = digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the first of January of year 1.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let years = year - 1;
    let before = (1..month).map(|month| days_of(year, month)).sum::<i64>();
    years * 365 + years / 4 - years / 100 + years / 400 + before + day - 1
}

/// Seconds since 1970 as RFC 3339 writes them; the bare number where the year has more than four digits.
pub(crate) fn of_unix(seconds: u64) -> String {
    if seconds >= 253_402_300_800 {
        return format!("{seconds} seconds after 1970");
    }
    let (mut rest, time) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut month) = (1970, 1);
    let length = |year: i64| if days_of(year, 2) == 29 { 366 } else { 365 };
    while rest >= length(year) {
        (rest, year) = (rest - length(year), year + 1);
    }
    while let Ok(days) = u64::try_from(days_of(year, month))
        && rest >= days
    {
        (rest, month) = (rest - days, month + 1);
    }
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_the_order_of_time() {
        let at = |text: &str| Moment::parse(text).unwrap();
        assert_eq!(at("2026-03-01T12:00:00+01:30"), at("2026-03-01T10:30:00.000000000Z"));
        assert!(at("2026-03-01T00:00:00Z") > at("2026-02-28T23:59:59.999999999Z"));
        assert!(at("2024-03-01T00:00:00Z") > at("2024-02-29T23:59:59.5Z"));
        assert!(at("2000-01-01T00:00:00.1Z") > at("2000-01-01T00:00:00.09Z"));
        assert_eq!(at("1970-01-01T00:00:00Z").seconds, 719_162 * 86_400);
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01t12:00:00Z",
            "2026-03-01 12:00:00Z",
            "2026-03-01T12:00:00",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "0000-01-01T12:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T12:00:60Z",
            "2026-03-01T12:00:00.Z",
            "2026-03-01T12:00:00.1234567890Z",
            "2026-03-01T12:00:00.11111111111111111111111111Z",
            "2026-03-01T12:00:00+24:00",
            "2026-03-01T12:00:00Zz",
            "\u{662}026-03-01T12:00:00Z",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_witness_says_when() {
        assert_eq!(of_unix(0), "1970-01-01T00:00:00Z");
        assert_eq!(of_unix(1_709_208_000), "2024-02-29T12:00:00Z");
        assert_eq!(of_unix(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(of_unix(u64::MAX), "18446744073709551615 seconds after 1970");
    }
}
