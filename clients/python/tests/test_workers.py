"""Who works on a run: see clients/behaviours.md."""

import asyncio
import json
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeLedger
from harness import Proxy, events, get, kind, only_run, types, until

from runledger import AlreadyTaken, AsyncLedger, Ledger, LedgerAway, Ticket, Trouble


def test_a_failed_dispatch_fails_the_run_and_is_raised_again(
    ledger: Ledger, between: Proxy, make: MakeLedger
) -> None:
    def full(_: Ticket) -> None:
        raise queue.Full("no room")

    for one, there in ((ledger, True), (make(between.url), False)):
        between.mode, name = "away", kind()
        with pytest.raises(queue.Full):
            one.dispatch(name, {"set": "finance"}, initiator="ann", send=full)
        between.mode = "pass"
        run = only_run(name, "failed")
        assert (run["ended_as"], run["reason_code"]) == ("failed", "dispatch_failed")
        assert run["message"] == "Full: no room"
        assert types(run["run_id"]) == ["Queued", "Failed"]


def test_active_work_is_not_dispatched_again(ledger: Ledger, tmp_path: Path) -> None:
    name, sent = kind(), list[Ticket]()
    first = ledger.dispatch(name, {"ids": [1, 2]}, unordered=["/ids"], send=sent.append)
    second = ledger.dispatch(name, {"ids": [2, 1]}, unordered=["/ids"], send=sent.append)
    assert (first["reused"], second["reused"]) == (False, True)
    assert first["run_id"] == second["run_id"] and len(sent) == 1
    assert json.loads(json.dumps(sent[0])) == sent[0], "for any queue"
    with ledger.claim(sent[0]):
        pass
    assert ledger.flush()
    third = ledger.dispatch(name, {"ids": [1, 2]}, unordered=["/ids"], send=sent.append)
    assert not third["reused"] and len(sent) == 2


async def of_asyncio(tmp_path: Path) -> None:
    ledger, name, sent = AsyncLedger(spool=tmp_path / "async"), kind(), list[Ticket]()

    async def send(ticket: Ticket) -> None:
        sent.append(ticket)

    dispatched = await ledger.dispatch(name, {"set": "a"}, send=send)
    assert dispatched["run_id"] == sent[0]["run_id"]
    async with ledger.claim(sent[0], heartbeat=30) as run:
        run.succeeded("a")
    with pytest.raises(ValueError):
        async with ledger.open(kind(), {}, exclusive=True):
            raise ValueError
    assert await ledger.flush()
    assert types(only_run(name, "succeeded")["run_id"]) == ["Queued", "Started", "ItemSucceeded", "Completed"]


def test_two_workers_do_not_take_one_run(
    ledger: Ledger, make: MakeLedger, between: Proxy, troubles: list[Trouble]
) -> None:
    name, sent = kind(), list[Ticket]()
    ledger.dispatch(name, {"set": "a"}, send=sent.append)
    other = make(between.url)
    took: list[str] = []
    refused: list[AlreadyTaken] = []

    def work(worker: Ledger) -> None:
        try:
            with worker.claim(sent[0], heartbeat=30) as run:
                took.append(str(run.id))
                until(lambda: refused)
        except AlreadyTaken as taken:
            refused.append(taken)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in (ledger, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(took), len(refused)) == (1, 1)
    assert refused[0].run_id == took[0]
    assert types(only_run(name, "succeeded")["run_id"]) == ["Queued", "Started", "Completed"]

    # It is asked for again where the answer is lost, and then it is this worker's.
    ledger.dispatch(name, {"set": "b"}, send=sent.append)
    between.mode = "lost"
    with other.claim(sent[1], heartbeat=30):
        until(lambda: len(between.appended()) > 2)
        between.mode = "pass"
    assert other.flush()
    run_id = str(sent[1]["run_id"])
    until(lambda: get(f"/runs/{run_id}")["status"] == "succeeded")
    assert types(run_id) == ["Queued", "Started", "Completed"]

    # `exclusive` asks the same of work that nobody dispatched.
    with ledger.open(name, {"set": "c"}, exclusive=True):
        with pytest.raises(AlreadyTaken):
            other.open(name, {"set": "c"}, exclusive=True)
        # Without it the work goes on, and what it reports is set aside.
        with other.open(name, {"set": "c"}) as late:
            late.succeeded("a")
        assert other.flush()
        assert [(trouble.kind, trouble.count) for trouble in troubles] == [("taken", 2)]
    between.mode = "away"
    with pytest.raises(LedgerAway):
        other.open(name, {"set": "c"}, exclusive=True)


