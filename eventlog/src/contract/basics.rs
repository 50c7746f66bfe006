//! One caller at a time.

use std::collections::HashSet;

use super::{Log, actual, after, begun, event, events, soon, stream, to, whole};
use crate::error::AppendError;
use crate::port::{ExpectedRevision, NewEvent, Position, RecordedEvent};

/// Streams without events, and what is after the end.
pub async fn nothing_reads_as_empty(log: Log) {
    let name = stream();
    assert_eq!(whole(&log, &name).await, []);
    assert_eq!(log.last_event(&name).await.unwrap(), None);
    assert_eq!(log.read_stream(&name, u64::MAX, 10).await.unwrap(), []);
    let (name, appended) = begun(&log, 3).await;
    let end = log.head().await.unwrap();
    assert!(end >= appended.position);
    assert_eq!(log.read_all(Position(u64::MAX), 10).await.unwrap(), []);
    assert_eq!(log.read_stream(&name, 3, 10).await.unwrap(), []);
    assert_eq!(log.read_stream(&name, 0, 0).await.unwrap(), []);
    assert_eq!(log.read_all(Position(0), 0).await.unwrap(), []);
}

/// Revisions from 0, positions that grow, every field as it was.
pub async fn events_are_read_as_they_were_appended(log: Log) {
    let name = stream();
    begun(&log, 1).await;
    let before = log.head().await.unwrap();
    let (first, second) = (events(2), events(3));
    let one = log.append(to(&name, ExpectedRevision::NoStream, first.clone())).await.unwrap();
    let two = log.append(to(&name, ExpectedRevision::Exact(1), second.clone())).await.unwrap();
    assert!(!one.duplicate && !two.duplicate);
    assert_eq!((one.revision, two.revision), (1, 4));

    let read = whole(&log, &name).await;
    let given: Vec<NewEvent> = first.into_iter().chain(second).collect();
    assert_eq!(read.len(), given.len());
    for (revision, (read, given)) in (0u64..).zip(read.iter().zip(&given)) {
        assert_eq!((&read.stream, read.revision, read.id), (&name, revision, given.id));
        assert_eq!(
            (&read.event_type, &read.data, &read.metadata),
            (&given.event_type, &given.data, &given.metadata)
        );
    }
    assert!(read.windows(2).all(|pair| pair[0].position < pair[1].position));
    assert_eq!(read[1].position, one.position);
    assert_eq!(read[4].position, two.position);
    assert_eq!(log.last_event(&name).await.unwrap().as_ref(), read.last());
    assert_eq!(log.read_stream(&name, 1, 2).await.unwrap(), read[1..3]);
    let all = log.read_all(before, 1_000).await.unwrap();
    let ours: Vec<_> = all.into_iter().filter(|event| event.stream == name).collect();
    assert_eq!(ours, read);
}

/// Every wrong expectation names what is there, and appends nothing.
pub async fn an_expectation_that_does_not_hold_is_a_conflict(log: Log) {
    let (name, _) = begun(&log, 2).await;
    let empty = stream();
    for (stream, expected, there) in [
        (&name, None, Some(1)),
        (&name, Some(0), Some(1)),
        (&name, Some(2), Some(1)),
        (&name, Some(1 << 40), Some(1)),
        (&name, Some(u64::MAX), Some(1)),
        (&empty, Some(0), None),
        (&empty, Some(u64::MAX), None),
    ] {
        let refused = log.append(to(stream, after(expected), events(1))).await;
        let Err(AppendError::Conflict { stream: of, expected: was, .. }) = &refused else {
            panic!("{expected:?}: {refused:?}")
        };
        assert_eq!((of, *was), (stream, expected));
        assert_eq!(actual(refused), there, "{expected:?}");
    }
    assert_eq!(whole(&log, &name).await.len(), 2);
    assert_eq!(whole(&log, &empty).await, []);
    log.append(to(&name, after(Some(1)), events(1))).await.unwrap();
}

/// Appends that no log could take, among some that it can.
pub async fn malformed_appends_are_refused_and_harm_nobody(log: Log) {
    let name = stream();
    let twice = event("x");
    let typed = |event_type: String| NewEvent { event_type, ..event("x") };
    let wrong = [
        to(&name, after(None), vec![]),
        to(&name, after(None), vec![twice.clone(), twice]),
        to("", after(None), events(1)),
        to(&format!("{name}\0"), after(None), events(1)),
        to(&"x".repeat(10_000), after(None), events(1)),
        to(&padded(&name, 513), after(None), events(1)),
        to(&name, after(None), vec![typed(String::new())]),
        to(&name, after(None), vec![typed("A\0B".into())]),
        to(&name, after(None), vec![typed("x".repeat(10_000))]),
        to(&name, after(None), vec![typed("x".repeat(513))]),
        // The fault is in the second event only.
        to(&name, after(None), vec![event("x"), typed(String::new())]),
    ];
    for append in wrong {
        let neighbour = stream();
        let right = to(&neighbour, after(None), events(1));
        let shown = format!("{append:?}");
        let (refused, taken) = futures::join!(log.append(append), log.append(right));
        assert!(matches!(refused, Err(AppendError::Malformed(_))), "{shown:.200}: {refused:?}");
        taken.unwrap();
    }
    assert_eq!(whole(&log, &name).await, []);
}

