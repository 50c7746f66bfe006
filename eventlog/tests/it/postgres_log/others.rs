//! What another process appends.

use std::time::Duration;

use eventlog::postgres::PostgresLogConfig;
use eventlog::{AppendError, EventLog, Position};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{append, connect, event, soon, stream, with};

/// Appends as any program would that keeps the log's law: the head's lock, then the event.
async fn by_hand(db: &mut PgConnection, stream: &str, revision: i64) -> Uuid {
    let id = Uuid::new_v4();
    let mut tx = db.begin().await.unwrap();
    sqlx::query(
        "WITH moved AS (UPDATE log.head SET position = position + 1 RETURNING position)
         INSERT INTO log.events SELECT position, $1, $2, $3, 'ByHand', '', '' FROM moved",
    )
    .bind(stream)
    .bind(revision)
    .bind(id)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    id
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn it_is_noticed_by_whoever_knew_better(_pool: PgPoolOptions, options: PgConnectOptions) {
    let log = connect(&options).await;
    let mut db = PgConnection::connect_with(&options).await.unwrap();
    let (known, new) = (stream(), stream());
    append(&log, &known, None, vec![event()]).await.unwrap();

    by_hand(&mut db, &known, 1).await;
    let stale = append(&log, &known, Some(0), vec![event()]).await;
    assert!(matches!(stale, Err(AppendError::Conflict { actual: Some(1), .. })), "{stale:?}");
    by_hand(&mut db, &known, 2).await;
    append(&log, &known, Some(2), vec![event()]).await.unwrap();

    by_hand(&mut db, &new, 0).await;
    let late = append(&log, &new, None, vec![event()]).await;
    assert!(matches!(late, Err(AppendError::Conflict { actual: Some(0), .. })), "{late:?}");

    // A refusal alone must be right as well: no append of ours comes with it. First the log must believe
    // that it is alone again.
    for revision in 3..6 {
        append(&log, &known, Some(revision), vec![event()]).await.unwrap();
    }
    by_hand(&mut db, &known, 7).await;
    let ahead = append(&log, &known, Some(9), vec![event()]).await;
    assert!(matches!(ahead, Err(AppendError::Conflict { actual: Some(7), .. })), "{ahead:?}");

    // What somebody else has appended in our name is found by its id.
    let mut appended = event();
    appended.id = by_hand(&mut db, &known, 8).await;
    let repeated = append(&log, &known, Some(7), vec![appended]).await.unwrap();
    assert!(repeated.duplicate && repeated.revision == 8, "{repeated:?}");
    log.shutdown().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn followers_hear_of_it(_pool: PgPoolOptions, options: PgConnectOptions) {
    let (writer, reader) = (connect(&options).await, connect(&options).await);
    let mut db = PgConnection::connect_with(&options).await.unwrap();
    let mut subscription = reader.subscribe(Position(0)).await.unwrap();
    for turn in 1..=10 {
        // One with word of it, one without.
        append(&writer, &stream(), None, vec![event()]).await.unwrap();
        by_hand(&mut db, &stream(), 0).await;
        let mut seen = 0;
        while seen < 2 {
            let batch = soon(subscription.next_batch(10)).await.unwrap();
            seen += batch.len();
            assert!(batch.iter().all(|event| event.position.0 <= turn * 2));
        }
    }
    writer.shutdown().await;
    reader.shutdown().await;
}

/// News alone wakes a follower of another process: this one would not look by itself for a day.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn followers_elsewhere_are_woken_by_news(_pool: PgPoolOptions, options: PgConnectOptions) {
    let config = PostgresLogConfig { patience: Duration::from_secs(86_400), ..PostgresLogConfig::default() };
    let (writer, reader) = (with(&options, config.clone()).await, with(&options, config).await);
    let mut subscription = reader.subscribe(Position(0)).await.unwrap();
    for turn in 1..=20 {
        let (appended, batch) = futures::join!(
            async { append(&writer, &stream(), None, vec![event()]).await.unwrap() },
            soon(subscription.next_batch(10))
        );
        assert_eq!(batch.unwrap()[0].position, Position(turn));
        assert_eq!(appended.position, Position(turn));
    }
    writer.shutdown().await;
    reader.shutdown().await;
}

/// Heads that do not fit into memory are read again, whoever moved them meanwhile.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn forgotten_heads_are_found_again(_pool: PgPoolOptions, options: PgConnectOptions) {
    let log = with(&options, PostgresLogConfig { known_heads: 2, ..PostgresLogConfig::default() }).await;
    let mut db = PgConnection::connect_with(&options).await.unwrap();
    let names: Vec<String> = (0..6).map(|_| stream()).collect();
    let mut last = None;
    for round in 0..12 {
        for name in &names {
            append(&log, name, last, vec![event()]).await.unwrap();
        }
        last = Some(last.map_or(0, |last| last + 1));
        if round % 3 == 2 {
            let mine = last.map_or(0, |last| last + 1);
            for name in &names {
                by_hand(&mut db, name, i64::try_from(mine).unwrap()).await;
            }
            for name in &names {
                let stale = append(&log, name, last, vec![event()]).await;
                let Err(AppendError::Conflict { actual, .. }) = stale else { panic!("{stale:?}") };
                assert_eq!(actual, Some(mine));
            }
            last = Some(mine);
        }
    }
    log.shutdown().await;
}
