-- A run may be started under a reference of its producer's, may name runs that it belongs to, and may end with a tally
-- of items that have no names. What was queued before has none of that.
ALTER TABLE projection.runs
    ADD COLUMN ref_source text COLLATE "C",
    ADD COLUMN ref_id text COLLATE "C",
    ADD COLUMN parent_id uuid,
    ADD COLUMN retry_of uuid,
    ADD COLUMN resumes uuid,
    ADD COLUMN items_tallied boolean NOT NULL DEFAULT false;
CREATE INDEX runs_by_parent ON projection.runs (tenant, parent_id, queued_at DESC, run_id DESC)
    WHERE parent_id IS NOT NULL;
CREATE INDEX runs_by_idempotency_key ON projection.runs (tenant, idempotency_key, queued_at DESC, run_id DESC)
    WHERE idempotency_key IS NOT NULL;

-- Which run a reference names. It is known before the run is queued, and it may be a run that another start has made;
-- so it is no column of the run, nor does it name the run by the column that a run's own rows have.
CREATE TABLE projection.run_refs (
    tenant     text   COLLATE "C" NOT NULL,
    ref_id     text   COLLATE "C" NOT NULL,
    ref_source text   COLLATE "C" NOT NULL,
    named_run  uuid   NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (tenant, ref_id, ref_source)
);

-- How many of a run's parts are in each status. A counter as run_counts is: of the parent, which has no row of it.
CREATE TABLE projection.run_children (
    tenant    text   COLLATE "C" NOT NULL,
    parent_id uuid   NOT NULL,
    status    text   COLLATE "C" NOT NULL,
    runs      bigint NOT NULL CHECK (runs >= 0),
    position  bigint NOT NULL,
    PRIMARY KEY (tenant, parent_id, status)
);

-- As projection.run_origin and projection.run_standing, which a program that is not replaced yet goes on using.
CREATE TYPE projection.run_opening AS (
    tenant          text,
    kind            text,
    title           text,
    title_key       text,
    initiator_id    text,
    initiator_name  text,
    labels          text,
    context         text,
    idempotency_key text,
    queued_at       timestamptz,
    ref_source      text,
    ref_id          text,
    parent_id       uuid,
    retry_of        uuid,
    resumes         uuid
);
CREATE TYPE projection.run_progress AS (
    run_id              uuid,
    status              text,
    ended_as            text,
    presumed            boolean,
    superseded          boolean,
    items_total         bigint,
    items_succeeded     bigint,
    items_failed        bigint,
    items_skipped       bigint,
    items_tallied       boolean,
    worker              text,
    progress_message    text,
    reason_code         text,
    message             text,
    started_at          timestamptz,
    ended_at            timestamptz,
    started_recorded_at timestamptz,
    ended_recorded_at   timestamptz,
    started_by          text,
    ended_by            text,
    last_event_at       timestamptz,
    heartbeat_seconds   integer,
    heartbeat_due_at    timestamptz,
    revision            bigint,
    position            bigint
);

-- What src/rights.sql gives after this as well: with it at once, no process that serves meanwhile finds it missing.
ALTER TABLE projection.run_refs ENABLE ROW LEVEL SECURITY;
ALTER TABLE projection.run_children ENABLE ROW LEVEL SECURITY;

DO $$
BEGIN
    IF to_regrole('runledger_api') IS NULL THEN
        RETURN;
    END IF;
    GRANT SELECT ON projection.run_refs, projection.run_children TO runledger_api;
    CREATE POLICY of_the_tenant ON projection.run_refs FOR SELECT TO runledger_api
        USING (tenant = current_setting('runledger.tenant', true));
    CREATE POLICY of_the_tenant ON projection.run_children FOR SELECT TO runledger_api
        USING (tenant = current_setting('runledger.tenant', true));
END
$$;
