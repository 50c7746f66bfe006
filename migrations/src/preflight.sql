-- What a database user lacks for the first migrations, on a database that has not seen them yet: each row says what,
-- and gives the statement that mends it.
WITH me AS (
    SELECT oid, rolname, rolsuper, rolcreaterole FROM pg_roles WHERE rolname = session_user
), readers AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname IN ('runledger_api', 'runledger_live')
), missing (step, what, mend) AS (
    SELECT 1, format('the database user %s lacks CREATEROLE, which making the roles that read needs', rolname),
        format('ALTER ROLE %I CREATEROLE; -- for the first migration; NOCREATEROLE takes it away again', rolname)
    FROM me WHERE NOT rolcreaterole
    UNION ALL
    -- Since Postgres 16 CREATEROLE is no right over roles that others made.
    SELECT 2, format('the role %s is there already, and the database user %s may not give it to itself', r.rolname, me.rolname),
        format('GRANT %I TO %I WITH ADMIN OPTION;', r.rolname, me.rolname)
    FROM me CROSS JOIN readers AS r
    WHERE current_setting('server_version_num')::int >= 160000
      AND NOT pg_has_role(me.oid, r.oid, 'MEMBER WITH ADMIN OPTION')
    UNION ALL
    SELECT 3, format('the database user %s may not make schemas in the database', rolname),
        format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), rolname)
    FROM me WHERE NOT has_database_privilege(oid, current_database(), 'CREATE')
    UNION ALL
    SELECT 4, format('the database user %s may not make tables in the schema public', rolname),
        format('GRANT CREATE ON SCHEMA public TO %I;', rolname)
    FROM me WHERE NOT has_schema_privilege(oid, 'public', 'CREATE')
)
SELECT what, mend FROM missing, me
WHERE NOT rolsuper AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'policy')
ORDER BY step
