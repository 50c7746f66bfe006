-- What needs a table for itself waits here, holding none: all reads and the projector's writes begin with a lock on the
-- checkpoints.
LOCK TABLE projection.checkpoints IN ACCESS EXCLUSIVE MODE;

-- Runs are found by the run that they try once more, or go on with: a run's page says by which it was followed.
CREATE INDEX runs_by_retry_of ON projection.runs (tenant, retry_of, queued_at DESC, run_id DESC)
    WHERE retry_of IS NOT NULL;
CREATE INDEX runs_by_resumes ON projection.runs (tenant, resumes, queued_at DESC, run_id DESC)
    WHERE resumes IS NOT NULL;

-- Live streams tell of a run whose parts have come further. What src/rights.sql gives after this as well: with it at once,
-- no process that serves meanwhile finds it missing.
DO $$
BEGIN
    IF to_regrole('runledger_live') IS NULL THEN
        RETURN;
    END IF;
    GRANT SELECT ON projection.run_children TO runledger_live;
    CREATE POLICY of_all_tenants_for_live ON projection.run_children FOR SELECT TO runledger_live USING (true);
END
$$;
