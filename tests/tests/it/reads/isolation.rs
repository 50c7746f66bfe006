//! Who sees what: roles, tenants, and the database's own guard behind the API's.

use access::Role;
use reads::ReadPool;
use serde_json::json;
use sqlx::PgPool;

use super::fixture::Story;
use super::served::Served;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_role_reads_its_own_tenant_and_no_other(pool: PgPool) {
    let run = Story::queued(0, json!({})).told(&pool).await.id;
    let served = Served::start(pool).await;
    let paths = [
        "/runs".to_owned(),
        format!("/runs/{run}"),
        format!("/runs/{run}?revision=0"),
        format!("/runs/{run}/items"),
        format!("/runs/{run}/events"),
        "/notifications".to_owned(),
        "/stats".to_owned(),
    ];
    for path in paths {
        let path = format!("/v1/tenants/demo{path}");
        for role in Role::ALL {
            assert_eq!(served.ask("demo", role, &path, &[]).await.status, 200, "{role} {path}");
            let stranger = served.ask("other", role, &path, &[]).await;
            assert_eq!(
                (stranger.status, &stranger.body["code"]),
                (404, &json!("not_found")),
                "{role} {path}"
            );
        }
        assert_eq!(served.ask_nobody(&path).await, 401, "{path}");
    }
}

/// The tables that hold tenants' rows.
const TABLES: [&str; 8] = [
    "runs",
    "run_labels",
    "run_items",
    "run_events",
    "notifications",
    "run_counts",
    "run_hours",
    "run_durations",
];

