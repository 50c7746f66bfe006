-- What auditors ask over all runs: events by the principal, the token, the reason or the type, between two moments, and
-- runs by when they ended, with the principals that started and ended them.

-- Why something did not succeed, as the event's own data says it.
ALTER TABLE projection.run_events ADD COLUMN reason_code text COLLATE "C";
UPDATE projection.run_events SET reason_code = data->>'reason_code'
WHERE event_type IN ('ItemFailed', 'ItemSkipped', 'Failed', 'Aborted') AND data->>'reason_code' IS NOT NULL;

-- Compared by bytes, as all that is only looked up. No row is written anew for it.
ALTER TABLE projection.run_events ALTER COLUMN actor TYPE text COLLATE "C";

-- Every index here is paid for by every event. Times are the ledger's own. Events of the same time come in the order of
-- positions, which the reader sorts: that leaves the entries of a batch equal, and so short.
CREATE INDEX run_events_by_time ON projection.run_events (tenant, recorded_at);
CREATE INDEX run_events_by_actor ON projection.run_events (tenant, actor, recorded_at);
-- Most events tell of an item that succeeded. They are found on the way through all; what may be rare among them is not.
CREATE INDEX run_events_by_type ON projection.run_events (tenant, event_type, recorded_at)
    WHERE event_type <> 'ItemSucceeded';
CREATE INDEX run_events_by_reason ON projection.run_events (tenant, reason_code, recorded_at)
    WHERE reason_code IS NOT NULL;
-- A token that is used much is found on the way through all as well. The events of one that is not are put in order by
-- the reader: entries without a time are equal, and take a seventh of the room.
CREATE INDEX run_events_by_token ON projection.run_events (tenant, token_id) WHERE token_id IS NOT NULL;

-- The principals whose events started and ended a run. Filled from the events that the rows were folded from: those of
-- just these times.
ALTER TABLE projection.runs
    ADD COLUMN started_by text COLLATE "C",
    ADD COLUMN ended_by   text COLLATE "C";
UPDATE projection.runs AS r SET started_by = e.started_by, ended_by = e.ended_by
FROM (
    SELECT r.run_id,
        (array_agg(e.actor ORDER BY e.revision) FILTER (
            WHERE e.event_type = 'Started' AND e.occurred_at = r.started_at AND e.recorded_at = r.started_recorded_at
        ))[1] AS started_by,
        (array_agg(e.actor ORDER BY e.revision) FILTER (
            WHERE e.event_type <> 'Started' AND e.occurred_at = r.ended_at AND e.recorded_at = r.ended_recorded_at
        ))[1] AS ended_by
    FROM projection.runs AS r JOIN projection.run_events AS e ON e.run_id = r.run_id
    WHERE e.event_type IN ('Started', 'Completed', 'Failed', 'Aborted')
    GROUP BY r.run_id
) AS e
WHERE e.run_id = r.run_id;

-- By when they ended, by the producer's clock, as lists show it.
CREATE INDEX runs_by_end ON projection.runs (tenant, ended_at DESC, run_id DESC) WHERE ended_at IS NOT NULL;

-- As projection.run_state and projection.timeline_entry, which a program that is not replaced yet goes on using.
CREATE TYPE projection.run_standing AS (
    run_id              uuid,
    status              text,
    ended_as            text,
    presumed            boolean,
    superseded          boolean,
    items_total         bigint,
    items_succeeded     bigint,
    items_failed        bigint,
    items_skipped       bigint,
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
CREATE TYPE projection.timeline_event AS (
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
    data           text,
    token_id       uuid,
    request_id     text,
    origin         text,
    reason_code    text
);
