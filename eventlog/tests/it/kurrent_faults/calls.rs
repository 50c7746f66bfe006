//! Nodes that die, stall, lead no more, and lose what they say.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use eventlog::kurrent::{KurrentConfig, KurrentLog};
use eventlog::{AppendError, Appended, EventLog, ExpectedRevision, LogError, NewEvent, Position};
use kurrent_server::Cluster;
use loopback::Loopback;

use super::{append, begun, event, hasty, ids, log, to, whole};

#[tokio::test]
async fn a_client_whose_first_connection_failed_is_not_dead_for_ever() {
    // An address where nobody listens yet.
    let place = Loopback::take();
    let mut config = KurrentConfig::parse(&format!("esdb://{place}?tls=false")).unwrap();
    config.patience = Duration::from_millis(50);
    let log = KurrentLog::open(config).unwrap();
    for _ in 0..2 {
        let refused = log.append(to("run-a", ExpectedRevision::NoStream, &[event()])).await;
        assert!(matches!(refused, Err(AppendError::Log(LogError::Unavailable(_)))), "{refused:?}");
    }
    let _cluster = Cluster::on(vec![place.listen().await]);
    while log.check().await.is_err() {}
    assert_eq!(append(&log, "run-a", None).await.revision, 0);
}

#[tokio::test]
async fn a_follower_names_the_leader_and_is_left_for_it() {
    let cluster = Cluster::start(3).await;
    let log = log(&cluster);
    append(&log, "run-a", None).await;
    cluster.elect(2);
    append(&log, "run-a", Some(0)).await;
    cluster.elect(1);
    assert_eq!(log.last_event("run-a").await.unwrap().unwrap().revision, 1);
    append(&log, "run-a", Some(1)).await;
    assert_eq!(whole(&log, "run-a").await.len(), 3);
}

#[tokio::test]
async fn a_dead_leader_is_left_for_the_next_one() {
    let mut cluster = Cluster::start(3).await;
    let log = log(&cluster);
    let mut followed = log.subscribe(Position(0)).await.unwrap();
    append(&log, "run-a", None).await;
    for (dead, next) in [(0, 1), (1, 2)] {
        cluster.nodes[dead].kill().await;
        cluster.elect(next);
        append(&log, "run-a", Some(dead as u64)).await;
    }
    cluster.nodes[0].revive().await;
    cluster.nodes[2].kill().await;
    cluster.elect(0);
    append(&log, "run-a", Some(2)).await;
    assert_eq!(whole(&log, "run-a").await.len(), 4);
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.extend(followed.next_batch(10).await.unwrap().into_iter().map(|event| event.revision));
    }
    assert_eq!(seen, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_nothing_is_doubled() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    for count in [1, 3] {
        let stream = format!("run-{count}");
        let events: Vec<NewEvent> = (0..count).map(|_| event()).collect();
        cluster.nodes[0].faults.lose_answers.store(2, SeqCst);
        let appended = log.append(to(&stream, ExpectedRevision::NoStream, &events)).await.unwrap();
        assert!(!appended.duplicate, "it was this append that did it");
        assert_eq!(appended.position, log.last_event(&stream).await.unwrap().unwrap().position);
        assert_eq!(whole(&log, &stream).await, ids(&events));
        let again = log.append(to(&stream, ExpectedRevision::NoStream, &events)).await.unwrap();
        assert_eq!(again, Appended { duplicate: true, ..appended });
    }
}

#[tokio::test]
async fn who_gave_up_on_an_answer_can_repeat_the_append() {
    let cluster = Cluster::start(1).await;
    let (log, hasty) = (log(&cluster), hasty(&cluster));
    let events = [event()];
    cluster.nodes[0].faults.lose_answers.store(usize::MAX, SeqCst);
    let refused = hasty.append(to("run-a", ExpectedRevision::NoStream, &events)).await;
    assert!(matches!(refused, Err(AppendError::Log(LogError::Unavailable(_)))), "{refused:?}");
    cluster.nodes[0].faults.lose_answers.store(0, SeqCst);
    append(&log, "run-a", Some(0)).await;
    // Others have gone on meanwhile: it is found where it is.
    let repeated = hasty.append(to("run-a", ExpectedRevision::NoStream, &events)).await.unwrap();
    assert!(repeated.duplicate && repeated.revision == 0);
    assert_eq!(whole(&log, "run-a").await.len(), 2);
}

