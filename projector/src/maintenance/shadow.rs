//! Shadow tables, beside the live ones: made from the catalog, so that whatever a migration gave to the live ones,
//! these have it too, under the same names, and of the same owner.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::error::ProjectorError;
use crate::tables::{Schema, Tables};

/// Not copied and not compared: it says how far the others have come.
const CHECKPOINTS: &str = "checkpoints";

/// The statements that make the tables of `projection` in another schema, in order. The search path must
/// be empty, so that Postgres writes all names in full.
const COPY: &str = "
    WITH t AS (
        SELECT c.* FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'projection' AND c.relkind = 'r'
    ), statement (step, place, text) AS (
        SELECT 1, relname, format('CREATE TABLE %I.%I (LIKE projection.%I INCLUDING ALL EXCLUDING INDEXES)', $1, relname, relname)
        FROM t
        UNION ALL
        SELECT 2, relname, format('ALTER TABLE %I.%I SET (%s)', $1, relname, array_to_string(reloptions, ', '))
        FROM t WHERE reloptions IS NOT NULL
        UNION ALL
        SELECT CASE contype WHEN 'f' THEN 4 ELSE 3 END, conname,
            format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', $1, relname, conname,
                replace(pg_get_constraintdef(k.oid), ' projection.', format(' %I.', $1)))
        FROM t JOIN pg_constraint AS k ON k.conrelid = t.oid WHERE contype IN ('p', 'u', 'x', 'f')
        UNION ALL
        SELECT 5, relname, replace(pg_get_indexdef(i.indexrelid), ' ON projection.', format(' ON %I.', $1))
        FROM t JOIN pg_index AS i ON i.indrelid = t.oid
        WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.conrelid = t.oid)
        UNION ALL
        SELECT 6, tgname, replace(pg_get_triggerdef(g.oid), ' ON projection.', format(' ON %I.', $1))
        FROM t JOIN pg_trigger AS g ON g.tgrelid = t.oid WHERE NOT tgisinternal
        UNION ALL
        SELECT 7, relname, format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', $1, relname)
        FROM t WHERE relrowsecurity
        UNION ALL
        SELECT 8, policyname, format('CREATE POLICY %I ON %I.%I AS %s FOR %s TO %s', policyname, $1, tablename,
                permissive, cmd, (SELECT string_agg(quote_ident(r), ', ') FROM unnest(roles) AS r))
            || COALESCE(' USING (' || qual || ')', '') || COALESCE(' WITH CHECK (' || with_check || ')', '')
        FROM pg_policies WHERE schemaname = 'projection'
        UNION ALL
        SELECT 9, relname || to_char(nth, ' 0000'), format('GRANT %s ON %I.%I TO %s', privilege_type, $1, relname,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
        FROM t, aclexplode(relacl) WITH ORDINALITY AS acl (grantor, grantee, privilege_type, is_grantable, nth)
        WHERE grantee <> relowner
        UNION ALL
        SELECT 10, relname || ' ' || attname, format('ALTER TABLE %I.%I ALTER COLUMN %I SET STATISTICS %s', $1, relname,
            attname, attstattarget)
        FROM t JOIN pg_attribute AS a ON a.attrelid = t.oid
        WHERE attnum > 0 AND NOT attisdropped AND attstattarget >= 0
        UNION ALL
        -- Foreign keys are checked in the owner's name, and an owner must be allowed to have tables there.
        SELECT DISTINCT 11, pg_get_userbyid(relowner), format('GRANT ALL ON SCHEMA %I TO %I', $1, pg_get_userbyid(relowner))
        FROM t WHERE pg_get_userbyid(relowner) <> current_user
        UNION ALL
        SELECT 12, relname, format('ALTER TABLE %I.%I OWNER TO %I', $1, relname, pg_get_userbyid(relowner))
        FROM t WHERE pg_get_userbyid(relowner) <> current_user
    )
    SELECT text FROM statement ORDER BY step, place";