async fn rows_everywhere(pool: &PgPool) {
    for tenant in ["demo", "other"] {
        let run = json!({"labels": {"env": "prod"}, "initiator": {"id": "operator"}});
        let run = Story::of(tenant, 0, run).then("Started", json!({}));
        let run = run.then("ItemSucceeded", json!({"item": "i"}));
        run.then("Completed", json!({})).told(pool).await;
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_database_itself_hides_other_tenants(pool: PgPool) {
    rows_everywhere(&pool).await;
    let options = (*pool.connect_options()).clone();
    let connections = ReadPool::pool_options().max_connections(1).connect_with(options).await.unwrap();
    for table in TABLES {
        // No WHERE: what is hidden is hidden by the policy alone.
        let count = || sqlx::AssertSqlSafe(format!("SELECT count(*) FROM projection.{table}"));
        let of = || sqlx::AssertSqlSafe(format!("SELECT count(*) FROM projection.{table} WHERE tenant = $1"));
        for tenant in ["demo", "other", "nobody"] {
            let of: i64 = sqlx::query_scalar(of()).bind(tenant).fetch_one(&pool).await.unwrap();
            assert_eq!(of > 0, tenant != "nobody", "{tenant} in {table}");
            let reads = ReadPool::new(connections.clone());
            let mut read = reads.begin(&tenant.parse().unwrap()).await.unwrap();
            let seen: i64 = sqlx::query_scalar(count()).fetch_one(read.conn()).await.unwrap();
            assert_eq!(seen, of, "{tenant} in {table}");
        }
        // The tenant is the transaction's, so the connection has forgotten it.
        let seen: i64 = sqlx::query_scalar(count()).fetch_one(&connections).await.unwrap();
        assert_eq!(seen, 0, "nobody in {table}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_reading_role_can_neither_write_nor_see_the_log(pool: PgPool) {
    rows_everywhere(&pool).await;
    let options = (*pool.connect_options()).clone();
    let connections = ReadPool::pool_options().max_connections(1).connect_with(options).await.unwrap();
    // It is read-only by setting; the role is refused all the same when the setting is gone.
    for setting in ["SET default_transaction_read_only = on", "SET default_transaction_read_only = off"] {
        sqlx::query(setting).execute(&connections).await.unwrap();
        for sql in [
            "DELETE FROM projection.runs",
            "UPDATE projection.runs SET tenant = 'demo'",
            "INSERT INTO projection.checkpoints VALUES ('x', 1)",
            "TRUNCATE projection.run_events",
            "DELETE FROM access.tokens",
            "UPDATE policy.stale_policies SET fail_stale = true",
            "CREATE TABLE projection.mine (n int)",
            "SELECT * FROM log.events",
            "SELECT * FROM log.head",
            "SELECT hash FROM access.tokens",
            "SELECT * FROM projection.dead_letters",
            "SELECT pg_read_file('/etc/hostname')",
        ] {
            let refused = sqlx::query(sql).execute(&connections).await.unwrap_err();
            let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
            // Insufficient privilege, or a read-only transaction.
            assert!(code == "42501" || (code == "25006" && setting.ends_with("on")), "{sql}: {refused}");
        }
    }
}

/// The tables that live streams are fed from.
const FED_FROM: [&str; 3] = ["runs", "run_events", "notifications"];

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_live_readers_role_sees_all_tenants_where_streams_are_fed_from(pool: PgPool) {
    rows_everywhere(&pool).await;
    let mut read = database::begin(&pool).await.unwrap();
    sqlx::query("SET LOCAL ROLE runledger_live").execute(&mut *read).await.unwrap();
    for table in FED_FROM {
        let sql = format!("SELECT DISTINCT tenant FROM projection.{table} ORDER BY 1");
        let seen: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *read).await.unwrap();
        assert_eq!(seen, ["demo", "other"], "{table}");
    }
    for sql in ["SELECT count(*) FROM projection.checkpoints", "SELECT count(*) FROM projection.dead_letters"]
    {
        sqlx::query(sql).execute(&mut *read).await.unwrap();
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_live_readers_role_can_do_nothing_else(pool: PgPool) {
    rows_everywhere(&pool).await;
    for sql in [
        "DELETE FROM projection.runs",
        "UPDATE projection.runs SET tenant = 'demo'",
        "INSERT INTO projection.checkpoints VALUES ('x', 1)",
        "UPDATE projection.checkpoints SET position = 0",
        "DELETE FROM projection.dead_letters",
        "TRUNCATE projection.run_events",
        "CREATE TABLE projection.mine (n int)",
        "SELECT * FROM projection.run_items",
        "SELECT * FROM projection.run_labels",
        "SELECT * FROM projection.run_counts",
        "SELECT * FROM projection.run_hours",
        "SELECT * FROM policy.stale_policies",
        "SELECT * FROM log.events",
        "SELECT * FROM log.head",
        "SELECT hash FROM access.tokens",
        "SELECT * FROM access.tenants",
        "SELECT secret FROM ledger.idempotency",
        "SELECT pg_read_file('/etc/hostname')",
    ] {
        let mut read = database::begin(&pool).await.unwrap();
        sqlx::query("SET LOCAL ROLE runledger_live").execute(&mut *read).await.unwrap();
        let refused = sqlx::raw_sql(sql).execute(&mut *read).await.expect_err(sql);
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501", "{sql}: {refused}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn policies_are_the_tenants_own_too(pool: PgPool) {
    for tenant in ["demo", "other"] {
        access::create_tenant(&pool, &tenant.parse().unwrap(), tenant).await.unwrap();
        sqlx::query("INSERT INTO policy.stale_policies (tenant, kind) VALUES ($1, '*')")
            .bind(tenant)
            .execute(&pool)
            .await
            .unwrap();
    }
    let options = (*pool.connect_options()).clone();
    let connections = ReadPool::pool_options().max_connections(1).connect_with(options).await.unwrap();
    for (tenant, expected) in [("demo", &["demo"][..]), ("other", &["other"]), ("nobody", &[])] {
        let reads = ReadPool::new(connections.clone());
        let mut read = reads.begin(&tenant.parse().unwrap()).await.unwrap();
        let sql = "SELECT tenant FROM policy.stale_policies";
        let seen: Vec<String> = sqlx::query_scalar(sql).fetch_all(read.conn()).await.unwrap();
        assert_eq!(seen, expected, "{tenant}");
    }
}
