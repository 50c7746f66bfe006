//! How much is read at once.

use eventlog::{EventLog, NewEvent, Position, RecordedEvent};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{append, connect, event, stream};

const MIB: usize = 1 << 20;

fn bytes(page: &[RecordedEvent]) -> usize {
    page.iter().map(|event| event.data.len() + event.metadata.len()).sum()
}

fn of(size: usize) -> NewEvent {
    NewEvent { data: vec![b'x'; size], ..event() }
}

/// Small ones first, so that what comes after them is larger than it looks.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_page_has_no_more_than_16_mib_or_one_event(_pool: PgPoolOptions, options: PgConnectOptions) {
    let log = connect(&options).await;
    append(&log, &stream(), None, (0..300).map(|_| event()).collect()).await.unwrap();
    for _ in 0..20 {
        append(&log, &stream(), None, vec![of(MIB)]).await.unwrap();
    }
    for size in [20 * MIB, 20 * MIB, 2] {
        append(&log, &stream(), None, vec![of(size)]).await.unwrap();
    }
    let (mut at, mut sizes) = (Position(0), Vec::new());
    loop {
        let page = log.read_all(at, 10_000).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() == 1 || bytes(&page) <= 16 * MIB, "{} bytes", bytes(&page));
        at = last.position;
        sizes.push(page.len());
    }
    assert_eq!(sizes.iter().sum::<usize>(), 323);
    // What fits is read at once; neither a large event nor what comes after it is left behind.
    assert_eq!(sizes, [315, 5, 1, 1, 1]);

    // A connection that was left in the middle of an answer serves the next call.
    assert_eq!(log.read_all(Position(0), 5).await.unwrap().len(), 5);
    assert_eq!(log.read_all(Position(0), 290).await.unwrap().len(), 290);
    log.shutdown().await;
}
