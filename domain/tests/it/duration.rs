//! How long a run took, by whose clock.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Course, Stamp};
use proptest::prelude::*;

fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A moment, in seconds after the run was queued: by the producer's clock, and by the ledger's.
fn at((occurred, recorded): (f64, f64)) -> Stamp {
    let time = |seconds: f64| noon() + TimeDelta::milliseconds((seconds * 1000.0) as i64);
    Stamp { occurred_at: time(occurred), recorded_at: Some(time(recorded)) }
}

const HOUR: f64 = 3600.0;

#[test]
fn a_duration_is_the_producers_unless_that_cannot_be() {
    for (what, started, ended, took, skew) in [
        ("all is well", (1.0, 1.1), (61.0, 61.2), 60.0, false),
        ("clocks differ a little", (-2.0, 1.0), (60.0, 61.2), 62.0, false),
        ("Started is an hour slow", (1.0 - HOUR, 1.0), (2.0, 2.0), 1.0, true),
        ("Started is an hour slow, in the request of the end", (-HOUR, 1.0), (1.0, 1.0), 0.0, true),
        ("Started is an hour fast", (HOUR, 1.0), (2.0, 2.0), 1.0, true),
        ("Completed is an hour slow", (1.0, 1.0), (31.0 - HOUR, 31.0), 30.0, true),
        ("Completed is an hour fast", (1.0, 1.0), (2.0 + HOUR, 2.0), 1.0, true),
        ("Completed before Started", (20.0, 20.0), (10.0, 40.0), 20.0, true),
        (
            "both are an hour slow: what lies between is right",
            (1.0 - HOUR, 1.0),
            (2.0 - HOUR, 2.0),
            1.0,
            false,
        ),
        ("both are an hour fast", (1.0 + HOUR, 1.0), (2.0 + HOUR, 2.0), 1.0, false),
        ("all of it is reported at the end", (1.0, HOUR), (HOUR, HOUR), HOUR - 1.0, false),
        ("Started is reported late", (1.0, HOUR), (HOUR, HOUR + 1.0), HOUR - 1.0, false),
        ("Completed is reported late", (1.0, 1.0), (61.0, HOUR), 60.0, false),
    ] {
        let course = Course::new(noon(), Some(at(started)), Some(at(ended)));
        let seconds = course.took().unwrap().num_milliseconds() as f64 / 1000.0;
        assert_eq!((seconds, course.clock_skew), (took, skew), "{what}");
    }
}

#[test]
fn a_run_that_goes_on_counts_from_a_time_that_can_be() {
    let from = |started| {
        let course = Course::new(noon(), Some(at(started)), None);
        assert_eq!(course.took(), None);
        ((course.from - noon()).num_seconds(), course.clock_skew)
    };
    assert_eq!(from((3.0, 3.2)), (3, false));
    assert_eq!(from((3.0, HOUR)), (3, false));
    assert_eq!(from((3.0 - HOUR, 4.0)), (4, true));
    assert_eq!(from((3.0 + HOUR, 4.0)), (4, true));
    assert_eq!(Course::new(noon(), None, None), Course { from: noon(), until: None, clock_skew: false });
    let aborted = Course::new(noon(), None, Some(at((-HOUR, 9.0))));
    assert_eq!((aborted.took(), aborted.clock_skew), (Some(TimeDelta::seconds(9)), true));
    let unknown = Stamp { recorded_at: None, ..at((-HOUR, 0.0)) };
    assert!(!Course::new(noon(), Some(unknown), None).clock_skew);
}

proptest! {
    /// Whatever clocks say: a duration is never negative beyond what they may differ by, and one that is not marked
    /// is exactly what the producers said.
    #[test]
    fn no_duration_is_absurd(started in (-9e3..9e3, 0.0..9e3), ended in (-9e3..9e3, 0.0..9e3)) {
        let ended = (ended.0, ended.1 + started.1);
        let course = Course::new(noon(), Some(at(started)), Some(at(ended)));
        let (said, took) = (at(ended).occurred_at - at(started).occurred_at, course.took().unwrap());
        prop_assert!(took >= -domain::TOLERANCE);
        prop_assert!(course.clock_skew || took == said);
    }
}
