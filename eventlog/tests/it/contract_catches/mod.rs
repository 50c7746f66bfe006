//! The contract suite itself: a log with a fault fails the cases that are about it.

mod broken;

use std::sync::Arc;

use broken::{Broken, Fault};

/// Each fault, and the cases that must see it.
macro_rules! caught {
    ($($fault:ident: $($case:ident),+;)+) => {$(
        #[allow(non_snake_case)]
        mod $fault {
            use super::*;
            $(
                // Time stands still but for those who wait: a hang is seen at once.
                #[tokio::test(start_paused = true)]
                async fn $case() {
                    let log = Arc::new(Broken::new(Fault::$fault));
                    let case = tokio::spawn(eventlog::contract::$case(log));
                    let end = case.await;
                    assert!(end.is_err_and(|end| end.is_panic()), "the case does not see the fault");
                }
            )+
        }
    )+};
}

caught! {
    IgnoresExpectations: an_expectation_that_does_not_hold_is_a_conflict,
        any_sequence_of_appends_is_as_the_model_says, one_writer_begins_a_stream;
    LooksBeforeItAppends: writers_on_one_stream_lose_no_update, one_writer_begins_a_stream;
    NamesNoActualRevision: an_expectation_that_does_not_hold_is_a_conflict, one_writer_begins_a_stream,
        any_sequence_of_appends_is_as_the_model_says;
    KnowsNoRepeats: a_repeat_is_answered_with_the_first_place, the_same_append_many_times_at_once_is_one,
        any_sequence_of_appends_is_as_the_model_says;
    HidesRepeats: a_repeat_is_answered_with_the_first_place, the_same_append_many_times_at_once_is_one;
    ComparesIdsEverywhere: an_id_matters_in_its_own_stream_alone, any_sequence_of_appends_is_as_the_model_says;
    FindsRepeatsAnywhere: a_repeat_of_a_part_is_refused, any_sequence_of_appends_is_as_the_model_says;
    TakesAPartForTheWhole: a_repeat_of_a_part_is_refused, any_sequence_of_appends_is_as_the_model_says;
    TakesAnyForm: malformed_appends_are_refused_and_harm_nobody;
    FoldsNames: names_come_back_exactly;
    CutsNames: names_come_back_exactly;
    BelievesInText: bytes_come_back_exactly;
    LosesBytes: bytes_come_back_exactly;
    LastIsFirst: events_are_read_as_they_were_appended;
    IgnoresFrom: events_are_read_as_they_were_appended, nothing_reads_as_empty;
    IgnoresLimit: events_are_read_as_they_were_appended, large_batches_are_read_in_pages;
    SkipsBetweenPages: large_batches_are_read_in_pages;
    RepeatsBetweenPages: large_batches_are_read_in_pages;
    GivesUpOnLargePages: large_events_are_read_to_the_end;
    CountsBackwards: what_was_answered_first_stands_first, any_sequence_of_appends_is_as_the_model_says;
    HeadLags: what_was_answered_first_stands_first;
    StopsHalfWay: an_append_that_is_given_up_can_be_repeated;
    FailsAtTimes: writers_on_streams_of_their_own_all_succeed;
    FollowerSkips: a_follower_sees_each_event_once_while_writers_are_busy,
        a_follower_that_is_cut_off_loses_nothing;
    FollowerRepeats: a_follower_sees_each_event_once_while_writers_are_busy,
        a_follower_that_is_cut_off_loses_nothing;
    FollowerIgnoresLimit: a_follower_sees_each_event_once_while_writers_are_busy;
    FollowerLosesWhenCut: a_follower_that_is_cut_off_loses_nothing;
    FollowerIsNotWoken: a_follower_that_already_waits_is_woken;
    FollowerStartsEarly: a_follower_waits_for_the_next_event;
}

macro_rules! sound {
    ($name:ident) => {
        /// What wraps the log is not what the cases see.
        #[tokio::test]
        async fn $name() {
            eventlog::contract::$name(Arc::new(Broken::new(Fault::None))).await;
        }
    };
}
eventlog::for_each_contract_case!(sound);
