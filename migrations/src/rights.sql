-- What is missing of the rights that the ledger lives by, with the statement that mends it, in an order in which
-- the statements can be run. The only place that says what the rights are: `migrate` mends by it, `serve` and
-- `/readyz` look by it. $1: a database user that is to serve without owning anything, or NULL; whoever is connected
-- is looked at in any case.
--
-- Three roles carry the rights. `runledger_api` reads, under row-level security, what belongs to the tenant that the
-- transaction names. `runledger_live` reads, for all tenants, what is told on live streams, and no more.
-- `runledger_serve` is for users who serve and own nothing: it appends, projects and reads, and can't change what is in
-- the log. It is there only where somebody asked for it.
WITH
roles AS (
    SELECT oid, rolname::text AS name, rolsuper, rolbypassrls FROM pg_roles
), reading (name, purpose) AS (
    VALUES ('runledger_api', 'as which the API reads'), ('runledger_live', 'as which live streams are fed')
), readers AS (
    SELECT * FROM roles WHERE name = 'runledger_api'
), live AS (
    SELECT * FROM roles WHERE name = 'runledger_live'
), servers AS (
    SELECT * FROM roles WHERE name = 'runledger_serve'
), programs AS (
    SELECT * FROM roles WHERE name IN (session_user::text, $1)
), becoming AS (
    -- Until Postgres 16 every member of a role could become it.
    SELECT CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END AS needs
), tables AS (
    SELECT c.oid, n.nspname AS schema, c.relname AS name, format('%I.%I', n.nspname, c.relname) AS full_name,
        c.relowner AS owner, c.relacl AS acl, c.relrowsecurity AS secured,
        n.nspname IN ('projection', 'policy') AND EXISTS (
            SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
        ) AS of_tenants
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND (
        n.nspname IN ('log', 'access', 'policy', 'projection', 'ledger', 'administration', 'seal', 'inlet')
        OR (n.nspname = 'public' AND c.relname = '_sqlx_migrations')
    )
), serving AS (
    -- Whether this database's log is served by others than its owner, or is to be.
    SELECT $1::text IS NOT NULL OR EXISTS (
        SELECT FROM tables, aclexplode(acl) AS granted, servers
        WHERE full_name = 'log.events' AND granted.grantee = servers.oid
    ) AS wanted
),

