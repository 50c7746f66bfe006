-- The runs whose titles begin alike, with what puts them in the order of lists: a page of them is found in this
-- index alone, without a look at the runs that are not on it.
CREATE INDEX runs_by_title_newest ON projection.runs (tenant, title_key, queued_at, run_id);
DROP INDEX projection.runs_by_title;
-- How many titles begin alike decides between this index and the walk through all runs in order, so it must be
-- known more finely than by the usual hundred samples.
ALTER TABLE projection.runs ALTER COLUMN title_key SET STATISTICS 1000;
