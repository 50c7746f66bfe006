"""Kills workers, the ledger and both at once, again and again, and looks whether anything was lost.

    kill.py [--kills N] [--worker PROGRAM]     with RUNLEDGER_BIN, RUNLEDGER_URL, RUNLEDGER_TENANT, RUNLEDGER_TOKEN and
                                               DATABASE_URL

PROGRAM is a worker in another language: `PROGRAM work SPOOL KIND NOTES` does what `work` does here, and `PROGRAM left SPOOL`
sends what is left and says how many runs are not sent.

Every worker notes in a file of its own which items it has reported. In the end the ledger must have each of them, once,
and every run must have its end, but those whose worker was killed: they are shown as stalled.
"""

import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runledger import Ledger, Limits

ITEMS = 60
QUICK = Limits(retry_first=0.05, retry_most=0.5, adopt_every=0.5)
URL, TENANT, TOKEN = (os.environ[f"RUNLEDGER_{name}"] for name in ("URL", "TENANT", "TOKEN"))


def work(spool: str, kind: str, notes: str) -> None:
    """What a worker does: items, each noted after it was reported."""
    ledger = Ledger(spool=spool, limits=QUICK)
    noted = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    print("ready", flush=True)
    with ledger.open(kind, {}, heartbeat=1) as run:
        for item in range(ITEMS):
            with run.item(item):
                time.sleep(0.005)
            os.write(noted, f"{item}\n".encode())


def serve() -> "subprocess.Popen[bytes]":
    address = urlsplit(URL).netloc
    ledger = subprocess.Popen([os.environ["RUNLEDGER_BIN"], "--log", "error", "serve", "--listen", address])
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{URL}/readyz", timeout=1).close()
            return ledger
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the ledger does not get ready")


def projected() -> None:
    """Waits until the read tables are where the log is: the lease of a killed projector has to run out first."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{URL}/readyz", timeout=5) as answer:
                if json.load(answer)["lag_events"] == 0:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("the read tables stay behind the log")


def get(path: str) -> Any:
    request = urllib.request.Request(f"{URL}/v1/tenants/{TENANT}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def wrong(kind: str, notes: Path, killed: bool) -> str | None:
    """What is wrong with a worker's run."""
    noted = set(notes.read_text().split()) if notes.exists() else set()
    runs = get(f"/runs?kind={kind}")["runs"]
    if not runs and killed and not noted:
        return None  # it died before it began
    if len(runs) != 1:
        return f"{len(runs)} runs"
    run = get(f"/runs/{runs[0]['run_id']}")
    items: list[str] = []
    page = get(f"/runs/{run['run_id']}/events?limit=200")
    items = [event["data"]["item"] for event in page["events"] if event["type"] == "ItemSucceeded"]
    twice = [item for item, count in collections.Counter(items).items() if count > 1]
    if twice:
        return f"told twice: {twice}"
    if noted - set(items):
        return f"lost: {sorted(noted - set(items))}"
    if len(items) - len(noted) > 1:
        return f"{len(items)} told, {len(noted)} done"
    if run["status"] == "succeeded":
        return None if len(items) == ITEMS else "ended before its time"
    if not killed:
        return f"{run['status']} without an end, and its worker was not killed"
    stalled = run["status"] == "running" and run["liveness"]["state"] == "stalled"
    return None if stalled else f"{run['status']}, {run['liveness']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--worker")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        return work(*arguments.work)
    folder, ledger, killed = Path(tempfile.mkdtemp()), serve(), set()
    workers: list[tuple[str, "subprocess.Popen[bytes]"]] = []
    for n in range(arguments.kills):
        kind = f"killed.t{os.getpid()}.n{n}"
        program = [arguments.worker, "work"] if arguments.worker else [sys.executable, __file__, "--work"]
        worker = subprocess.Popen([*program, str(folder / "spool"), kind, str(folder / kind)], stdout=subprocess.PIPE)
        workers.append((kind, worker))
        assert worker.stdout
        worker.stdout.readline()
        time.sleep(random.uniform(0, 0.5))
        if n % 3 != 1:
            worker.kill()
            if worker.wait() != 0:  # it may have been faster
                killed.add(kind)
        if n % 3 != 0:
            ledger.kill()
            ledger.wait()
            ledger = serve()
    for _, worker in workers:
        worker.wait()
    if arguments.worker:
        sends = subprocess.run([arguments.worker, "left", str(folder / "spool")], stdout=subprocess.PIPE, check=True)
        left = int(sends.stdout)
    else:
        left = Ledger(spool=folder / "spool", limits=QUICK).send_left(60)
    projected()
    time.sleep(2)  # a broken heartbeat of a second is seen
    faults = {kind: fault for kind, _ in workers if (fault := wrong(kind, folder / kind, kind in killed))}
    ledger.terminate()
    ledger.wait()
    print(f"{arguments.kills} kills, of {len(killed)} workers at work: {left} runs not sent, {len(faults)} wrong")
    for kind, fault in faults.items():
        print(f"  {kind}: {fault}")
    if left or faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
