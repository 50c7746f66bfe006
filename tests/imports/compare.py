"""Compares what `runledger import` has told of a table with the table's own counts, and the second import with the first."""

import json
import pathlib
import sys

table, unfinished, world = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])


def read(name: str) -> dict:
    return json.loads((world / f"{name}.json").read_text())


statuses = {"SUCCESS": "succeeded", "FAILURE": "failed", "REVOKED": "failed", "STARTED": "running", "RETRY": "running"}
rows, runs, left_out = read("counts")[table], {}, 0
for status, count in rows.items():
    if statuses[status] == "running" and unfinished == "skip":
        left_out += count
    else:
        runs[statuses[status]] = runs.get(statuses[status], 0) + count
dry, first, second = read("dry"), read("first"), read("second")
print(f"{table}: {rows} became {first['runs']['celery.task']}, {left_out} left out")
for report in (dry, first):
    assert report["runs"] == {"celery.task": runs}, (report, runs)
    assert (report["rows"], report["refused"]) == (sum(rows.values()), {}), report
    assert sum(report["left_out"].values()) == left_out, report
assert (first["imported"], second["imported"], second["known"]) == (sum(runs.values()), 0, sum(runs.values())), second
