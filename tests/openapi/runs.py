"""Makes runs that schemathesis can ask for, in every status, and prints their ids, quoted, one in a line.

Usage: runs.py BASE_URL TENANT TOKEN
"""

import json
import sys
import urllib.request

STARTED = {"type": "Started", "worker": "w-1", "heartbeat_seconds": 3600}
DONE = {"type": "ItemSucceeded", "item": "a"}
NOT_DONE = {"type": "ItemFailed", "item": "b", "reason_code": "timeout", "message": "took too long"}
LIVES = {
    "queued": [],
    "running": [STARTED, DONE, NOT_DONE],
    "succeeded": [STARTED, DONE, {"type": "Completed"}],
    "partially": [STARTED, DONE, NOT_DONE, {"type": "Completed"}],
    "failed": [{"type": "Failed", "reason_code": "dispatch_failed", "message": "nobody took it up"}],
}


def main(base_url: str, tenant: str, token: str) -> None:
    def post(path: str, body: object) -> dict:
        request = urllib.request.Request(
            f"{base_url}/v1/tenants/{tenant}/{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    for name, events in LIVES.items():
        start = {"kind": f"tried.{name}", "context": {}, "title": name, "initiator": {"id": "demo-producer"}}
        run = post("runs", start)["run_id"]
        if events:
            post(f"runs/{run}/events", {"events": events})
        print(f'"{run}"')


if __name__ == "__main__":
    main(*sys.argv[1:])