/// Makes the shadow tables, empty, at position 0. `made_by` is kept with them. Their fencing tokens begin with a
/// time, so that no process which filled tables of this name before has one of these.
pub(super) async fn create(tables: &Tables, made_by: &str) -> Result<(), ProjectorError> {
    let schema = tables.schema().name();
    let mut tx = tables.begin().await?;
    run(
        &mut tx,
        format!("SET LOCAL search_path = ''; DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"),
    )
    .await?;
    let statements: Vec<String> = sqlx::query_scalar(COPY).bind(schema).fetch_all(&mut *tx).await?;
    for statement in statements {
        run(&mut tx, statement).await?;
    }
    run(
        &mut tx,
        format!(
            "INSERT INTO {schema}.{CHECKPOINTS} (name, position, fence)
             VALUES ('monitoring', 0, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"
        ),
    )
    .await?;
    // A statement of this kind takes no parameters.
    let quoted = made_by.replace('\'', "''");
    run(&mut tx, format!("COMMENT ON SCHEMA {schema} IS '{quoted}'")).await?;
    Ok(tx.commit().await?)
}

/// What [`create`] was told, if the tables are there.
pub(super) async fn made_by(tables: &Tables) -> Result<Option<String>, ProjectorError> {
    let comment = sqlx::query_scalar!(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = $1",
        tables.schema().name()
    );
    Ok(comment.fetch_optional(tables.pool()).await?.flatten())
}

/// Removes the shadow tables, if they are there.
pub(super) async fn remove(tables: &Tables) -> Result<(), ProjectorError> {
    let mut tx = tables.begin().await?;
    run(&mut tx, format!("DROP SCHEMA IF EXISTS {} CASCADE", tables.schema().name())).await?;
    Ok(tx.commit().await?)
}

/// Locks the shadow tables' checkpoint until the transaction ends, before a swap. Gives their position and fencing
/// token; none where another process has removed the tables.
pub(super) async fn lock_for_swap(
    db: &mut PgConnection,
    schema: Schema,
) -> Result<Option<(i64, i64)>, ProjectorError> {
    let schema = schema.name();
    let there: Option<String> = sqlx::query_scalar("SELECT to_regclass($1)::text")
        .bind(format!("{schema}.{CHECKPOINTS}"))
        .fetch_one(&mut *db)
        .await?;
    if there.is_none() {
        return Ok(None);
    }
    let sql =
        format!("SELECT position, fence FROM {schema}.{CHECKPOINTS} WHERE name = 'monitoring' FOR UPDATE");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).fetch_optional(db).await?)
}

/// Lets Postgres count the rows, so that it reads the tables well from the first query on.
pub(super) async fn analyze(tables: &Tables) -> Result<(), ProjectorError> {
    for table in names(&mut *tables.begin().await?).await? {
        let sql = format!("ANALYZE {}.{table}", tables.schema().name());
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(tables.pool()).await?;
    }
    Ok(())
}

/// Swaps the shadow tables in for the live ones, which are gone at the commit. The live checkpoint stays, and with it
/// the holder of the lease.
pub(super) async fn swap_in(db: &mut PgConnection, from: Schema) -> Result<(), ProjectorError> {
    let (live, from) = (Schema::Live.name(), from.name());
    let tables = names(&mut *db).await?;
    let old: Vec<String> = tables.iter().map(|table| format!("{live}.{table}")).collect();
    run(db, format!("DROP TABLE {}", old.join(", "))).await?;
    for table in tables {
        run(db, format!("ALTER TABLE {from}.{table} SET SCHEMA {live}")).await?;
    }
    run(db, format!("DROP SCHEMA {from} CASCADE")).await
}

/// The names of the read tables.
pub(super) async fn names(db: &mut PgConnection) -> Result<Vec<String>, ProjectorError> {
    let rows = sqlx::query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'projection' AND tablename <> $1 ORDER BY 1")
        .bind(CHECKPOINTS)
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// Runs a statement that we wrote, with names from the catalog only.
pub(super) async fn run(db: &mut PgConnection, sql: String) -> Result<(), ProjectorError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await?;
    Ok(())
}
