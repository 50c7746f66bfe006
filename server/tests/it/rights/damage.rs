//! Each right that may get lost, and each that may be too much.

use super::*;
use crate::support::site::terminated;

/// What somebody did, and the words for it.
const DAMAGES: [(&str, &str); 21] = [
    (
        "DROP POLICY of_the_tenant ON projection.runs",
        "the policy of_the_tenant of projection.runs is missing",
    ),
    (
        "DROP POLICY of_the_tenant ON projection.run_items;
         CREATE POLICY of_the_tenant ON projection.run_items FOR SELECT TO runledger_api USING (true)",
        "the policy of_the_tenant of projection.run_items is missing, or another",
    ),
    ("DROP POLICY of_the_tenant ON policy.stale_policies", "of policy.stale_policies is missing"),
    (
        "CREATE POLICY all_of_it ON projection.runs FOR SELECT TO PUBLIC USING (true)",
        "the policy all_of_it of projection.runs lets runledger_api see more",
    ),
    (
        "ALTER TABLE projection.run_events DISABLE ROW LEVEL SECURITY",
        "security is off for projection.run_events",
    ),
    (
        "ALTER TABLE projection.runs OWNER TO runledger_api",
        "does not hold for runledger_api on projection.runs",
    ),
    ("ALTER ROLE runledger_api BYPASSRLS", "runledger_api passes over row-level security"),
    ("ALTER ROLE runledger_api SUPERUSER", "runledger_api passes over row-level security"),
    (
        "REVOKE SELECT ON projection.notifications FROM runledger_api",
        "lacks SELECT on projection.notifications",
    ),
    ("REVOKE SELECT ON projection.checkpoints FROM runledger_api", "lacks SELECT on projection.checkpoints"),
    ("REVOKE USAGE ON SCHEMA policy FROM runledger_api", "may not enter the schema policy"),
    (
        "GRANT SELECT ON projection.dead_letters TO PUBLIC",
        "has SELECT on projection.dead_letters and must not",
    ),
    (
        "GRANT UPDATE, DELETE ON projection.runs TO runledger_api",
        "has UPDATE, DELETE on projection.runs and must not",
    ),
    (
        "DROP OWNED BY runledger_api; DROP ROLE runledger_api",
        "the role runledger_api, as which the API reads, does not exist",
    ),
    (
        "DROP POLICY of_all_tenants_for_live ON projection.run_events",
        "the policy of_all_tenants_for_live of projection.run_events is missing",
    ),
    (
        "REVOKE SELECT ON projection.dead_letters FROM runledger_live",
        "runledger_live lacks SELECT on projection.dead_letters",
    ),
    (
        "GRANT SELECT ON log.events TO runledger_live; GRANT UPDATE ON projection.runs TO runledger_live",
        "runledger_live has SELECT on log.events and must not",
    ),
    (
        "ALTER TABLE projection.runs OWNER TO runledger_live",
        "does not hold for runledger_live on projection.runs",
    ),
    (
        "GRANT runledger_live TO runledger_api",
        "runledger_api may read as runledger_live, which sees all tenants",
    ),
    (
        "DROP OWNED BY runledger_live; DROP ROLE runledger_live",
        "the role runledger_live, as which live streams are fed, does not exist",
    ),
    (
        "GRANT EXECUTE ON FUNCTION administration.revoke_token TO PUBLIC",
        "runledger_api may call administration.revoke_token(text,uuid), which changes tokens or inlets",
    ),
];

#[tokio::test]
async fn each_damage_to_the_readers_is_named_by_readyz_and_mended_by_migrate() {
    let site = Site::start().await;
    site.run(&["migrate"]).await;
    let producer = token(&site, "producer").await;
    let (api, base) = site.serve(&[]).await;
    let run = a_run(&site, &base, &producer).await;
    readyz_until(&site, &base, "ready", |status, _| status == 200).await;
    for (damage, words) in DAMAGES {
        site.sql(damage).await;
        let body = readyz_until(&site, &base, damage, |status, _| status == 503).await;
        let named = |body: &Value| {
            body["missing"].as_array().unwrap().iter().any(|what| what.to_string().contains(words))
        };
        assert!(named(&body), "{damage}: {body}");
        assert_eq!(
            (&body["reads"], &body["appends"]),
            (&json!("unavailable"), &json!("ok")),
            "{damage}: {body}"
        );
        assert_eq!(body["code"], "not_ready");
        site.run(&["migrate"]).await;
        let body = readyz_until(&site, &base, damage, |status, _| status == 200).await;
        assert_eq!((&body["reads"], &body["missing"]), (&json!("ok"), &json!([])), "{damage}");
        let (status, row) = get(&site, &base, &format!("/runs/{run}"), &producer).await;
        assert_eq!((status, &row["run_id"]), (200, &json!(run)), "{damage}: {row}");
        hears_of_a_run(&site, &base, &producer).await;
    }
    assert!(terminated(api).await);
    site.postgres.stop().await.unwrap();
}

/// Guards of history, taken off.
const UNGUARDED: [(&str, &str); 6] = [
    (
        "ALTER TABLE log.events DISABLE TRIGGER events_are_append_only",
        "events_are_append_only of log.events can be passed",
    ),
    // As most triggers are: sessions that replay changes skip them.
    (
        "ALTER TABLE log.head ENABLE TRIGGER head_moves_forwards",
        "head_moves_forwards of log.head can be passed",
    ),
    ("DROP TRIGGER head_stays ON log.head", "the guard head_stays of log.head is missing"),
    ("DROP TRIGGER events_are_append_only ON log.events", "events_are_append_only of log.events is missing"),
    // What makes history of the administration.
    (
        "ALTER TABLE access.tokens ENABLE REPLICA TRIGGER changes_are_told",
        "changes_are_told of access.tokens can be passed",
    ),
    (
        "DROP TRIGGER changes_are_told ON policy.stale_policies",
        "changes_are_told of policy.stale_policies is missing",
    ),
];

#[tokio::test]
async fn a_log_without_a_guard_is_told_and_guarded_again_by_migrate() {
    let site = Site::start().await;
    site.run(&["migrate"]).await;
    let (api, base) = site.serve(&[]).await;
    for (damage, words) in UNGUARDED {
        site.sql(damage).await;
        let told = |body: &Value| body["missing"].to_string().contains(words);
        // Appends and reads go on: it is ready, and says so all the same.
        readyz_until(&site, &base, damage, |status, body| status == 200 && told(body)).await;
        site.run(&["migrate"]).await;
        readyz_until(&site, &base, damage, |status, body| status == 200 && body["missing"] == json!([]))
            .await;
    }
    // The guards hold for whoever owns the log, and for sessions that replay.
    let db = sqlx::PgPool::connect(&site.postgres.url()).await.unwrap();
    for statement in [
        "SET session_replication_role = replica; UPDATE log.events SET data = ''",
        "SET session_replication_role = replica; DELETE FROM log.events",
        "SET session_replication_role = replica; TRUNCATE log.events",
        "SET session_replication_role = replica; UPDATE log.head SET position = position",
        "SET session_replication_role = replica; DELETE FROM log.head",
    ] {
        let error = sqlx::raw_sql(statement).execute(&db).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23001", "{statement}: {error}");
    }
    db.close().await;
    assert!(terminated(api).await);
    site.postgres.stop().await.unwrap();
}
