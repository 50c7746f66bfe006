-- What the log's writer and the projector give their statements: rows, in one parameter for each table. An array for
-- each column instead would be a function scan for each column, which costs a small batch more than its rows do.
CREATE TYPE log.new_event AS (
    stream     text,
    revision   bigint,
    event_id   uuid,
    event_type text,
    data       bytea,
    metadata   bytea
);
CREATE TYPE projection.run_change AS (
    run_id            uuid,
    status            text,
    ended_as          text,
    presumed          boolean,
    superseded        boolean,
    items_total       bigint,
    items_succeeded   bigint,
    items_failed      bigint,
    items_skipped     bigint,
    worker            text,
    progress_message  text,
    reason_code       text,
    message           text,
    started_at        timestamptz,
    ended_at          timestamptz,
    last_event_at     timestamptz,
    heartbeat_seconds integer,
    heartbeat_due_at  timestamptz,
    revision          bigint,
    position          bigint
);
CREATE TYPE projection.run_beginning AS (
    tenant          text,
    kind            text,
    title           text,
    initiator_id    text,
    initiator_name  text,
    labels          text,
    context         text,
    idempotency_key text,
    queued_at       timestamptz
);
CREATE TYPE projection.item_change AS (
    tenant      text,
    run_id      uuid,
    item        text,
    label       text,
    outcome     text,
    reason_code text,
    message     text,
    occurred_at timestamptz,
    revision    bigint,
    position    bigint
);
CREATE TYPE projection.timeline_entry AS (
    tenant         text,
    run_id         uuid,
    revision       bigint,
    position       bigint,
    event_id       uuid,
    event_type     text,
    schema_version smallint,
    occurred_at    timestamptz,
    recorded_at    timestamptz,
    actor          text,
    correlation_id text,
    causation_id   text,
    data           text
);
CREATE TYPE projection.hour_change AS (
    tenant              text,
    hour                timestamptz,
    kind                text,
    queued              bigint,
    succeeded           bigint,
    partially_succeeded bigint,
    failed              bigint,
    events              bigint,
    items_failed        bigint,
    position            bigint
);