-- The rights. What is not here is not given, and is taken back.
rights (role, schema, name, privileges) AS (
    VALUES
        ('runledger_api', 'projection', '*', 'SELECT'),
        ('runledger_api', 'policy', '*', 'SELECT'),
        ('runledger_live', 'projection', 'runs', 'SELECT'),
        ('runledger_live', 'projection', 'run_events', 'SELECT'),
        ('runledger_live', 'projection', 'run_children', 'SELECT'),
        ('runledger_live', 'projection', 'notifications', 'SELECT'),
        ('runledger_live', 'projection', 'checkpoints', 'SELECT'),
        ('runledger_live', 'projection', 'dead_letters', 'SELECT'),
        ('runledger_serve', 'log', 'events', 'SELECT, INSERT'),
        ('runledger_serve', 'log', 'head', 'SELECT, UPDATE'),
        ('runledger_serve', 'log', 'source', 'SELECT, INSERT, UPDATE'),
        ('runledger_serve', 'log', 'copies', 'SELECT'),
        ('runledger_serve', 'access', 'tenants', 'SELECT'),
        ('runledger_serve', 'access', 'tokens', 'SELECT'),
        ('runledger_serve', 'administration', 'changes', 'SELECT, INSERT, DELETE'),
        ('runledger_serve', 'administration', 'admin_streams', 'SELECT, INSERT, UPDATE'),
        ('runledger_serve', 'access', 'sessions', 'SELECT, INSERT, DELETE'),
        ('runledger_serve', 'access', 'sign_in_links', 'SELECT, INSERT, DELETE'),
        ('runledger_serve', 'policy', '*', 'SELECT'),
        ('runledger_serve', 'projection', '*', 'SELECT, INSERT, UPDATE, DELETE'),
        ('runledger_serve', 'ledger', '*', 'SELECT'),
        ('runledger_serve', 'ledger', 'sampler', 'UPDATE'),
        ('runledger_serve', 'seal', '*', 'SELECT, INSERT, UPDATE'),
        ('runledger_serve', 'seal', 'findings', 'DELETE'),
        ('runledger_serve', 'inlet', 'inlets', 'SELECT'),
        ('runledger_serve', 'inlet', 'runs', 'SELECT, INSERT, UPDATE'),
        ('runledger_serve', 'inlet', 'received', 'SELECT, INSERT, UPDATE, DELETE'),
        ('runledger_serve', 'inlet', 'set_aside', 'SELECT, INSERT, DELETE'),
        ('runledger_serve', 'public', '_sqlx_migrations', 'SELECT')
), calls (oid, name) AS (
    -- What runledger_serve does with its owner's rights, and nobody else may.
    SELECT p.oid, p.oid::regprocedure::text FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'administration' AND p.proname IN ('make_token', 'revoke_token', 'tell_of_expired_tokens', 'make_inlet', 'revoke_inlet')
), privileges (place, privilege) AS (
    VALUES (1, 'SELECT'), (2, 'INSERT'), (3, 'UPDATE'), (4, 'DELETE'), (5, 'TRUNCATE'), (6, 'REFERENCES'),
        (7, 'TRIGGER')
), policies (name, role, command, code, condition) AS (
    VALUES
        ('of_the_tenant', 'runledger_api', 'SELECT', 'r', 'tenant = current_setting(''runledger.tenant'', true)'),
        ('of_all_tenants_for_live', 'runledger_live', 'SELECT', 'r', 'true'),
        ('of_all_tenants', 'runledger_serve', 'ALL', '*', 'true')
), guards (tab, name, definition, always) AS (
    VALUES
        ('log.events', 'events_are_append_only',
            'BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change()', true),
        ('log.head', 'head_moves_forwards',
            'BEFORE UPDATE ON log.head FOR EACH ROW EXECUTE FUNCTION log.refuse_backwards_head()', true),
        ('log.head', 'head_stays',
            'BEFORE DELETE OR TRUNCATE ON log.head FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change()', true),
        -- What is done to the administration becomes history by these.
        ('access.tenants', 'changes_are_told',
            'AFTER INSERT OR UPDATE OR DELETE ON access.tenants FOR EACH ROW EXECUTE FUNCTION administration.tell_of_tenant()', false),
        ('access.tokens', 'changes_are_told',
            'AFTER INSERT OR UPDATE OR DELETE ON access.tokens FOR EACH ROW EXECUTE FUNCTION administration.tell_of_token()', false),
        ('inlet.inlets', 'changes_are_told',
            'AFTER INSERT OR UPDATE OR DELETE ON inlet.inlets FOR EACH ROW EXECUTE FUNCTION administration.tell_of_inlet()', false),
        ('policy.stale_policies', 'changes_are_told',
            'AFTER INSERT OR UPDATE OR DELETE ON policy.stale_policies FOR EACH ROW EXECUTE FUNCTION administration.tell_of_policy()', false),
        ('ledger.idempotency', 'changes_are_told',
            'AFTER UPDATE OF secret ON ledger.idempotency FOR EACH ROW EXECUTE FUNCTION administration.tell_of_ledger()', false),
        ('ledger.identity', 'changes_are_told',
            'AFTER UPDATE OF epoch ON ledger.identity FOR EACH ROW EXECUTE FUNCTION administration.tell_of_ledger()', false),
        ('access.tenants', 'no_truncate',
            'BEFORE TRUNCATE ON access.tenants FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate()', false),
        ('access.tokens', 'no_truncate',
            'BEFORE TRUNCATE ON access.tokens FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate()', false),
        ('inlet.inlets', 'no_truncate',
            'BEFORE TRUNCATE ON inlet.inlets FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate()', false),
        ('policy.stale_policies', 'no_truncate',
            'BEFORE TRUNCATE ON policy.stale_policies FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate()', false)
),