/// As a server does that has written the first one and is slow to say so: the repeat is not sent, but looked for.
#[tokio::test]
async fn a_repeat_of_what_is_on_its_way_is_answered_by_what_is_there() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let faults = cluster.nodes[0].faults.clone();
    let events = [event(), event()];
    let append = || log.append(to("run-a", ExpectedRevision::NoStream, &events));
    faults.hold_answers.store(1, SeqCst);
    let sent = async {
        while faults.appends.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = append() => panic!("it is held: {answer:?}"),
        () = sent => {}
    }
    let repeated = append().await.unwrap();
    assert!(repeated.duplicate && repeated.revision == 1);
    assert_eq!(faults.appends.load(SeqCst), 1, "it was not sent again");
    faults.let_go();
    assert_eq!(whole(&log, "run-a").await, ids(&events));
    assert_eq!(append().await.unwrap(), repeated);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_come_late_and_in_another_order_are_the_right_ones() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    append(&log, "run-warm", None).await;
    let faults = cluster.nodes[0].faults.clone();
    faults.hold_answers.store(4, SeqCst);
    let before = faults.appends.load(SeqCst);
    let late: Vec<_> = (0..4)
        .map(|n| {
            let log = log.clone();
            tokio::spawn(async move { append(&log, &format!("run-late-{n}"), None).await })
        })
        .collect();
    while faults.appends.load(SeqCst) < before + 4 {
        tokio::task::yield_now().await;
    }
    append(&log, "run-early", None).await;
    faults.let_go();
    for (n, answer) in late.into_iter().enumerate() {
        let answer = answer.await.unwrap();
        assert!(!answer.duplicate);
        let place = log.last_event(&format!("run-late-{n}")).await.unwrap().unwrap().position;
        assert_eq!(answer.position, place);
    }
}

#[tokio::test]
async fn reads_that_break_off_or_end_too_soon_are_made_whole() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let events = begun(&log, "run-a", 30).await;
    let faults = &cluster.nodes[0].faults;
    for (spoiled, times) in [(&faults.break_reads, 3), (&faults.end_reads, 1)] {
        spoiled.store(times, SeqCst);
        assert_eq!(whole(&log, "run-a").await, ids(&events));
        spoiled.store(times, SeqCst);
        let all = log.read_all(Position(0), usize::MAX).await.unwrap();
        assert_eq!(all.iter().map(|event| event.id).collect::<Vec<_>>(), ids(&events));
        spoiled.store(times, SeqCst);
        let mut followed = log.subscribe(Position(0)).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 30 {
            seen.extend(followed.next_batch(7).await.unwrap().into_iter().map(|event| event.id));
        }
        assert_eq!(seen, ids(&events));
    }
}

#[tokio::test]
async fn a_cluster_that_stalls_is_given_up_and_found_again() {
    let cluster = Cluster::start(1).await;
    let (log, hasty) = (log(&cluster), hasty(&cluster));
    append(&log, "run-a", None).await;
    cluster.nodes[0].faults.stall.store(true, SeqCst);
    assert!(matches!(hasty.head().await, Err(LogError::Unavailable(_))));
    cluster.nodes[0].faults.stall.store(false, SeqCst);
    while hasty.check().await.is_err() {}
    append(&log, "run-a", Some(0)).await;
    cluster.nodes[0].faults.refuse.store(3, SeqCst);
    append(&log, "run-a", Some(1)).await;
}

#[tokio::test]
async fn one_bad_append_does_not_harm_its_neighbours() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let large = NewEvent { data: vec![b'x'; 1024 * 1024], ..event() };
    let calls = (0..30).map(|n| {
        let (log, large) = (log.clone(), large.clone());
        async move {
            match n % 3 {
                0 => {
                    let refused = log.append(to("run-large", ExpectedRevision::NoStream, &[large])).await;
                    assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
                }
                1 => {
                    let refused =
                        log.append(to(&format!("run-{n}"), ExpectedRevision::Exact(7), &[event()])).await;
                    assert!(
                        matches!(refused, Err(AppendError::Conflict { actual: None, .. })),
                        "{refused:?}"
                    );
                }
                _ => assert!(!append(&log, &format!("run-{n}"), None).await.duplicate),
            }
        }
    });
    futures::future::join_all(calls).await;
}
