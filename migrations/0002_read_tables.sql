-- The read tables: written only by the projector, read only by the API. They are the contract between
-- the two rooms. Every row names the position it reflects; all of them can be rebuilt from the log.

CREATE SCHEMA projection;

-- How far each projection has come. Moves in the same transaction as the rows it speaks for.
-- Who projects holds a lease on it, and a fencing token that grows with every holder: whoever comes back
-- with an old token has been replaced. Times are the database's.
CREATE TABLE projection.checkpoints (
    name        text PRIMARY KEY,
    position    bigint NOT NULL CHECK (position >= 0),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    fence       bigint NOT NULL DEFAULT 0,
    lease_until timestamptz
);
INSERT INTO projection.checkpoints (name, position) VALUES ('monitoring', 0);

-- One row a run.
CREATE TABLE projection.runs (
    tenant            text COLLATE "C" NOT NULL,
    run_id            uuid NOT NULL,
    kind              text COLLATE "C" NOT NULL,
    title             text,
    status            text COLLATE "C" NOT NULL
        CHECK (status IN ('queued', 'running', 'succeeded', 'partially_succeeded', 'failed')),
    ended_as          text COLLATE "C" CHECK (ended_as IN ('completed', 'failed', 'aborted')),
    items_total       bigint,
    items_succeeded   bigint NOT NULL,
    items_failed      bigint NOT NULL,
    items_skipped     bigint NOT NULL,
    initiator_id      text COLLATE "C",
    initiator_name    text,
    labels            jsonb NOT NULL,
    context           json NOT NULL,
    idempotency_key   text COLLATE "C" NOT NULL,
    worker            text,
    progress_message  text,
    reason_code       text COLLATE "C",
    message           text,
    -- The producer's times.
    queued_at         timestamptz NOT NULL,
    started_at        timestamptz,
    ended_at          timestamptz,
    -- Our time of the last event, and the moment by which a heartbeat was promised.
    last_event_at     timestamptz NOT NULL,
    heartbeat_seconds integer,
    heartbeat_due_at  timestamptz,
    revision          bigint NOT NULL,
    position          bigint NOT NULL,
    -- The title in lower case, compared byte by byte: a prefix is a range.
    title_key         text COLLATE "C" GENERATED ALWAYS AS (lower(title)) STORED,
    PRIMARY KEY (run_id)
);
CREATE INDEX runs_newest ON projection.runs (tenant, queued_at DESC, run_id DESC);
CREATE INDEX runs_by_status ON projection.runs (tenant, status, queued_at DESC, run_id DESC);
CREATE INDEX runs_by_kind ON projection.runs (tenant, kind, queued_at DESC, run_id DESC);
CREATE INDEX runs_by_initiator ON projection.runs (tenant, initiator_id, queued_at DESC, run_id DESC);
-- Row-level security puts its own condition first, and Postgres lets an index answer a caller's condition
-- before it only where the operator is leakproof. LIKE and the jsonb operators are not; plain comparisons
-- are. So a title's beginning is a range of title_key, and labels have a table of their own.
CREATE INDEX runs_by_title ON projection.runs (tenant, title_key);

-- One row for each label of a run, in the order of the lists. A run's labels and the time it was queued
-- never change, so rows are only ever added, and the table fills itself.
CREATE TABLE projection.run_labels (
    tenant    text COLLATE "C" NOT NULL,
    label     text COLLATE "C" NOT NULL, -- name:value
    queued_at timestamptz NOT NULL,
    run_id    uuid NOT NULL REFERENCES projection.runs ON DELETE CASCADE,
    PRIMARY KEY (tenant, label, queued_at, run_id)
);

CREATE FUNCTION projection.file_labels() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO projection.run_labels (tenant, label, queued_at, run_id)
    SELECT run.tenant, label.key || ':' || label.value, run.queued_at, run.run_id
    FROM added AS run, jsonb_each_text(run.labels) AS label;
    RETURN NULL;