-- The roles that this database uses, as far as they are there.
grantees AS (
    SELECT * FROM readers
    UNION ALL
    SELECT * FROM live
    UNION ALL
    SELECT servers.* FROM servers, serving WHERE wanted
), given AS (
    SELECT g.name AS role, t.schema, t.full_name, p.place, p.privilege,
        EXISTS (
            SELECT FROM rights AS r
            WHERE r.role = g.name AND r.schema = t.schema AND r.name IN ('*', t.name)
              AND p.privilege = ANY (string_to_array(r.privileges, ', '))
              -- What is held back has no tenant that a policy could ask for.
              AND NOT (g.name = 'runledger_api' AND t.full_name = 'projection.dead_letters')
        ) AS wanted,
        has_table_privilege(g.oid, t.oid, p.privilege) AS held
    FROM grantees AS g CROSS JOIN tables AS t CROSS JOIN privileges AS p
    -- An owner's rights come and go with the ownership, which is looked at below.
    WHERE NOT g.rolsuper AND g.oid <> t.owner
), owners AS (
    SELECT p.*, EXISTS (
        SELECT FROM tables AS t WHERE t.full_name = 'log.events' AND pg_has_role(p.oid, t.owner, 'USAGE')
    ) AS owner
    FROM programs AS p
),
lacks AS (
    SELECT p.name, string_agg(w.privilege, '/' ORDER BY w.place) || ' on ' || t.full_name AS lack
    FROM owners AS p CROSS JOIN tables AS t
        JOIN rights AS r ON r.role = 'runledger_serve' AND r.schema = t.schema AND r.name IN ('*', t.name)
        JOIN privileges AS w ON w.privilege = ANY (string_to_array(r.privileges, ', '))
    WHERE NOT p.rolsuper AND p.name IS DISTINCT FROM $1 AND NOT (
        has_schema_privilege(p.oid, t.schema, 'USAGE') AND has_table_privilege(p.oid, t.oid, w.privilege)
    )
    GROUP BY p.name, t.full_name
    UNION ALL
    SELECT p.name, 'EXECUTE on ' || c.name
    FROM owners AS p CROSS JOIN calls AS c
    WHERE NOT p.rolsuper AND p.name IS DISTINCT FROM $1 AND NOT has_function_privilege(p.oid, c.oid, 'EXECUTE')
    UNION ALL
    SELECT p.name, 'sight of the tenants'' rows in ' || t.full_name
    FROM owners AS p CROSS JOIN tables AS t LEFT JOIN servers AS s ON true
    WHERE t.of_tenants AND t.secured AND NOT p.rolsuper AND NOT p.rolbypassrls AND p.name IS DISTINCT FROM $1
      AND NOT pg_has_role(p.oid, t.owner, 'USAGE') AND NOT COALESCE(pg_has_role(p.oid, s.oid, 'USAGE'), false)
),

