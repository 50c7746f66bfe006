-- What guards history also holds for sessions that replay changes (session_replication_role = replica), which skip
-- triggers of the usual kind.
ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_are_append_only;
ALTER TABLE log.head ENABLE ALWAYS TRIGGER head_moves_forwards, ENABLE ALWAYS TRIGGER head_stays;
