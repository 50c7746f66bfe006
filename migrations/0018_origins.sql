-- What brought an event to the ledger: a request by somebody's token, or the ledger itself. Null for what came before
-- that was kept.
ALTER TABLE projection.run_events
    ADD COLUMN token_id   uuid,
    ADD COLUMN request_id text COLLATE "C",
    ADD COLUMN origin     text COLLATE "C";
ALTER TYPE projection.timeline_entry
    ADD ATTRIBUTE token_id   uuid,
    ADD ATTRIBUTE request_id text,
    ADD ATTRIBUTE origin     text;
