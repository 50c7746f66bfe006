//! Times of a source, with their zone.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::row::{number, text};

/// The zone of times that say none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// By its name in the IANA's database.
    Named(Tz),
    /// Always so far from UTC.
    Offset(FixedOffset),
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(zone) = text.parse::<Tz>() {
            return Ok(Self::Named(zone));
        }
        text.parse::<FixedOffset>().map(Self::Offset).map_err(|_| {
            format!(
                "{text:?} is no zone: write a name such as Europe/Berlin or UTC, or an offset such as +02:00"
            )
        })
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// What a number that stands for a time counts, since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Unit {
    #[default]
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "us")]
    Microseconds,
}

impl Unit {
    /// How many microseconds one of it has.
    pub(crate) fn micros(self) -> i64 {
        match self {
            Self::Seconds => 1_000_000,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1,
        }
    }
}

/// Why a value is no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoTime {
    /// It has no zone, and none was given.
    NoZone(String),
    /// It can't be read, or its zone has no such time.
    Unreadable(String),
}

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoZone(text) => {
                write!(f, "{text:?} has no zone: say which with --zone, or `zone` in [times]")
            }
            Self::Unreadable(text) => write!(f, "{text:?} is no time that can be read"),
        }
    }
}

/// The ways in which times are written that say no zone.
const LOCAL: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
/// And those that do.
const ZONED: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"];

/// The time that a value says.
pub(crate) fn time(value: &Value, zone: Option<Zone>, unit: Unit) -> Result<DateTime<Utc>, NoTime> {
    let unreadable = || NoTime::Unreadable(text(value));
    if let Value::Number(number) = value
        && let Some(fraction) = number.as_f64().filter(|it| it.fract() != 0.0)
    {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a microsecond more or less"
        )]
        let micros = (fraction * unit.micros() as f64).round() as i64;
        return DateTime::from_timestamp_micros(micros).ok_or_else(unreadable);
    }
    if let Some(count) = number(value) {
        let micros = count.checked_mul(unit.micros());
        return micros.and_then(DateTime::from_timestamp_micros).ok_or_else(unreadable);
    }
    let Value::String(written) = value else { return Err(unreadable()) };
    let written = written.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(written) {
        return Ok(time.to_utc());
    }
    // As Django and others write it.
    let spaced = written.strip_suffix(" UTC").map(|time| format!("{time}+00:00"));
    let zoned = spaced.as_deref().unwrap_or(written);
    if let Some(time) = ZONED.iter().find_map(|form| DateTime::parse_from_str(zoned, form).ok()) {
        return Ok(time.to_utc());
    }
    let local = LOCAL.iter().find_map(|form| NaiveDateTime::parse_from_str(written, form).ok());
    let day = || NaiveDate::parse_from_str(written, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let local = local.or_else(day).ok_or_else(unreadable)?;
    let time = match zone.ok_or_else(|| NoTime::NoZone(written.to_owned()))? {
        Zone::Named(zone) => earlier(zone.from_local_datetime(&local)),
        Zone::Offset(offset) => earlier(offset.from_local_datetime(&local)),
    };
    time.ok_or_else(unreadable)
}

/// Of an hour that comes twice, when clocks are put back, the first: nothing tells which was meant.
fn earlier<T: TimeZone>(times: LocalResult<DateTime<T>>) -> Option<DateTime<Utc>> {
    times.earliest().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn utc(value: Value, zone: Option<&str>, unit: Unit) -> Result<String, NoTime> {
        time(&value, zone.map(|zone| zone.parse().unwrap()), unit).map(|time| time.to_rfc3339())
    }

    #[test]
    fn times_come_in_many_spellings() {
        let noon = "2024-07-01T12:00:00+00:00";
        for written in [
            "2024-07-01T12:00:00Z",
            "2024-07-01T14:00:00+02:00",
            "2024-07-01 14:00:00+02",
            "2024-07-01 12:00:00.000000+00",
            "2024-07-01 12:00:00 UTC",
            "1719835200",
        ] {
            assert_eq!(utc(json!(written), None, Unit::Seconds).unwrap(), noon, "{written}");
        }
        assert_eq!(utc(json!(1_719_835_200), None, Unit::Seconds).unwrap(), noon);
        assert_eq!(utc(json!(1_719_835_200.0), None, Unit::Seconds).unwrap(), noon);
        assert_eq!(utc(json!(1_719_835_200_000_i64), None, Unit::Milliseconds).unwrap(), noon);
        let half = utc(json!(1_719_835_200.5), None, Unit::Seconds).unwrap();
        assert_eq!(half, "2024-07-01T12:00:00.500+00:00");
    }

    #[test]
    fn a_time_without_a_zone_needs_one() {
        let local = || json!("2024-07-01 14:00:00");
        assert_eq!(
            utc(local(), None, Unit::Seconds).unwrap_err(),
            NoTime::NoZone("2024-07-01 14:00:00".into())
        );
        for zone in ["Europe/Berlin", "+02:00"] {
            assert_eq!(
                utc(local(), Some(zone), Unit::Seconds).unwrap(),
                "2024-07-01T12:00:00+00:00",
                "{zone}"
            );
        }
        let winter = utc(json!("2024-01-01T13:00:00"), Some("Europe/Berlin"), Unit::Seconds);
        assert_eq!(winter.unwrap(), "2024-01-01T12:00:00+00:00");
        let said = "Mars/Base".parse::<Zone>().unwrap_err();
        assert!(said.contains("Mars/Base") && said.contains("Europe/Berlin"), "{said}");
    }

    #[test]
    fn where_clocks_are_put_on_and_back() {
        // 2:30 comes twice, and the first is in summer time.
        let twice = utc(json!("2024-10-27 02:30:00"), Some("Europe/Berlin"), Unit::Seconds);
        assert_eq!(twice.unwrap(), "2024-10-27T00:30:00+00:00");
        let never = utc(json!("2024-03-31 02:30:00"), Some("Europe/Berlin"), Unit::Seconds);
        assert!(matches!(never, Err(NoTime::Unreadable(_))), "{never:?}");
        assert!(matches!(utc(json!("soon"), None, Unit::Seconds), Err(NoTime::Unreadable(_))));
    }
}
