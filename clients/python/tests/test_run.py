"""A run: see clients/behaviours.md."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import MakeLedger
from harness import Proxy, events, get, kind, only_run, runs, time_of, types, until

from runledger import AsyncLedger, Ledger, Run, Trouble
from runledger import events as new
from runledger.events import message
from runledger.reasons import Reasons, told


def test_a_run_is_told_in_full(ledger: Ledger) -> None:
    name = kind()

    @ledger.run(
        name,
        context=lambda tenant: {"tenant": tenant},
        title=lambda tenant: f"Drift of {tenant}",
        labels={"language": "python"},
        initiator="ann",
        items_total=4,
        heartbeat=30,
    )
    def generate(tenant: str, run: Run) -> str:
        with run.item("daily", label="Daily policy"):
            pass
        with run.item("weekly") as item:
            item.skip("unsupported")
        run.failed("monthly", "permission_denied", "may not read it")
        run.progress("nearly there")
        run.succeeded(7)
        return tenant

    assert generate("acme") == "acme"
    run = only_run(name, "partially_succeeded")
    assert run["title"] == "Drift of acme" and run["context"] == {"tenant": "acme"}
    assert run["labels"] == {"language": "python"} and run["initiator"]["id"] == "ann"
    assert run["items"] == {"total": 4, "succeeded": 2, "failed": 1, "skipped": 1, "tallied": False}
    assert run["heartbeat_seconds"] == 30 and run["worker"] == ledger.worker
    told = events(run["run_id"])
    assert [event["type"] for event in told] == [
        "Queued", "Started", "ItemSucceeded", "ItemSkipped", "ItemFailed", "Progressed", "ItemSucceeded", "Completed",
    ]  # fmt: skip
    assert told[2]["data"]["label"] == "Daily policy"
    assert [event["occurred_at"] for event in told[1:]] == sorted(event["occurred_at"] for event in told[1:])


def test_an_exception_fails_the_run_and_is_raised_again(ledger: Ledger) -> None:
    name = kind()

    @ledger.run(name)
    def work() -> None:
        raise FileNotFoundError("no such backup")

    with pytest.raises(FileNotFoundError, match="no such backup"):
        work()
    run = only_run(name, "failed")
    assert (run["ended_as"], run["reason_code"]) == ("failed", "not_found")
    assert run["message"] == "FileNotFoundError: no such backup"


def test_an_exception_in_an_item_fails_the_item_alone(ledger: Ledger) -> None:
    name = kind()
    with ledger.open(name, {}) as run:
        for item in ("a", "b", "c"):
            with run.item(item):
                if item == "b":
                    raise PermissionError("not yours")
    found = only_run(name, "partially_succeeded")
    assert (found["items"]["succeeded"], found["items"]["failed"]) == (2, 1)
    failed = get(f"/runs/{found['run_id']}/items?status=failed")["items"]
    assert [(one["item"], one["reason_code"]) for one in failed] == [("b", "permission_denied")]

    with pytest.raises(PermissionError):
        with ledger.open(kind(), {}) as run, run.item("a", reraise=True):
            raise PermissionError


def test_cancellation_aborts_the_run(make: MakeLedger, tmp_path: Path) -> None:
    name, other = kind(), kind()
    ledger = AsyncLedger(os.environ["RUNLEDGER_URL"], spool=tmp_path / "async")

    @ledger.run(name)
    async def work(run: Run) -> None:
        run.succeeded("a")
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await ledger.flush()

    asyncio.run(main())
    assert only_run(name, "failed")["ended_as"] == "aborted"
    assert types(only_run(name, "failed")["run_id"]) == ["Queued", "Started", "ItemSucceeded", "Aborted"]

    with pytest.raises(KeyboardInterrupt), make().open(other, {}):
        raise KeyboardInterrupt
    assert only_run(other, "failed")["reason_code"] == "cancelled"


WORKER = """
import sys, time
from runledger import Ledger, Limits
ledger = Ledger(sys.argv[1], spool=sys.argv[2], limits=Limits(exit_timeout=2))
with ledger.open(sys.argv[3], {}, heartbeat=30) as run:
    for item in range(int(sys.argv[4])):
        run.succeeded(item)
    print("ready", flush=True)
    time.sleep(60)
