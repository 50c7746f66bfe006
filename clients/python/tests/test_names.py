"""What ids are called: see clients/behaviours.md."""

import threading
from datetime import datetime, timedelta, timezone

import pytest
from conftest import MakeLedger
from harness import Proxy, get, kind, only_run, until

from runledger import Ledger, LedgerAway, Refused


def test_items_say_their_namespace(ledger: Ledger) -> None:
    name, space = kind(), kind()
    ledger.directory(space, {"p-1": "Nightly backup", "p-2": "Weekly backup"})
    with ledger.open(name, {}) as run:
        with run.item("p-1", namespace=space):
            pass
        with run.item("p-2", label="then called so", namespace=space):
            raise PermissionError
        with run.item("p-3", namespace=space) as item:
            item.skip("unsupported")
        with run.item("p-4", namespace=space) as item:
            item.fail("conflict", "somebody else has it")
        run.succeeded("p-5", namespace=space)
        run.failed("p-6", ValueError(), namespace=space)
        run.skipped("p-7", namespace=space)
        run.succeeded("p-8")
    run_id = only_run(name, "partially_succeeded")["run_id"]
    shown = {one["item"]: (one["namespace"], one["name"]) for one in get(f"/runs/{run_id}/items")["items"]}
    named = {"p-1": "Nightly backup", "p-2": "Weekly backup"}
    assert shown == {f"p-{n}": (space, named.get(f"p-{n}")) for n in range(1, 8)} | {"p-8": (None, None)}


def test_a_directory_is_sent_in_batches(make: MakeLedger, between: Proxy) -> None:
    ledger, space, read_at = make(between.url), kind(), datetime.now(timezone.utc)
    names = {f"p-{n}": f"Policy {n}" for n in range(2_500)}
    between.mode = "away"
    threading.Timer(0.3, setattr, (between, "mode", "pass")).start()
    assert ledger.directory(space, names, read_at) == 2_500
    sent = [len(one.entries()) for one in between.asked if one.path.endswith("/directory")]
    assert sent[0] == 1_000 and sent[-2:] == [1_000, 500] and len(sent) > 3, "asked again while it was away"
    # What is known, or known better, is nothing new.
    until(lambda: ledger.directory(space, names.items(), read_at) == 0)
    assert ledger.directory(space, {"p-1": "Of yesterday"}, read_at - timedelta(days=1)) == 0
    assert ledger.directory(space, {"p-1": "Of today"}) == 1

    for wrong in ({"p-1": ""}, {"": "no id"}):
        with pytest.raises(Refused, match="validation_failed"):
            ledger.directory(space, wrong)
    between.mode = "away"
    with pytest.raises(LedgerAway):
        make(between.url, request_timeout=0.2).directory(space, names)
