-- How long runs of a kind usually take: how many took how long, by the day on which they ended, and by buckets whose
-- bounds are those of domain/src/usual.rs. A bucket holds what took at least its lower bound and less than its upper one.
-- Counted are runs that succeeded, wholly or in part: how long it takes to fail says nothing about the others.
CREATE TABLE projection.run_durations (
    tenant text     COLLATE "C" NOT NULL,
    kind   text     COLLATE "C" NOT NULL,
    -- By the clock that is right for the run, in UTC.
    day    date                 NOT NULL,
    bucket smallint             NOT NULL CHECK (bucket BETWEEN 0 AND 44),
    runs   bigint               NOT NULL CHECK (runs > 0),
    PRIMARY KEY (tenant, kind, day, bucket)
);

CREATE TYPE projection.duration_change AS (
    tenant text,
    kind   text,
    day    date,
    bucket smallint,
    runs   bigint
);

-- Those that have ended, as the fold counts them: by the producer's clock, or by the ledger's where that contradicts it
-- by more than 5 s (domain/src/duration.rs).
INSERT INTO projection.run_durations (tenant, kind, day, bucket, runs)
SELECT tenant, kind, (until AT TIME ZONE 'UTC')::date,
    width_bucket(floor(extract(epoch FROM greatest(until - since, interval '0')) * 1000)::bigint,
        ARRAY[500, 707, 1000, 1414, 2000, 2828, 4000, 5656, 8000,
            11313, 16000, 22627, 32000, 45254, 64000, 90509, 128000, 181019,
            256000, 362038, 512000, 724077, 1024000, 1448154, 2048000, 2896308, 4096000,
            5792616, 8192000, 11585232, 16384000, 23170465, 32768000, 46340931, 65536000, 92681863,
            131072000, 185363726, 262144000, 370727452, 524288000, 741454905, 1048576000, 1482909810]::bigint[]),
    count(*)
FROM (
    SELECT tenant, kind, CASE WHEN skewed THEN by_ledger_since ELSE said_since END AS since,
        CASE WHEN skewed THEN by_ledger_until ELSE said_until END AS until
    FROM (
        SELECT *, (coalesce(said_since - started_recorded_at > interval '5 s' OR queued_at - started_at > interval '5 s'
                AND started_recorded_at IS NOT NULL, false)
            OR coalesce(said_until - ended_recorded_at > interval '5 s' OR queued_at - said_until > interval '5 s'
                AND ended_recorded_at IS NOT NULL, false)
            OR said_until < said_since)
            AND greatest((said_until - said_since) - (by_ledger_until - by_ledger_since),
                (by_ledger_until - by_ledger_since) - (said_until - said_since)) > interval '5 s' AS skewed
        FROM (
            SELECT tenant, kind, queued_at, started_at, started_recorded_at, ended_recorded_at,
                coalesce(started_at, queued_at) AS said_since, ended_at AS said_until,
                coalesce(CASE WHEN started_at IS NULL THEN queued_at ELSE started_recorded_at END, started_at)
                    AS by_ledger_since,
                coalesce(ended_recorded_at, ended_at) AS by_ledger_until
            FROM projection.runs WHERE status IN ('succeeded', 'partially_succeeded') AND ended_at IS NOT NULL
        ) AS run
    ) AS run
) AS run
GROUP BY 1, 2, 3, 4;

-- What src/rights.sql gives after this as well: with it at once, no process that serves meanwhile finds it missing.
ALTER TABLE projection.run_durations ENABLE ROW LEVEL SECURITY;

DO $$
BEGIN
    IF to_regrole('runledger_api') IS NULL THEN
        RETURN;
    END IF;
    GRANT SELECT ON projection.run_durations TO runledger_api;
    CREATE POLICY of_the_tenant ON projection.run_durations FOR SELECT TO runledger_api
        USING (tenant = current_setting('runledger.tenant', true));
END
$$;
