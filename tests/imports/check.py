"""Imports the tables of a product, and compares the ledger's figures with those of the product itself.

    check.py EXPECTED COUNTS

EXPECTED says of each table what the product's words mean here, and in `says` which words are in the message of each run of a
state. COUNTS is what the product says of its tables: `states`, how
many rows it calls what; `items`, how many of all items of what is done have succeeded and failed; `queued`, when the first and
the last row that comes in was queued, in seconds since 1970. The last two may be left out.

DATABASE_URL is both the source and the ledger. LEDGER is where that one answers, for TOKEN.
"""

import collections
import datetime
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request

DATABASE, LEDGER, TOKEN = (os.environ[name] for name in ("DATABASE_URL", "LEDGER", "TOKEN"))
TENANT = os.environ["TENANT"]
PATIENCE = 60


def imported(table: dict, *more: str) -> dict:
    """What `runledger import` reports of a table."""
    command = [os.environ["RUNLEDGER_BIN"], "--log", "error", "import", "--tenant", TENANT, "--source", DATABASE, "--json"]
    command += ["--map", table["map"], *table.get("arguments", []), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{table['table']}: the import failed: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def ready() -> None:
    """Waits until the ledger answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"{LEDGER}/readyz", timeout=PATIENCE).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def shown() -> list[dict]:
    """All runs that the ledger's lists show."""
    runs, cursor = [], None
    while True:
        query = urllib.parse.urlencode({"limit": 200, **({"cursor": cursor} if cursor else {})})
        url = f"{LEDGER}/v1/tenants/{TENANT}/runs?{query}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            page = json.load(answer)
        runs, cursor = runs + page["runs"], page["next_cursor"]
        if cursor is None:
            return runs


def same(what: str, ours: object, theirs: object) -> None:
    if ours != theirs:
        sys.exit(f"{TENANT}: {what}: the ledger says {ours}, and the product {theirs}")


def seconds(time_of_ours: str) -> int:
    return int(datetime.datetime.fromisoformat(time_of_ours.replace("Z", "+00:00")).timestamp())


def check_reports(table: dict, says: dict) -> dict[str, int]:
    """Imports a table several times; gives back what its rows became."""
    name, becomes, left_out = table["table"], collections.Counter(), 0
    for state, count in says["states"].items():
        if state not in table["means"]:
            sys.exit(f"{name}: what does {state!r} mean? It is not among {sorted(table['means'])}")
        if table["means"][state] == "left out":
            left_out += count
        else:
            becomes[table["means"][state]] += count
    rows, runs = sum(says["states"].values()), sum(becomes.values())
    dry, first, second = imported(table, "--dry-run"), imported(table), imported(table)
    for which, report in (("a dry run", dry), ("an import", first)):
        same(f"{name}, {which}: rows", report["rows"], rows)
        same(f"{name}, {which}: refused", report["refused"], {})
        same(f"{name}, {which}: left out", sum(report["left_out"].values()), left_out)
        same(f"{name}, {which}: runs", report["runs"], {table["kind"]: dict(becomes)} if runs else {})
        if "queued" in says:
            same(f"{name}, {which}: queued", [seconds(report["earliest"]), seconds(report["latest"])], says["queued"])
    same(f"{name}: imported", first["imported"], runs)
    same(f"{name}, a second import: new and known", [second["imported"], second["known"]], [0, runs])
    noted = {code: found["count"] for code, found in first["noted"].items()}
    print(f"  {name}: {rows} rows, {says['states']}")
    print(f"    became {dict(becomes)}, {left_out} left out; noted: {noted or 'nothing'}", flush=True)
    return becomes


def check_lists(expected: dict[tuple[str, str], int], items: dict[str, int] | None, messages: dict[str, int]) -> None:
    """Waits until the lists show what was imported."""
    deadline = time.monotonic() + PATIENCE
    while True:
        runs = shown()
        found = collections.Counter((run["kind"], run["status"]) for run in runs)
        if found == expected:
            break
        if time.monotonic() > deadline:
            same("lists", dict(found), dict(expected))
        time.sleep(0.2)
    text = f"  lists show these {len(runs)} runs"
    if items is not None:
        tallied = [run["items"] for run in runs if run["items"]["tallied"]]
        same("items", {outcome: sum(it[outcome] for it in tallied) for outcome in items}, items)
        text += f" with {items['succeeded']} items that succeeded and {items['failed']} that failed"
    for words, count in messages.items():
        same(f"messages with {words!r}", sum(words in (run["message"] or "") for run in runs), count)
        text += f"; {count} say {words!r}"
    print(text, flush=True)


def main() -> None:
    with open(sys.argv[1]) as expected, open(sys.argv[2]) as counts:
        tables, says = json.load(expected), json.load(counts)
    runs, items, messages = collections.Counter(), None, collections.Counter()
    for table in tables:
        of_table = says[table["table"]]
        for status, count in check_reports(table, of_table).items():
            runs[table["kind"], status] += count
        items = of_table.get("items", items)
        for state, words in table.get("says", {}).items():
            messages[words] += of_table["states"][state]
    ready()
    check_lists(runs, items, messages)
    for table in tables:
        again = imported(table, "--resume")
        same(f"{table['table']}, --resume: imported", again["imported"], 0)


main()