def test_a_silent_workers_run_is_taken_over(make: MakeLedger, tmp_path: Path) -> None:
    name, sent = kind(), list[Ticket]()
    dead = make(spool=tmp_path / "dead")
    dead.dispatch(name, {}, send=sent.append)
    gone = dead.claim(sent[0], heartbeat=1)
    gone.succeeded("a")
    assert dead.flush()
    with pytest.raises(AlreadyTaken):
        make().claim(sent[0])
    until(lambda: (get(f"/runs/{gone.id}")["liveness"] or {}).get("state") == "stalled")
    took: list[Any] = []

    def take(worker: Ledger) -> None:
        try:
            took.append(worker.claim(sent[0], heartbeat=30))
        except AlreadyTaken:
            pass

    threads = [threading.Thread(target=take, args=(make(spool=tmp_path / f"{n}"),)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == 1
    with took[0] as run:
        assert run.id == gone.id
        run.succeeded("b")
    found = only_run(name, "succeeded")
    assert found["items"]["succeeded"] == 2
    told = events(found["run_id"])
    assert told[3]["type"] == "Resumed"
    assert dead.worker in str(told[3]["data"])


def test_parallel_workers_report_to_one_run(make: MakeLedger, tmp_path: Path) -> None:
    name, ledger = kind(), make()
    with ledger.open(name, {}) as run:
        threads = [threading.Thread(target=report, args=(run, f"thread {n}")) for n in range(4)]
        for thread in threads:
            thread.start()
        children = []
        for n in range(3):
            child = os.fork()
            if child == 0:
                try:
                    with run:  # leaving it ends nothing here
                        report(run, f"child {n}")
                finally:
                    os._exit(0)
            children.append(child)
        for thread in threads:
            thread.join()
        until(lambda: run.id)
        with make(spool=tmp_path / "other").join(str(run.id)) as part:
            report(part, "process")
        for child in children:
            os.waitpid(child, 0)
        assert len(list(tmp_path.rglob("children/*.log"))) == 3, "each writes to a file that nobody else writes to"
        until(lambda: get(f"/runs/{run.id}")["items"]["succeeded"] == 8 * 50)
        # A forked child may have runs of its own.
        child = os.fork()
        if child == 0:
            with ledger.open(name, {"of": "the child"}) as own:
                report(own, "own")
            os._exit(0 if ledger.flush() else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert ledger.flush()
    until(lambda: get(f"/runs/{run.id}")["status"] == "succeeded")
    told = events(str(run.id))
    assert told[-1]["type"] == "Completed"
    assert get(f"/runs/{run.id}")["items"]["succeeded"] == 8 * 50
    for who in ["thread 0", "child 2", "process"]:
        items = [event["data"]["item"] for event in told[2:-1] if event["data"]["item"].startswith(who)]
        assert items == [f"{who} {n}" for n in range(50)], "in order"
    until(lambda: len(get(f"/runs?kind={name}&status=succeeded")["runs"]) == 2)


def report(run: Any, who: str) -> None:
    for n in range(50):
        run.succeeded(f"{who} {n}")
        time.sleep(0.001)


def test_asyncio_has_the_same(tmp_path: Path) -> None:
    asyncio.run(of_asyncio(tmp_path))
