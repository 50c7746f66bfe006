//! Who serves need own nothing, and can't change what is in the log.

use super::*;
use crate::support::site::terminated;

/// What nobody who serves may do, and the database's word for it: no right, or no owner.
const FORBIDDEN: [&str; 29] = [
    "UPDATE log.events SET data = ''",
    "UPDATE log.events SET position = position WHERE false",
    "DELETE FROM log.events",
    "TRUNCATE log.events",
    "TRUNCATE log.head",
    "DELETE FROM log.head",
    "ALTER TABLE log.events ADD COLUMN note text",
    "ALTER TABLE log.events DISABLE TRIGGER events_are_append_only",
    "ALTER TABLE log.events DISABLE TRIGGER ALL",
    "ALTER TABLE log.events OWNER TO app",
    "ALTER TABLE log.head DISABLE TRIGGER head_moves_forwards",
    "DROP TRIGGER events_are_append_only ON log.events",
    "DROP TABLE log.events",
    "DROP SCHEMA log CASCADE",
    "CREATE OR REPLACE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TABLE log.more ()",
    "CREATE RULE none AS ON INSERT TO log.events DO INSTEAD NOTHING",
    "SET session_replication_role = replica",
    "ALTER TABLE projection.runs DISABLE ROW LEVEL SECURITY",
    "DROP TABLE projection.runs",
    "UPDATE access.tokens SET revoked_at = NULL",
    "UPDATE access.tokens SET role = 'owner'",
    "INSERT INTO access.tokens (token_id) VALUES (gen_random_uuid())",
    "DELETE FROM access.tokens",
    "ALTER TABLE access.tokens DISABLE TRIGGER changes_are_told",
    "UPDATE administration.changes SET actor = 'somebody else'",
    "INSERT INTO access.tenants (tenant, name) VALUES ('x', 'x')",
    "DELETE FROM policy.stale_policies",
    "CREATE SCHEMA other",
];

