-- Names from a directory: what ids of other systems are called, as producers say it. See docs/decisions/0033.

-- Of each id the name that counts. Items and labels are joined to it when they are read, so that a rename is seen
-- everywhere at once and no run's row is touched.
CREATE TABLE projection.directory (
    tenant    text   COLLATE "C" NOT NULL,
    namespace text   COLLATE "C" NOT NULL,
    entry_id  text   COLLATE "C" NOT NULL,
    name      text   NOT NULL,
    -- By which it is found in any case, as runs are by title_key.
    name_key  text   COLLATE "C" NOT NULL,
    as_of     timestamptz NOT NULL,
    -- Of the event that said so.
    position  bigint NOT NULL,
    PRIMARY KEY (tenant, namespace, entry_id)
);
CREATE INDEX directory_by_name ON projection.directory (tenant, name_key);

-- In which namespace the item is an id; NULL where its events say none.
ALTER TABLE projection.run_items ADD COLUMN namespace text COLLATE "C";

-- As projection.item_change, which a program that is not replaced yet goes on using.
CREATE TYPE projection.item_outcome AS (
    tenant      text,
    run_id      uuid,
    item        text,
    label       text,
    outcome     text,
    reason_code text,
    message     text,
    occurred_at timestamptz,
    revision    bigint,
    position    bigint,
    namespace   text
);

-- What src/rights.sql gives after this as well: with it at once, no process that serves meanwhile finds it missing.
ALTER TABLE projection.directory ENABLE ROW LEVEL SECURITY;

DO $$
BEGIN
    IF to_regrole('runledger_api') IS NULL THEN
        RETURN;
    END IF;
    GRANT SELECT ON projection.directory TO runledger_api;
    CREATE POLICY of_the_tenant ON projection.directory FOR SELECT TO runledger_api
        USING (tenant = current_setting('runledger.tenant', true));
END
$$;
