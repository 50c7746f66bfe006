-- The API reads as a role of its own, which sees only the rows of the tenant that the transaction
-- names in the setting runledger.tenant. Every query also names the tenant; this is the second lock.

DO $$
BEGIN
    CREATE ROLE runledger_api NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- Roles belong to the whole server: another database of ours made it.
END
$$;

DO $$
BEGIN
    EXECUTE format('GRANT runledger_api TO %I', current_user);
EXCEPTION WHEN unique_violation OR object_in_use THEN
    NULL; -- Another database of ours granted it at this moment.
END
$$;

-- Tokens are looked up by the program's own role, and dead letters have no tenant that a policy could
-- ask for.
GRANT USAGE ON SCHEMA projection TO runledger_api;
GRANT SELECT ON ALL TABLES IN SCHEMA projection TO runledger_api;
REVOKE SELECT ON projection.dead_letters FROM runledger_api;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY[
        'runs', 'run_labels', 'run_items', 'run_events', 'notifications', 'run_counts', 'run_hours'
    ] LOOP
        EXECUTE format('ALTER TABLE projection.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format(
            'CREATE POLICY of_the_tenant ON projection.%I FOR SELECT TO runledger_api '
            'USING (tenant = current_setting(''runledger.tenant'', true))', t);
    END LOOP;
END
$$;