END
$$;
CREATE TRIGGER labels_are_filed
    AFTER INSERT ON projection.runs
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION projection.file_labels();

-- One row a distinct item of a run: its last outcome.
CREATE TABLE projection.run_items (
    tenant      text COLLATE "C" NOT NULL,
    run_id      uuid NOT NULL,
    item        text COLLATE "C" NOT NULL,
    label       text,
    outcome     text COLLATE "C" NOT NULL CHECK (outcome IN ('failed', 'skipped', 'succeeded')),
    reason_code text COLLATE "C",
    message     text,
    occurred_at timestamptz NOT NULL,
    revision    bigint NOT NULL,
    position    bigint NOT NULL,
    PRIMARY KEY (run_id, item)
);
-- Lists show failed items first: the outcomes sort that way by name.
CREATE INDEX run_items_by_outcome ON projection.run_items (run_id, outcome, revision);

-- The timeline of a run, for its detail page, its state at any moment, and auditors.
CREATE TABLE projection.run_events (
    tenant         text COLLATE "C" NOT NULL,
    run_id         uuid NOT NULL,
    revision       bigint NOT NULL,
    position       bigint NOT NULL,
    event_id       uuid NOT NULL,
    event_type     text COLLATE "C" NOT NULL,
    schema_version smallint NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    actor          text NOT NULL,
    correlation_id text,
    causation_id   text,
    data           json NOT NULL,
    PRIMARY KEY (run_id, revision)
);

-- For the initiator only: one when the run is queued, one when it ends.
CREATE TABLE projection.notifications (
    notification_id uuid PRIMARY KEY,
    tenant          text COLLATE "C" NOT NULL,
    recipient       text COLLATE "C" NOT NULL,
    run_id          uuid NOT NULL,
    transition      text COLLATE "C" NOT NULL CHECK (transition IN ('queued', 'ended')),
    kind            text COLLATE "C" NOT NULL,
    title           text,
    status          text COLLATE "C" NOT NULL,
    ended_as        text COLLATE "C",
    reason_code     text COLLATE "C",
    message         text,
    created_at      timestamptz NOT NULL,
    read_at         timestamptz,
    position        bigint NOT NULL,
    UNIQUE (run_id, transition, recipient)
);
CREATE INDEX notifications_newest ON projection.notifications (tenant, recipient, position DESC);
CREATE INDEX notifications_unread ON projection.notifications (tenant, recipient, position DESC) WHERE read_at IS NULL;

-- Projected counters, so that no page ever counts rows.
CREATE TABLE projection.run_counts (
    tenant   text COLLATE "C" NOT NULL,
    kind     text COLLATE "C" NOT NULL,
    status   text COLLATE "C" NOT NULL,
    runs     bigint NOT NULL CHECK (runs >= 0),
    position bigint NOT NULL,
    PRIMARY KEY (tenant, kind, status)
);

-- What happened in each hour (UTC, by our time of the event).
CREATE TABLE projection.run_hours (
    tenant              text COLLATE "C" NOT NULL,
    hour                timestamptz NOT NULL,
    kind                text COLLATE "C" NOT NULL,
    queued              bigint NOT NULL DEFAULT 0,
    succeeded           bigint NOT NULL DEFAULT 0,
    partially_succeeded bigint NOT NULL DEFAULT 0,
    failed              bigint NOT NULL DEFAULT 0,
    events              bigint NOT NULL DEFAULT 0,
    items_failed        bigint NOT NULL DEFAULT 0,
    position            bigint NOT NULL,
    PRIMARY KEY (tenant, hour, kind)
);

-- Events that could not be folded, and the later events of their runs, held back in order.
CREATE TABLE projection.dead_letters (
    position   bigint PRIMARY KEY,
    stream     text COLLATE "C" NOT NULL,
    revision   bigint NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    error      text NOT NULL,
    held_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letters_by_stream ON projection.dead_letters (stream, revision);
