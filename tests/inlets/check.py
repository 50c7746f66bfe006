"""Waits until the runs are there that the emitters have reported, and says what they are. The base URL and a token of
the tenant come as arguments, and as JSON on standard input what is expected of each kind: title and status, and whether
there may be other runs."""

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


def seen(kind):
    return sorted([run["title"], run["status"]] for run in runs(kind))


deadline = time.monotonic() + 60
for kind, wanted in expected.items():
    while (found := seen(kind)) != sorted(wanted):
        if time.monotonic() > deadline:
            sys.exit(f"{kind}: {found} is not {sorted(wanted)}")
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