/// To that many bytes.
fn padded(name: &str, bytes: usize) -> String {
    format!("{name}{}", "x".repeat(bytes - name.len()))
}

/// Up to the longest ones, compared byte by byte: names that look alike are different streams.
pub async fn names_come_back_exactly(log: Log) {
    let base = stream();
    let longest = padded(&base, 512);
    let names = [
        format!("{base}-a"),
        format!("{base}-A"),
        format!("{base}-a "),
        format!("{base}-\u{e9}"),
        format!("{base}-e\u{301}"),
        format!("{base}-%_'\"\\\n{{,}}"),
        longest.clone(),
        longest[..511].to_owned(),
    ];
    for name in &names {
        let typed = NewEvent { event_type: name.clone(), ..event("x") };
        log.append(to(name, after(None), vec![typed])).await.unwrap();
    }
    for name in &names {
        let read = whole(&log, name).await;
        assert_eq!(read.len(), 1, "{name:?}");
        assert_eq!((&read[0].stream, &read[0].event_type), (name, name));
        assert_eq!(log.last_event(name).await.unwrap().as_ref(), read.first());
    }
}

/// Whatever the bytes are.
pub async fn bytes_come_back_exactly(log: Log) {
    let name = stream();
    let every_byte: Vec<u8> = (0..=255).collect();
    let bytes = log.guarantees().max_append_bytes.min(2 << 20) / 2;
    let large: Vec<u8> =
        (0..u32::try_from(bytes).unwrap()).map(|n| n.to_le_bytes()[n as usize % 4]).collect();
    let given: Vec<NewEvent> = [vec![], every_byte.clone(), br#"{ "b":1, "a":1.0 }"#.to_vec(), large]
        .into_iter()
        .zip([every_byte.clone(), vec![], vec![0], every_byte])
        .map(|(data, metadata)| NewEvent { metadata, ..event(data) })
        .collect();
    log.append(to(&name, after(None), given.clone())).await.unwrap();
    let read = whole(&log, &name).await;
    assert_eq!(read.len(), given.len());
    for (read, given) in read.iter().zip(&given) {
        assert!(read.data == given.data && read.metadata == given.metadata);
    }
}

/// More events than a page, over one stream and many.
pub async fn large_batches_are_read_in_pages(log: Log) {
    let start = log.head().await.unwrap();
    let (long, _) = begun(&log, 1_000).await;
    let streams: Vec<String> = (0..100).map(|_| stream()).collect();
    let appends = streams.iter().map(|name| log.append(to(name, after(None), events(50))));
    futures::future::join_all(appends)
        .await
        .into_iter()
        .for_each(|answer| assert!(!answer.unwrap().duplicate));

    for page in [1, 7, 333, 1_000, 5_000] {
        let mut read = Vec::new();
        loop {
            let next = log.read_stream(&long, read.len() as u64, page).await.unwrap();
            assert!(next.len() <= page);
            if next.is_empty() || (page == 1 && read.len() > 50) {
                break;
            }
            read.extend(next);
        }
        assert!(read.iter().zip(0u64..).all(|(event, revision)| event.revision == revision));
        assert!(page == 1 || read.len() == 1_000);
    }

    let mut position = start;
    let mut ours = HashSet::new();
    loop {
        let page = log.read_all(position, 777).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page[0].position > position && page.windows(2).all(|p| p[0].position < p[1].position));
        position = last.position;
        let of_ours = |event: &&RecordedEvent| event.stream == long || streams.contains(&event.stream);
        ours.extend(page.iter().filter(of_ours).map(|event| event.id));
    }
    assert_eq!(ours.len(), 6_000);
}

/// A page may be shorter than asked for, and is never empty while there is more.
pub async fn large_events_are_read_to_the_end(log: Log) {
    let bytes = (512 << 10).min(log.guarantees().max_append_bytes / 2);
    let start = log.head().await.unwrap();
    let mut given = Vec::new();
    for n in 0..40u8 {
        let large = event(vec![n; bytes]);
        given.push(large.id);
        log.append(to(&stream(), after(None), vec![large])).await.unwrap();
    }
    let end = log.head().await.unwrap();
    let ours =
        |events: Vec<RecordedEvent>| events.into_iter().map(|event| event.id).filter(|id| given.contains(id));

    let (mut at, mut read) = (start, Vec::new());
    while at < end {
        let page = log.read_all(at, 10_000).await.unwrap();
        at = page.last().expect("there is more").position;
        read.extend(ours(page));
    }
    assert_eq!(read, given);
    let mut follower = log.subscribe(start).await.unwrap();
    let mut followed = Vec::new();
    while followed.len() < given.len() {
        followed.extend(ours(soon(follower.next_batch(10_000)).await.unwrap()));
    }
    assert_eq!(followed, given);
}