#[tokio::test]
async fn who_serves_can_do_all_of_it_and_change_nothing_in_the_log() {
    let mut site = Site::start().await;
    // Whoever owns the tables, and no superuser.
    site.sql(
        "CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'owner'; ALTER DATABASE runledger OWNER TO owner;
         CREATE ROLE app LOGIN PASSWORD 'app'",
    )
    .await;
    site.connect_as("owner");
    site.run(&["migrate"]).await;

    site.connect_as("app");
    let said = site.refused(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(said.contains("migrate --serve-role app"), "{said}");
    site.connect_as("owner");
    site.run(&["migrate", "--serve-role", "app"]).await;
    let producer = token(&site, "producer").await;
    let operator = token(&site, "operator").await;
    let owner = token(&site, "owner").await;
    let policy = [
        "policy",
        "set",
        "--tenant",
        "acme",
        "--kind",
        "stuck",
        "--queued-limit-seconds",
        "1",
        "--fail-stale",
    ];
    site.run(&policy).await;

    site.connect_as("app");
    let (api, base) = site.serve(&["--stale-grace-seconds", "0"]).await;
    let run = a_run(&site, &base, &producer).await;
    let body = readyz_until(&site, &base, "ready", |status, _| status == 200).await;
    assert_eq!(body["missing"], json!([]), "{body}");
    hears_of_a_run(&site, &base, &producer).await;
    // A notification is read.
    let (_, notifications) = get(&site, &base, "/notifications", &operator).await;
    let notification = notifications["notifications"][0]["notification_id"].as_str().unwrap().to_owned();
    let (status, read) =
        site.post(&base, &format!("/notifications/{notification}/read"), &operator, &json!({})).await;
    assert_eq!(status, 200, "{read}");
    // A browser signs in and out.
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = browser.post(format!("{base}/sign-in")).form(&[("token", operator.as_str())]);
    let signed_in = form.header("origin", &base).send().await.unwrap();
    assert_eq!(signed_in.status(), 303);
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = browser.get(format!("{base}/t/acme/runs")).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(page.status(), 200);
    // An owner makes a token and revokes it, and what was done gets into the log.
    let (status, made) =
        site.post(&base, "/tokens", &owner, &json!({"role": "readonly", "principal": "ria"})).await;
    assert_eq!(status, 201, "{made}");
    let id = made["token_id"].as_str().unwrap();
    let url = format!("{base}/v1/tenants/acme/tokens/{id}");
    assert_eq!(site.http.delete(url).bearer_auth(&owner).send().await.unwrap().status(), 200);
    let told = async {
        loop {
            let (status, events) = get(&site, &base, "/admin/events?type=TokenRevoked", &owner).await;
            assert_eq!(status, 200, "{events}");
            if events["events"][0]["data"]["token_id"] == *id {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the relay takes it to the log");
    // The sweeper presumes a stuck run failed.
    let (_, stuck) = site.post(&base, "/runs", &producer, &json!({"kind": "stuck", "context": {}})).await;
    let next = stuck["position"].as_u64().unwrap() + 1;
    let path = format!("/runs/{}?after={next}", stuck["run_id"].as_str().unwrap());
    let presumed = async {
        loop {
            let (status, row) = get(&site, &base, &path, &operator).await;
            if status == 200 {
                return row;
            }
        }
    };
    let row = tokio::time::timeout(PATIENCE, presumed).await.expect("the sweeper finds it");
    assert_eq!((&row["status"], &row["reason_code"]), (&json!("failed"), &json!("stale")), "{row}");
    // The sampler's comparison, and a run folded anew.
    let verified = site.run(&["projector", "verify", "--run", &run]).await;
    assert!(verified.contains("are as the log says"), "{verified}");
    site.run(&["projector", "rebuild", "--run", &run]).await;

    let db = sqlx::PgPool::connect(&site.url()).await.unwrap();
    let before: String = events(&db).await;
    for statement in FORBIDDEN {
        let error = sqlx::raw_sql(statement).execute(&db).await.expect_err(statement);
        let code = error.as_database_error().and_then(|error| error.code()).unwrap().into_owned();
        assert_eq!(code, "42501", "{statement}: {error}");
    }
    // The head moves forwards only, whoever moves it.
    let error = sqlx::raw_sql("UPDATE log.head SET position = 0").execute(&db).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23001", "{error}");
    assert_eq!(events(&db).await, before);
    db.close().await;

    // What is for the owner is refused, and says so.
    for args in [
        &["token", "create", "--tenant", "acme", "--role", "owner", "--principal", "x"][..],
        &["tenant", "create", "other"],
        &["policy", "remove", "--tenant", "acme", "--kind", "stuck"],
        &["projector", "rebuild"],
        &["migrate"],
    ] {
        let said = site.refused(args).await;
        assert!(said.contains("permission denied") || said.contains("may not"), "{args:?}: {said}");
        assert!(said.contains("owner of the tables"), "{args:?}: {said}");
    }

    // A rebuild by the owner leaves whoever serves their rights.
    site.connect_as("owner");
    site.run(&["projector", "rebuild"]).await;
    a_run(&site, &base, &producer).await;
    hears_of_a_run(&site, &base, &producer).await;
    let body = readyz_until(&site, &base, "ready", |status, _| status == 200).await;
    assert_eq!(body["missing"], json!([]), "{body}");
    assert!(terminated(api).await);
    site.postgres.stop().await.unwrap();
}

async fn events(db: &sqlx::PgPool) -> String {
    sqlx::query_scalar("SELECT md5(string_agg(e::text, '')) FROM log.events AS e")
        .fetch_one(db)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_user_who_could_change_the_log_is_not_called_bound() {
    let mut site = Site::start().await;
    site.sql("CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'owner'; ALTER DATABASE runledger OWNER TO owner")
        .await;
    site.connect_as("owner");
    let said = site.refused(&["migrate", "--serve-role", "owner"]).await;
    assert!(
        said.contains("owner is not bound by the log's guards: it has the rights of the owner"),
        "{said}"
    );
    site.sql("CREATE ROLE boss SUPERUSER LOGIN").await;
    let said = site.refused(&["migrate", "--serve-role", "boss"]).await;
    assert!(said.contains("boss is not bound by the log's guards: it is a superuser"), "{said}");
    // Rights that were given by hand are taken back.
    site.run(&["migrate", "--serve-role", "app"]).await;
    site.sql("GRANT UPDATE, DELETE, TRUNCATE, TRIGGER ON log.events TO runledger_serve; GRANT CREATE ON SCHEMA log TO PUBLIC").await;
    site.run(&["migrate"]).await;
    let db = sqlx::PgPool::connect(&site.postgres.url()).await.unwrap();
    let left: bool = sqlx::query_scalar(
        "SELECT has_table_privilege('app', 'log.events', 'UPDATE') OR has_table_privilege('app', 'log.events', 'DELETE')
            OR has_table_privilege('app', 'log.events', 'TRUNCATE') OR has_table_privilege('app', 'log.events', 'TRIGGER')
            OR has_schema_privilege('app', 'log', 'CREATE')",
    )
    .fetch_one(&db)
    .await
    .unwrap();
    assert!(!left);
    db.close().await;
    site.postgres.stop().await.unwrap();
}
