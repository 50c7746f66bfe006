-- A run's row is written anew by most of its events, and none of its indexed columns change by most of
-- them. Where the page has room for the new version, no index is touched (heap-only tuples). A batch may
-- write every row of a page at once, so half of each page stays free.
ALTER TABLE projection.runs SET (fillfactor = 45);
