//! Whatever changes a row leaves one trace, in the same transaction, by whoever it was.

use super::{psql, taken};
use serde_json::{Value, json};
use sqlx::PgPool;

const TOKEN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// What one statement leaves: the types, and the data without what does not matter here.
async fn leaves(pool: &PgPool, sql: &str) -> Vec<(String, Value)> {
    psql(pool, sql).await;
    let taken = taken(pool).await;
    let user: String = sqlx::query_scalar("SELECT session_user::text").fetch_one(pool).await.unwrap();
    let traces = taken.into_iter().map(|(event_type, kind, actor, data)| {
        assert_eq!(kind, "database", "{event_type}");
        assert!(actor == user || actor.starts_with(&format!("{user}@")), "{actor}");
        (event_type, data)
    });
    traces.collect()
}

fn one(event_type: &str, data: Value) -> Vec<(String, Value)> {
    vec![(event_type.to_owned(), data)]
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn tenants_by_hand(pool: PgPool) {
    let leaves = async |sql: &str| leaves(&pool, sql).await;
    let created = leaves("INSERT INTO access.tenants (tenant, name) VALUES ('acme', 'Acme')").await;
    assert_eq!(created, one("TenantCreated", json!({"name": "Acme"})));
    let renamed = leaves("UPDATE access.tenants SET name = 'ACME'").await;
    assert_eq!(renamed, one("TenantChanged", json!({"name": "ACME", "old_name": "Acme"})));
    assert_eq!(leaves("UPDATE access.tenants SET name = 'ACME'").await, []);
    assert_eq!(leaves("DELETE FROM access.tenants").await, one("TenantRemoved", json!({"name": "ACME"})));
    // What is taken back leaves nothing.
    let back = "BEGIN; INSERT INTO access.tenants (tenant, name) VALUES ('acme', 'Acme'); ROLLBACK";
    assert_eq!(leaves(back).await, []);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn tokens_by_hand(pool: PgPool) {
    psql(&pool, "INSERT INTO access.tenants (tenant, name) VALUES ('acme', 'Acme'), ('other', 'Other')")
        .await;
    taken(&pool).await;
    let leaves = async |sql: &str| leaves(&pool, sql).await;
    let made = format!(
        "INSERT INTO access.tokens (token_id, tenant, role, principal, hash, expires_at)
         VALUES ('{TOKEN}', 'acme', 'producer', 'svc', decode(repeat('ab', 32), 'hex'), '2126-01-31 12:00+02')"
    );
    let token = json!({"token_id": TOKEN, "role": "producer", "principal": "svc",
        "expires_at": "2126-01-31T10:00:00.000000Z"});
    // Whatever the session's settings are.
    let made = format!("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; {made}; RESET ALL");
    assert_eq!(leaves(&made).await, one("TokenCreated", token.clone()));

    let with = |more: Value| {
        let mut data = token.clone();
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    let raised = leaves("UPDATE access.tokens SET role = 'owner', principal = 'ann'").await;
    let expected = with(json!({"role": "owner", "principal": "ann", "changed": ["role", "principal"],
        "old_role": "producer", "old_principal": "svc"}));
    assert_eq!(raised, one("TokenChanged", expected));
    psql(&pool, "UPDATE access.tokens SET role = 'producer', principal = 'svc'").await;
    taken(&pool).await;

    let swapped = leaves("UPDATE access.tokens SET hash = decode(repeat('cd', 32), 'hex')").await;
    assert_eq!(swapped, one("TokenChanged", with(json!({"changed": ["secret"]}))));
    assert!(!format!("{swapped:?}").contains("cdcd"), "{swapped:?}");
    assert_eq!(
        leaves("UPDATE access.tokens SET revoked_at = now()").await,
        one("TokenRevoked", token.clone())
    );
    assert_eq!(leaves("UPDATE access.tokens SET revoked_at = coalesce(revoked_at, now())").await, []);
    let again = leaves("UPDATE access.tokens SET revoked_at = NULL").await;
    assert_eq!(again, one("TokenChanged", with(json!({"changed": ["revoked_at"]}))));
    let endless = leaves("UPDATE access.tokens SET expires_at = NULL").await;
    let mut expected = with(json!({"changed": ["expires_at"], "old_expires_at": token["expires_at"]}));
    expected.as_object_mut().unwrap().remove("expires_at");
    assert_eq!(endless, one("TokenChanged", expected));
    // An end that no calendar has is as good as none.
    let endless = leaves("UPDATE access.tokens SET expires_at = 'infinity'").await;
    assert_eq!((endless.len(), endless[0].1.get("expires_at")), (1, None));
    let moved = leaves("UPDATE access.tokens SET tenant = 'other'").await;
    assert_eq!(
        moved.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["TokenRemoved", "TokenCreated"]
    );
    assert_eq!(leaves("DELETE FROM access.tokens").await[0].0, "TokenRemoved");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn policies_and_the_ledger_by_hand(pool: PgPool) {
    psql(&pool, "INSERT INTO access.tenants (tenant, name) VALUES ('acme', 'Acme'), ('other', 'Other')")
        .await;
    taken(&pool).await;
    let leaves = async |sql: &str| leaves(&pool, sql).await;
    let set =
        "INSERT INTO policy.stale_policies (tenant, kind, queued_limit_seconds) VALUES ('acme', '*', 60)
        ON CONFLICT (tenant, kind) DO UPDATE SET queued_limit_seconds = 60, updated_at = now()";
    let policy = json!({"kind": "*", "queued_limit_seconds": 60, "fail_stale": false});
    assert_eq!(leaves(set).await, one("PolicySet", policy.clone()));
    assert_eq!(leaves(set).await, [], "it says the same");
    let harder =
        leaves("UPDATE policy.stale_policies SET fail_stale = true, queued_limit_seconds = NULL").await;
    assert_eq!(harder, one("PolicySet", json!({"kind": "*", "fail_stale": true})));
    let removed = leaves("DELETE FROM policy.stale_policies").await;
    assert_eq!(removed, one("PolicyRemoved", json!({"kind": "*", "fail_stale": true})));

    // What concerns the ledger concerns every tenant.
    let secret = leaves("UPDATE ledger.idempotency SET secret = decode(repeat('ef', 32), 'hex')").await;
    let nothing = ("IdempotencySecretChanged".to_owned(), json!({}));
    assert_eq!(secret, [nothing.clone(), nothing]);
    let epoch = leaves("UPDATE ledger.identity SET epoch = 1795853700123").await;
    assert_eq!(epoch, [("EpochBegun".to_owned(), json!({"epoch": 1_795_853_700_123_u64})), epoch[1].clone()]);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_is_emptied_without_a_trace(pool: PgPool) {
    for table in ["access.tenants", "access.tokens", "policy.stale_policies"] {
        let sql = sqlx::AssertSqlSafe(format!("TRUNCATE {table} CASCADE"));
        let refused = sqlx::raw_sql(sql).execute(&pool).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "23001", "{refused}");
    }
}

/// Who may change a row, and no more than that, leaves a trace too.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_user_who_may_only_write_tenants_leaves_a_trace(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql(
        "DO $$ BEGIN CREATE ROLE runledger_test_clerk; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT USAGE ON SCHEMA access TO runledger_test_clerk; GRANT INSERT ON access.tenants TO runledger_test_clerk;
         SET ROLE runledger_test_clerk; INSERT INTO access.tenants (tenant, name) VALUES ('acme', 'Acme'); RESET ROLE",
    )
    .execute(&mut *connection)
    .await
    .unwrap();
    assert_eq!(taken(&pool).await.len(), 1);
    // Nobody writes a trace by hand who may not.
    for sql in [
        "SET ROLE runledger_test_clerk; SELECT administration.record_change('acme', 'TenantRemoved', '{}')",
        "SET ROLE runledger_test_clerk; DELETE FROM administration.changes",
    ] {
        let refused = sqlx::raw_sql(sql).execute(&mut *connection).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501", "{refused}");
        sqlx::raw_sql("RESET ROLE").execute(&mut *connection).await.unwrap();
    }
}
