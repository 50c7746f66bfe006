-- The task that feeds live streams reads for all tenants at once, so far as the user that serves, which may write and
-- sees the log. From here on it reads as a role of its own: only the tables it needs, all tenants' rows in them.
--
-- The user that migrates an existing ledger may have lost CREATEROLE since the first migration, as it is allowed to.
-- Then what this file can't do is left to src/rights.sql, which runs after it and names the statements for a superuser.

DO $$
BEGIN
    CREATE ROLE runledger_live NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
    NULL; -- Roles belong to the whole server: another database of ours may have made it.
END
$$;

DO $$
BEGIN
    EXECUTE format('GRANT runledger_live TO %I', current_user);
EXCEPTION WHEN undefined_object OR unique_violation OR object_in_use OR insufficient_privilege THEN
    NULL; -- Another database of ours may have granted it at this moment.
END
$$;

-- A policy needs its table for itself. All reads begin with a lock on the checkpoints, and the projector's writes do,
-- too: while this waits it holds none of the tables, so it can't deadlock with them.
LOCK TABLE projection.checkpoints IN ACCESS EXCLUSIVE MODE;

DO $$
DECLARE
    t text;
BEGIN
    IF to_regrole('runledger_live') IS NULL THEN
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA projection TO runledger_live;
    GRANT SELECT ON projection.runs, projection.run_events, projection.notifications, projection.checkpoints,
        projection.dead_letters TO runledger_live;
    FOREACH t IN ARRAY ARRAY['runs', 'run_events', 'notifications'] LOOP
        EXECUTE format(
            'CREATE POLICY of_all_tenants_for_live ON projection.%I FOR SELECT TO runledger_live USING (true)', t);
    END LOOP;
END
$$;
