-- An event's id matters in its own stream alone: there it is compared with what stands at the expected place.
-- Over the whole log it was one namespace for all tenants and the ledger itself, of which each could take ids
-- from the others and learn which are in use; and the largest index, into which every append wrote at random
-- places.
ALTER TABLE log.events DROP CONSTRAINT events_event_id_key;
