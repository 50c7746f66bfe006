-- Stuck runs: when a run counts as stalled, and whether the sweeper may then presume it failed.

CREATE SCHEMA policy;

-- Written by `runledger policy`, read by the API and the sweeper. The row of a run's kind counts as a
-- whole; that of the kind '*' counts for the tenant's kinds that have none.
CREATE TABLE policy.stale_policies (
    tenant               text COLLATE "C" NOT NULL REFERENCES access.tenants,
    kind                 text COLLATE "C" NOT NULL CHECK (kind <> ''),
    -- How long a run may wait in the queue; for ever where it is null.
    queued_limit_seconds integer CHECK (queued_limit_seconds > 0),
    -- Whether a run that has been stalled for long enough is presumed failed.
    fail_stale           boolean NOT NULL DEFAULT false,
    updated_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, kind)
);

-- Whether the end of a run was concluded from silence, and whether its real end came after all. A
-- notification says the same of the end that it tells of.
ALTER TABLE projection.runs
    ADD COLUMN presumed   boolean NOT NULL DEFAULT false,
    ADD COLUMN superseded boolean NOT NULL DEFAULT false;
ALTER TABLE projection.notifications
    ADD COLUMN presumed   boolean NOT NULL DEFAULT false,
    ADD COLUMN superseded boolean NOT NULL DEFAULT false;

-- Stalled runs are found among the active ones, which are few, by the index runs_by_status. One on
-- heartbeat_due_at would find them sooner, but that time moves with every event of a run that promised a
-- heartbeat: each event would then write into all indexes of the row.

-- The second lock on the tenant, as for the read tables.
GRANT USAGE ON SCHEMA policy TO runledger_api;
GRANT SELECT ON policy.stale_policies TO runledger_api;
ALTER TABLE policy.stale_policies ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON policy.stale_policies FOR SELECT TO runledger_api
    USING (tenant = current_setting('runledger.tenant', true));
