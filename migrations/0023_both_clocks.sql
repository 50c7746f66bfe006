-- Our own times of the events that started and ended a run, beside the producers': a duration that these contradict is
-- shown by ours. Filled from the events that the rows were folded from.
ALTER TABLE projection.runs
    ADD COLUMN started_recorded_at timestamptz,
    ADD COLUMN ended_recorded_at   timestamptz;

-- Only the first Started and the last end count (a presumed end is replaced by the real one).
UPDATE projection.runs AS r SET
    started_recorded_at = CASE WHEN r.started_at IS NOT NULL THEN e.started END,
    ended_recorded_at = CASE WHEN r.ended_at IS NOT NULL THEN e.ended END
FROM (
    SELECT run_id,
        min(recorded_at) FILTER (WHERE event_type = 'Started') AS started,
        max(recorded_at) FILTER (WHERE event_type <> 'Started') AS ended
    FROM projection.run_events WHERE event_type IN ('Started', 'Completed', 'Failed', 'Aborted')
    GROUP BY run_id
) AS e
WHERE e.run_id = r.run_id;

-- As projection.run_change, which a program that is not replaced yet goes on using.
CREATE TYPE projection.run_state AS (
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
    last_event_at       timestamptz,
    heartbeat_seconds   integer,
    heartbeat_due_at    timestamptz,
    revision            bigint,
    position            bigint
);
