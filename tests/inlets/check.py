"""Waits until the runs are there that the emitters have reported, and says what they are. The base URL and a token of
the tenant come as arguments, and as JSON on standard input what is expected of each kind: title and status, and where it
goes on, the title of the run it is a part of, and the message."""

import json
import sys
import time
import urllib.request

base, token = sys.argv[1:3]
expected = json.load(sys.stdin)


def get(path):
    request = urllib.request.Request(f"{base}/v1/tenants/acme{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def runs(kind):
    return get(f"/runs?kind={kind}&limit=200")["runs"]


def in_order(rows):
    return sorted(rows, key=json.dumps)


def seen(kind, members):
    found = [get(f"/runs/{run['run_id']}") for run in runs(kind)]
    titles = {run["run_id"]: run["title"] for run in found}
    part_of = lambda run: titles.get((run["parent"] or {}).get("run_id"))
    return in_order([run["title"], run["status"], part_of(run), run["message"]][:members] for run in found)


deadline = time.monotonic() + 60
for kind, wanted in expected.items():
    while (found := seen(kind, len(wanted[0]))) != in_order(wanted):
        if time.monotonic() > deadline:
            sys.exit(f"{kind}: {found} is not {in_order(wanted)}")
        time.sleep(0.2)
    print(f"== {kind}")
    for run in runs(kind):
        events = [event["type"] for event in get(f"/runs/{run['run_id']}/events")["events"]]
        message = run.get("message") or ""
        print(f"  {run['title']:<28} {run['status']:<20} {' '.join(events)}  {message}")
        if len(events) != len(set(events)) and "Progressed" not in events:
            sys.exit(f"an event is there twice: {run}")
        if "hunter2" in json.dumps(run):
            sys.exit(f"a secret got through: {run}")
