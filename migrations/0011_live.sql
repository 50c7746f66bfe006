-- What happened to a tenant's runs after a position: streams of server-sent events go on from there. Events
-- are inserted in the order of positions, so the index of each tenant only ever grows at its end.
CREATE INDEX run_events_by_position ON projection.run_events (tenant, position);
