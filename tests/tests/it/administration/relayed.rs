//! The way from the database to the log: each trace once, in its order, whatever dies on the way.

use super::{psql, relayed};
use access::administration::{record, record_for_all};
use access::{NewTokenFor, Role, create_expiring_token, revoke_token};
use chrono::{TimeDelta, Utc};
use commands::RelayError;
use domain::admin::{ActorKind, AdminActor, AdminBody, Exported, SealTold};
use eventlog::streams::admin_event;
use eventlog::{EventLog, RecordedEvent};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Setup, TestApp};

async fn started(pool: PgPoolOptions, database: PgConnectOptions) -> TestApp {
    TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await
}

/// The stream of a tenant, which every test reads back as it is.
async fn stream(app: &TestApp, tenant: &str) -> Vec<RecordedEvent> {
    let records = app.log.read_stream(&format!("admin-{tenant}"), 0, usize::MAX).await.unwrap();
    for record in &records {
        admin_event(record).unwrap();
    }
    records
}

fn types(records: &[RecordedEvent]) -> Vec<&str> {
    records.iter().map(|record| record.event_type.as_str()).collect()
}

async fn waiting(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM administration.changes").fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn traces_are_taken_to_the_log_in_their_order(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = started(pool, database).await;
    let ids: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT change_id FROM administration.changes WHERE tenant = 'demo' ORDER BY seq")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    relayed(&app).await;
    assert_eq!(waiting(&app).await, 0);
    let demo = stream(&app, "demo").await;
    assert_eq!(types(&demo)[..2], ["TenantCreated", "TokenCreated"]);
    assert_eq!(demo.iter().map(|record| record.id).collect::<Vec<_>>(), ids);
    assert_eq!(stream(&app, "other").await.len(), demo.len());
    let head = app.log.head().await.unwrap();
    assert_eq!(relayed(&app).await, head.0, "nothing waits any more");
    // No token, and no hash of one: neither in the log nor on the way there.
    let (log, hashes): (String, Vec<String>) = sqlx::query_as(
        "SELECT string_agg(convert_from(data, 'UTF8') || convert_from(metadata, 'UTF8'), ' '),
                (SELECT array_agg(encode(hash, 'hex')) FROM access.tokens) FROM log.events",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert!(hashes.len() > 10 && hashes.iter().all(|hash| !log.contains(hash)), "{log}");
    assert!(!log.contains("rlg_"), "{log}");
    app.stop().await;
}

/// As where it is killed: the log has the events, and the database still has the traces.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_relay_that_dies_after_the_append_does_not_double(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = started(pool, database).await;
    psql(
        &app.pool,
        "CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''killed''; END';
         CREATE TRIGGER dies BEFORE DELETE ON administration.changes FOR EACH STATEMENT EXECUTE FUNCTION dies()",
    )
    .await;
    for _ in 0..2 {
        let died = app.relay().await.relay().await.unwrap_err();
        assert!(matches!(died, RelayError::Database(_)), "{died}");
    }
    let before = waiting(&app).await;
    assert!(before > 0 && !app.log.head().await.unwrap().0 > 0);
    // More has come since: what is new is appended after what is there.
    psql(
        &app.pool,
        "DROP TRIGGER dies ON administration.changes; UPDATE access.tenants SET name = 'Demo' WHERE tenant = 'demo'",
    )
    .await;
    relayed(&app).await;
    for tenant in TestApp::TENANTS {
        let records = stream(&app, tenant).await;
        let tokens = records.iter().filter(|record| record.event_type == "TokenCreated").count();
        assert_eq!((types(&records)[0], tokens), ("TenantCreated", Role::ALL.len()), "{tenant}");
    }
    assert_eq!(types(&stream(&app, "demo").await).last(), Some(&"TenantChanged"));
    assert_eq!(waiting(&app).await, 0);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn many_relays_at_once_tell_each_once(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = started(pool, database).await;
    let holder = NewTokenFor {
        tenant: &"demo".parse().unwrap(),
        role: Role::Readonly,
        principal: &"ria".parse().unwrap(),
        expires_at: Some(Utc::now() - TimeDelta::seconds(1)),
    };
    create_expiring_token(&app.pool, holder).await.unwrap();
    let (one, two, three) = (app.relay().await, app.relay().await, app.relay().await);
    let (one, two, three) = tokio::join!(one.relay(), two.relay(), three.relay());
    for looked in [one, two, three] {
        looked.unwrap();
    }
    // Whoever found another at work left it the rest.
    relayed(&app).await;
    let demo = stream(&app, "demo").await;
    assert_eq!(demo.len(), 1 + Role::ALL.len() + 2, "{:?}", types(&demo));
    assert_eq!(types(&demo).iter().filter(|name| **name == "TokenExpired").count(), 1);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_end_of_a_tokens_time_is_told_once_for_each_end(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = started(pool, database).await;
    let (demo, ria) = ("demo".parse().unwrap(), "ria".parse().unwrap());
    let holder = |seconds| NewTokenFor {
        tenant: &demo,
        role: Role::Readonly,
        principal: &ria,
        expires_at: Some(Utc::now() + TimeDelta::seconds(seconds)),
    };
    let over = create_expiring_token(&app.pool, holder(-5)).await.unwrap();
    create_expiring_token(&app.pool, holder(3_600)).await.unwrap();
    let revoked = create_expiring_token(&app.pool, holder(-5)).await.unwrap();
    revoke_token(&app.pool, revoked.token_id).await.unwrap();
    relayed(&app).await;
    relayed(&app).await;
    let expired = async || {
        let records = stream(&app, "demo").await;
        let events = records.iter().map(|record| admin_event(record).unwrap());
        events.filter(|event| matches!(event.body, AdminBody::TokenExpired(_))).collect::<Vec<_>>()
    };
    let [told] = &expired().await[..] else { panic!("told once") };
    let AdminBody::TokenExpired(token) = &told.body else { panic!("another body") };
    assert_eq!(token.token_id, over.token_id);
    assert_eq!((told.actor.kind, told.actor.name.as_str()), (ActorKind::System, "system"));
    // A later end is another one.
    psql(
        &app.pool,
        "UPDATE access.tokens SET expires_at = now() - interval '1 s' WHERE expiry_told IS NOT NULL",
    )
    .await;
    relayed(&app).await;
    assert_eq!(expired().await.len(), 2);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_changes_no_row_is_written_down_by_who_does_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = started(pool, database).await;
    let actor =
        AdminActor { kind: ActorKind::Os, name: "ann@ledger-1".into(), token_id: None, request_id: None };
    let demo = "demo".parse().unwrap();
    let exported = AdminBody::Exported(Exported { what: "all events".into(), events: 7, digest: None });
    record(&app.pool, &demo, &exported, &actor).await.unwrap();
    let sealed = AdminBody::SealingStarted(SealTold { key_id: "k-1".into(), old_key_id: None });
    record_for_all(&app.pool, &sealed, &actor).await.unwrap();
    let nobody = record(&app.pool, &"absent".parse().unwrap(), &exported, &actor).await.unwrap_err();
    assert!(matches!(nobody, access::AccessError::NoTenant(_)), "{nobody}");
    relayed(&app).await;
    for (tenant, last) in [("demo", &[exported, sealed.clone()][..]), ("other", &[sealed])] {
        let records = stream(&app, tenant).await;
        let events: Vec<_> = records.iter().map(|record| admin_event(record).unwrap()).collect();
        let told = &events[events.len() - last.len()..];
        assert_eq!(told.iter().map(|event| &event.body).collect::<Vec<_>>(), last.iter().collect::<Vec<_>>());
        assert!(told.iter().all(|event| event.actor == actor), "{told:?}");
    }
    app.stop().await;
}

/// A newer program may write what this one can't tell, and somebody may write nonsense: that waits, and nothing else.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_can_not_be_told_waits_and_holds_up_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = started(pool, database).await;
    relayed(&app).await;
    psql(
        &app.pool,
        "INSERT INTO administration.changes (tenant, event_type, data, actor_kind, actor) VALUES
            ('demo', 'Teleported', '{}', 'os', 'ann'), ('demo', 'TenantChanged', '{}', 'os', 'ann'),
            ('demo', 'TenantChanged', '{\"name\": \"x\"}', 'ghost', 'ann'), ('No Tenant', 'Teleported', '{}', 'os', 'ann');
         UPDATE access.tenants SET name = 'Demo' WHERE tenant = 'demo'",
    )
    .await;
    relayed(&app).await;
    assert_eq!(types(&stream(&app, "demo").await).last(), Some(&"TenantChanged"));
    assert_eq!(waiting(&app).await, 4);
    app.stop().await;
}