missing (step, concern, what, mend) AS (
    SELECT 1, 'readers', format('the role %s, %s, does not exist', name, purpose),
        format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', name)
    FROM reading WHERE name NOT IN (SELECT name FROM roles)
    UNION ALL
    SELECT 1, 'program', 'the role runledger_serve, which gives the right to serve, does not exist',
        'CREATE ROLE runledger_serve NOLOGIN'
    FROM serving WHERE wanted AND NOT EXISTS (SELECT FROM servers)
    UNION ALL
    SELECT 1, 'program', format('the database user %s does not exist', $1::text), format('CREATE ROLE %I LOGIN', $1::text)
    WHERE $1::text NOT IN (SELECT name FROM roles)
    UNION ALL
    SELECT 2, 'readers', format('the role %s passes over row-level security', name),
        format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS', name)
    FROM reading JOIN roles USING (name) WHERE rolsuper OR rolbypassrls
    UNION ALL
    SELECT 2, 'readers', format('%s may read as %s, which sees all tenants', r.name, l.name),
        format('REVOKE %I FROM %I', l.name, r.name)
    FROM readers AS r CROSS JOIN live AS l
    WHERE NOT r.rolsuper AND pg_has_role(r.oid, l.oid, 'MEMBER')
    UNION ALL
    SELECT 3, 'readers', format('%s may not read as %s', p.name, wanted.name),
        format('GRANT %I TO %I', wanted.name, p.name)
    FROM (
        SELECT oid, name FROM programs WHERE NOT rolsuper AND name IS DISTINCT FROM $1
        UNION SELECT oid, name FROM grantees WHERE name = 'runledger_serve'
    ) AS p CROSS JOIN becoming CROSS JOIN reading AS wanted LEFT JOIN roles AS r ON r.name = wanted.name
    WHERE NOT COALESCE(pg_has_role(p.oid, r.oid, needs), false)
    UNION ALL
    SELECT 4, 'program', format('the database user %s is not in runledger_serve', p.name),
        format('GRANT runledger_serve TO %I', p.name)
    FROM programs AS p LEFT JOIN servers AS s ON true
    WHERE p.name = $1 AND NOT COALESCE(pg_has_role(p.oid, s.oid, 'USAGE'), false)
    UNION ALL
    SELECT 5, 'program', format('the database user %s is not bound by the log''s guards: %s', p.name,
            CASE WHEN p.rolsuper THEN 'it is a superuser' ELSE 'it has the rights of the owner' END),
        '-- name another user with --serve-role: no guard binds superusers and owners'
    FROM owners AS p WHERE p.name = $1 AND (p.rolsuper OR p.owner)
    UNION ALL
    SELECT 6, CASE g.name WHEN 'runledger_serve' THEN 'program' ELSE 'readers' END,
        format('the role %s may not enter the schema %s', g.name, n.nspname),
        format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, g.name)
    FROM grantees AS g JOIN pg_namespace AS n ON n.nspname IN (SELECT schema FROM rights WHERE role = g.name)
    WHERE NOT has_schema_privilege(g.oid, n.oid, 'USAGE')
    UNION ALL
    SELECT 6, CASE g.name WHEN 'runledger_serve' THEN 'program' ELSE 'readers' END,
        format('the role %s may make things of its own in the schema %s', g.name, n.nspname),
        format('REVOKE CREATE ON SCHEMA %I FROM %I, PUBLIC', n.nspname, g.name)
    FROM grantees AS g JOIN pg_namespace AS n ON n.nspname IN ('log', 'access', 'policy', 'projection', 'ledger', 'administration', 'seal', 'inlet')
    WHERE NOT g.rolsuper AND has_schema_privilege(g.oid, n.oid, 'CREATE')
    UNION ALL
    SELECT 6, 'program', format('the role runledger_serve lacks %s on the database', wanted),
        format('GRANT %s ON DATABASE %I TO runledger_serve', wanted, current_database())
    FROM grantees AS g CROSS JOIN unnest(ARRAY['CONNECT', 'TEMPORARY']) AS wanted
    WHERE g.name = 'runledger_serve' AND NOT has_database_privilege(g.oid, current_database(), wanted)
    UNION ALL
    SELECT 7, CASE role WHEN 'runledger_serve' THEN 'program' ELSE 'readers' END,
        format('the role %s lacks %s on %s', role, string_agg(privilege, ', ' ORDER BY place), full_name),
        format('GRANT %s ON %s TO %I', string_agg(privilege, ', ' ORDER BY place), full_name, role)
    FROM given WHERE wanted AND NOT held GROUP BY role, full_name
    UNION ALL
    SELECT 7, CASE role WHEN 'runledger_serve' THEN 'program' ELSE 'readers' END,
        format('the role %s has %s on %s and must not', role, string_agg(privilege, ', ' ORDER BY place), full_name),
        format('REVOKE %s ON %s FROM %I, PUBLIC', string_agg(privilege, ', ' ORDER BY place), full_name, role)
    FROM given WHERE held AND NOT wanted GROUP BY role, full_name
    UNION ALL
    SELECT 7, 'program', format('the role runledger_serve may not call %s', c.name),
        format('GRANT EXECUTE ON FUNCTION %s TO runledger_serve', c.name)
    FROM grantees AS g CROSS JOIN calls AS c
    WHERE g.name = 'runledger_serve' AND NOT has_function_privilege(g.oid, c.oid, 'EXECUTE')
    UNION ALL
    SELECT 7, 'readers', format('the role %s may call %s, which changes tokens or inlets', g.name, c.name),
        format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, %I', c.name, g.name)
    FROM grantees AS g CROSS JOIN calls AS c
    WHERE g.name <> 'runledger_serve' AND NOT g.rolsuper AND has_function_privilege(g.oid, c.oid, 'EXECUTE')
    UNION ALL
    SELECT 8, 'readers', format('row-level security is off for %s', full_name),
        format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', full_name)
    FROM tables WHERE of_tenants AND NOT secured
    UNION ALL
    SELECT 8, 'readers', format('row-level security does not hold for %s on %s: it has its owner''s rights', r.name, full_name),
        CASE t.owner WHEN r.oid THEN format('ALTER TABLE %s OWNER TO CURRENT_USER', full_name)
            ELSE format('REVOKE %I FROM %I', pg_get_userbyid(t.owner), r.name) END
    FROM tables AS t CROSS JOIN (SELECT roles.* FROM reading JOIN roles USING (name)) AS r
    WHERE of_tenants AND NOT r.rolsuper AND pg_has_role(r.oid, t.owner, 'USAGE')
    UNION ALL
    SELECT 9, CASE g.name WHEN 'runledger_serve' THEN 'program' ELSE 'readers' END,
        format('the policy %s of %s is missing, or another than it should be', w.name, t.full_name),
        format('DROP POLICY IF EXISTS %I ON %s; CREATE POLICY %I ON %s FOR %s TO %I USING (%s)',
            w.name, t.full_name, w.name, t.full_name, w.command, w.role, w.condition)
    FROM tables AS t CROSS JOIN policies AS w JOIN grantees AS g ON g.name = w.role
    WHERE t.of_tenants AND EXISTS (
        SELECT FROM rights AS r WHERE r.role = w.role AND r.schema = t.schema AND r.name IN ('*', t.name)
    ) AND NOT EXISTS (
        SELECT FROM pg_policy AS p
        WHERE p.polrelid = t.oid AND p.polname = w.name AND p.polpermissive AND p.polcmd = w.code::"char"
          AND p.polroles = ARRAY[g.oid]
          -- As Postgres writes it, but for brackets, blanks and casts.
          AND regexp_replace(pg_get_expr(p.polqual, p.polrelid), '::text|[() ]', '', 'g')
              = regexp_replace(w.condition, '[() ]', '', 'g')
    )
    UNION ALL
    SELECT 10, 'readers', format('the policy %s of %s lets runledger_api see more than the tenant''s rows', p.polname, t.full_name),
        format('DROP POLICY %I ON %s', p.polname, t.full_name)
    FROM tables AS t JOIN pg_policy AS p ON p.polrelid = t.oid CROSS JOIN readers AS r LEFT JOIN live AS l ON true
    WHERE t.of_tenants AND NOT r.rolsuper AND p.polpermissive AND p.polcmd IN ('r', '*') AND p.polname <> 'of_the_tenant'
      AND EXISTS (
          SELECT FROM unnest(p.polroles) AS for_role
          -- That of runledger_live must be there: whoever should not have it is taken out of the role.
          WHERE for_role = 0 OR (for_role IS DISTINCT FROM l.oid AND pg_has_role(r.oid, for_role, 'USAGE'))
      )
    UNION ALL
    SELECT 11, 'history', format('the guard %s of %s is missing', w.name, w.tab),
        format('CREATE TRIGGER %I %s', w.name, w.definition)
            || CASE WHEN always THEN format('; ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', w.tab, w.name) ELSE '' END
    FROM guards AS w JOIN tables AS t ON t.full_name = w.tab
    WHERE NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = t.oid AND g.tgname = w.name)
    UNION ALL
    SELECT 11, 'history', format('the guard %s of %s can be passed', w.name, w.tab),
        format('ALTER TABLE %s ENABLE %s TRIGGER %I', w.tab, CASE WHEN always THEN 'ALWAYS' ELSE '' END, w.name)
    FROM guards AS w JOIN tables AS t ON t.full_name = w.tab JOIN pg_trigger AS g ON g.tgrelid = t.oid AND g.tgname = w.name
    WHERE g.tgenabled <> 'A' AND (always OR g.tgenabled <> 'O')
    UNION ALL
    -- Whoever serves needs the rights of runledger_serve, by whatever way.
    SELECT 12, 'program', format('the database user %s lacks %s', name, string_agg(lack, ', ' ORDER BY lack)),
        CASE WHEN wanted THEN format('GRANT runledger_serve TO %I', name)
            ELSE format('-- `runledger migrate --serve-role %s`, as the owner of the tables', name) END
    FROM lacks, serving GROUP BY name, wanted
)
SELECT concern, what, mend || CASE WHEN mend LIKE '--%' THEN '' ELSE ';' END AS mend FROM missing ORDER BY step, what
