//! A dump has no roles: what is restored from it on another server is short of them, and of all that names them.

use tokio::process::Command;

use super::*;
use crate::support::site::terminated;

/// Dumps the database of one server, and restores it on another as its operator would: errors are only counted.
async fn dump_and_restore(from: &Site, to: &Site) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.dump");
    let dumped =
        Command::new(program("pg_dump")).arg("-Fc").arg("-f").arg(&file).arg(from.postgres.url()).output();
    let dumped = dumped.await.expect("pg_dump is installed with Postgres");
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let restored = Command::new(program("pg_restore"))
        .arg("-d")
        .arg(to.postgres.url())
        .arg(&file)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&restored.stderr).into_owned();
    assert!(said.contains("role \"runledger_api\" does not exist"), "{said}");
}

#[tokio::test]
async fn a_restored_ledger_says_what_it_lacks_until_migrate_has_mended_it() {
    let original = Site::start().await;
    original.run(&["migrate"]).await;
    let producer = token(&original, "producer").await;
    let (api, base) = original.serve(&[]).await;
    let run = a_run(&original, &base, &producer).await;
    assert!(terminated(api).await);

    let site = Site::start().await;
    dump_and_restore(&original, &site).await;
    original.postgres.stop().await.unwrap();

    // Without the role, every read would fail.
    let said = site.refused(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(said.contains("the role runledger_api") && said.contains("does not exist"), "{said}");
    assert!(said.contains("runledger migrate"), "{said}");
    // With the role made by hand, reads would find nothing.
    site.sql("CREATE ROLE runledger_api").await;
    let said = site.refused(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(said.contains("the policy of_the_tenant of projection.runs is missing"), "{said}");
    assert!(said.contains("lacks SELECT on projection.runs"), "{said}");
    // Nor would live streams tell anything.
    assert!(
        said.contains("the role runledger_live, as which live streams are fed, does not exist"),
        "{said}"
    );

    site.run(&["migrate"]).await;
    let (api, base) = site.serve(&[]).await;
    let body = readyz_until(&site, &base, "ready", |status, _| status == 200).await;
    assert_eq!((&body["reads"], &body["missing"]), (&json!("ok"), &json!([])), "{body}");
    let (status, row) = get(&site, &base, &format!("/runs/{run}"), &producer).await;
    assert_eq!((status, &row["run_id"]), (200, &json!(run)), "{row}");
    // The second lock on the tenant holds again.
    let db = sqlx::PgPool::connect(&site.postgres.url()).await.unwrap();
    for (tenant, rows) in [("acme", 1), ("other", 0)] {
        let mut reader = database::begin(&db).await.unwrap();
        sqlx::raw_sql("SET LOCAL ROLE runledger_api").execute(&mut *reader).await.unwrap();
        sqlx::query("SELECT set_config('runledger.tenant', $1, true)")
            .bind(tenant)
            .execute(&mut *reader)
            .await
            .unwrap();
        let seen: i64 =
            sqlx::query_scalar("SELECT count(*) FROM projection.runs").fetch_one(&mut *reader).await.unwrap();
        assert_eq!(seen, rows, "{tenant}");
    }
    db.close().await;
    hears_of_a_run(&site, &base, &producer).await;
    assert!(terminated(api).await);
    site.postgres.stop().await.unwrap();
}