"""


def start_worker(url: str, spool: Path, name: str, items: int = 3) -> "subprocess.Popen[bytes]":
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, url, str(spool), name, str(items)], stdout=subprocess.PIPE
    )
    assert worker.stdout and worker.stdout.readline() == b"ready\n"
    return worker


def test_a_signal_ends_the_run_in_time(between: Proxy, make: MakeLedger, tmp_path: Path) -> None:
    name, later = kind(), kind()
    worker = start_worker(between.url, tmp_path / "spool", name)
    worker.terminate()
    assert worker.wait(10) == -signal.SIGTERM
    run = only_run(name, "failed")
    assert (run["ended_as"], run["reason_code"], run["items"]["succeeded"]) == ("aborted", "cancelled", 3)

    between.mode = "hang"
    worker = start_worker(between.url, tmp_path / "spool", later)
    began = time.monotonic()
    worker.terminate()
    assert worker.wait(10) == -signal.SIGTERM
    assert time.monotonic() - began < 5
    between.mode = "pass"
    make(between.url).send_left(10)
    assert only_run(later, "failed")["ended_as"] == "aborted"


def test_nothing_follows_the_end(ledger: Ledger, troubles: list[Trouble]) -> None:
    name = kind()
    with ledger.open(name, {}, heartbeat=1) as run:
        run.fail("conflict", "somebody else has it")
        run.succeeded("late")
    run.progress("later")
    time.sleep(0.4)
    run.tick()
    assert ledger.flush()
    assert types(only_run(name, "failed")["run_id"]) == ["Queued", "Started", "Failed"]
    assert troubles == [], "nothing came that the ledger had to refuse"


def test_a_start_brings_its_first_events(make: MakeLedger, between: Proxy, troubles: list[Trouble]) -> None:
    whole = [new.started("w-1", 30), new.succeeded("a", namespace="policies"), new.completed("all of it")]
    ledger, name = make(between.url), kind()
    between.mode = "away"
    ledger.start(name, {"n": 1}, title="Told when it was over", events=whole)
    assert not ledger.flush(0.2)
    between.mode = "lost"
    assert not ledger.flush(1)
    between.mode = "pass"
    assert ledger.flush()
    run = only_run(name, "succeeded")
    assert (run["title"], run["heartbeat_seconds"]) == ("Told when it was over", 30)
    told = events(run["run_id"])
    assert [time_of(one["occurred_at"]) for one in told[1:]] == [time_of(one["occurred_at"]) for one in whole]
    assert told[2]["data"]["namespace"] == "policies"
    assert between.appended() == [] and troubles == [], "with the start, and once"

    # All of it or nothing.
    name = kind()
    ledger.start(name, {}, events=[new.started("w-1", None), new.failed_item("a", "No Code", "x"), new.completed()])
    assert ledger.flush()
    assert runs(name) == [] and [trouble.kind for trouble in troubles] == ["refused"]
    assert len((troubles[0].event or {})["start"]["events"]) == 3

    # Another start has made the run: it keeps its own.
    with ledger.open(name, {}) as run_here:
        until(lambda: run_here.id)
        ledger.start(name, {}, events=[new.started("w-2", None), new.completed()])
        until(lambda: len(troubles) == 2)
        run_here.succeeded("a")
    assert ledger.flush()
    assert types(only_run(name, "succeeded")["run_id"]) == ["Queued", "Started", "ItemSucceeded", "Completed"]
    assert troubles[1].kind == "refused" and troubles[1].detail.startswith("already_taken: run")


def test_signs_of_life_follow_the_work(ledger: Ledger) -> None:
    busy, hangs = kind(), kind()
    with ledger.open(hangs, {}, heartbeat=1), ledger.open(busy, {}, heartbeat=1) as run:
        until(lambda: runs_state(hangs) and runs_state(busy))
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            run.tick()
            time.sleep(0.001)
        assert runs_state(busy) == "alive"
        assert runs_state(hangs) == "stalled"
    signs = types(only_run(busy, "succeeded")["run_id"]).count("Progressed")
    assert 3 <= signs <= 6, "some more than promised, and not one a tick"
    assert types(only_run(hangs, "succeeded")["run_id"]) == ["Queued", "Started", "Completed"]


def runs_state(name: str) -> str | None:
    found = get(f"/runs?kind={name}")["runs"]
    return found[0]["liveness"]["state"] if found and found[0]["liveness"] else None


def test_reason_codes_are_mapped_and_extended(ledger: Ledger) -> None:
    class Quota(Exception):
        pass

    class License(Exception):
        reason_code = "vendor.license_missing"

    class Answered(Exception):
        def __init__(self, status: int) -> None:
            self.response = SimpleNamespace(status_code=status)

    ledger.reasons[Quota] = "quota_exceeded"
    cases: list[tuple[BaseException, str]] = [
        (TimeoutError(), "timeout"), (ConnectionRefusedError(), "unavailable"), (KeyError("x"), "internal"),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "x"), "data_corrupt"), (OSError(28, "full"), "quota_exceeded"),
        (Quota(), "quota_exceeded"), (type("Sub", (Quota,), {})(), "quota_exceeded"),
        (License(), "vendor.license_missing"), (Answered(404), "not_found"), (Answered(503), "unavailable"),
    ]  # fmt: skip
    for error, code in cases:
        assert ledger.reasons.of(error) == code, error
    assert Quota not in Reasons()

    name = kind()
    with ledger.open(name, {}) as run:
        for index, (error, _) in enumerate(cases):
            run.failed(index, error)
    run_id = only_run(name, "failed")["run_id"]
    codes = {event["data"]["item"]: event["data"]["reason_code"] for event in events(run_id)[2:-1]}
    assert codes == {str(index): code for index, (_, code) in enumerate(cases)}


def test_messages_are_cut(ledger: Ledger) -> None:
    class Mute(Exception):
        def __str__(self) -> Any:
            raise ValueError

    name = kind()
    with ledger.open(name, {}) as run:
        run.failed("long", ValueError("two\nlines " + "x" * 5_000))
        run.failed("empty", "unknown", "")
        run.failed("mute", Mute())
        run.failed("half \udc80 character", "unknown", "half \udc80")
    told_of = {one["data"]["item"]: one["data"]["message"] for one in events(only_run(name, "failed")["run_id"])[2:-1]}
    assert message("a \n b" + "x" * 5_000) == "a b" + "x" * 296 + "\N{HORIZONTAL ELLIPSIS}", "before it is spooled"
    assert len(told_of["long"]) == 300 and told_of["long"].startswith("ValueError: two lines xx")
    assert told_of["empty"] and told_of["mute"] == "Mute" == told(Mute())
    assert told_of["half \\udc80 character"] == "half \\udc80"
