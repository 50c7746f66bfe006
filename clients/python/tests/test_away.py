"""The ledger is away, or says no: see clients/behaviours.md."""

import json
import time
from pathlib import Path

from conftest import MakeLedger
from harness import TOKEN, Proxy, events, get, kind, only_run, runs, time_of, types, until
from test_run import start_worker

from runledger import Ledger, Trouble


def test_the_work_goes_on_without_a_ledger(between: Proxy, make: MakeLedger) -> None:
    between.mode = "hang"
    ledger, name = make(between.url, answer_timeout=0.3, retry_first=5, retry_most=5), kind()
    sent: list[object] = []
    began = time.monotonic()
    ledger.dispatch(kind(), {}, send=sent.append)
    ledger.dispatch(kind(), {}, send=sent.append)
    assert time.monotonic() - began < 0.6, "the second one does not wait: the ledger was away a moment ago"
    with ledger.open(name, {"n": 1}) as run:
        for item in range(1_000):
            run.succeeded(item)
    assert time.monotonic() - began < 1.5
    assert len(sent) == 2 and runs(name) == []


def test_what_waited_is_told_in_order(between: Proxy, make: MakeLedger) -> None:
    between.mode = "away"
    ledger, name = make(between.url), kind()
    with ledger.open(name, {}) as run:
        for item in range(2_500):
            run.succeeded(item)
    assert not ledger.flush(0.5)
    between.mode = "pass"
    assert ledger.flush(20)
    told = events(only_run(name, "succeeded")["run_id"])
    assert [event["data"]["item"] for event in told[2:-1]] == [str(item) for item in range(2_500)]
    times = [time_of(event["occurred_at"]) for event in told[1:]]
    assert times == sorted(times)
    assert all(time_of(event["occurred_at"]) < time_of(event["recorded_at"]) for event in told[1:])


def test_a_killed_process_loses_no_report(between: Proxy, make: MakeLedger, tmp_path: Path) -> None:
    between.mode = "away"
    name = kind()
    worker = start_worker(between.url, tmp_path / "spool", name, items=500)
    worker.kill()
    worker.wait()
    between.mode = "pass"
    with make(between.url).open(kind(), {}):
        until(lambda: runs(name) and runs(name)[0]["items"]["succeeded"] == 500)
    assert only_run(name, "running")["ended_as"] is None, "nobody knows how it ended"


def test_a_lost_answer_changes_nothing(between: Proxy, make: MakeLedger) -> None:
    between.mode = "lost"
    ledger, name = make(between.url, linger=0.01), kind()
    with ledger.open(name, {}) as run:
        until(lambda: len(between.asked) >= 2)
        between.mode = "pass"
        assert ledger.flush()
        between.mode = "lost"
        for item in range(50):
            run.succeeded(item)
        until(lambda: get(f"/runs/{run.id}")["items"]["succeeded"] == 50)
        between.mode = "pass"
    assert ledger.flush()
    told = types(only_run(name, "succeeded")["run_id"])
    assert told == ["Queued", "Started", *["ItemSucceeded"] * 50, "Completed"]


def test_retry_after_is_honoured(between: Proxy, make: MakeLedger) -> None:
    between.mode, between.retry_after = "busy", 1
    ledger, name = make(between.url), kind()
    with ledger.open(name, {}):
        until(lambda: between.asked)
        between.mode = "pass"
        until(lambda: len(between.asked) > 1)
    first, second = (one.at for one in between.asked[:2])
    assert 1 <= second - first < 2
    assert ledger.flush()


def test_a_full_spool_drops_signs_of_life_first(
    between: Proxy, make: MakeLedger, troubles: list[Trouble]
) -> None:
    between.mode = "away"
    ledger, name = make(between.url, spool_bytes=20_000), kind()
    with ledger.open(name, {}, heartbeat=0.003) as run:
        for item in range(90):
            run.succeeded(item)
        assert not troubles
        run.progress("dropped")
        assert [trouble.kind for trouble in troubles] == ["dropped"]
        run.succeeded("kept")
        for item in range(200):
            run.succeeded(f"more {item}")
        until(lambda: sum(trouble.count for trouble in troubles) > 50)
        run.complete("told all the same")
    between.mode = "pass"
    assert ledger.flush(10)
    told = events(only_run(name, "succeeded")["run_id"])
    assert told[-1]["data"]["message"] == "told all the same"
    items = [event["data"].get("item") for event in told]
    assert "kept" in items and "more 199" not in items
    assert "Progressed" not in [event["type"] for event in told]


def test_what_is_refused_is_set_aside_and_told(
    make: MakeLedger, between: Proxy, troubles: list[Trouble], tmp_path: Path
) -> None:
    ledger, name = make(between.url), kind()
    with ledger.open(name, {}) as run:
        run.succeeded("good")
        run.failed("bad", "No Code", "of a form that nobody takes")
        run.failed("worse", "ALSO NONE", "of a form that nobody takes")
        run.succeeded("better")
    assert ledger.flush()
    found = only_run(name, "succeeded")
    assert found["items"]["succeeded"] == 2
    assert [(trouble.kind, trouble.event and trouble.event["item"]) for trouble in troubles] == [
        ("refused", "bad"),
        ("refused", "worse"),
    ]
    [aside] = (tmp_path / "spool").glob("*/refused.log")
    assert aside.stat().st_mode & 0o077 == 0
    lines = [json.loads(line) for line in aside.read_text().splitlines()]
    assert [line["event"]["item"] for line in lines] == ["bad", "worse"]
    assert lines[0]["run_id"] == found["run_id"] and lines[0]["problem"]["code"] == "validation_failed"

    with ledger.open("No Kind", {}) as run:
        run.succeeded("a")
    assert ledger.flush()
    assert len(troubles) == 5, "the start, the item and the end"

    # A run that somebody else has ended: all that follows is refused at once.
    with ledger.open(kind(), {}) as run:
        until(lambda: run.id and get(f"/runs/{run.id}")["status"] == "running")
        make().join(str(run.id)).abort("cancelled", "by an operator")
        until(lambda: get(f"/runs/{run.id}")["status"] == "failed")
        for item in range(300):
            run.succeeded(item)
    assert ledger.flush()
    assert len(troubles) == 5 + 301
    assert len(between.appended()) < 20, "and not one by one"


def test_batches_are_bounded(between: Proxy, make: MakeLedger) -> None:
    ledger, name = make(between.url, batch_events=100, batch_bytes=8_000, linger=0.3), kind()
    with ledger.open(name, {}) as run:
        until(lambda: between.appended())
        between.asked.clear()
        for item in range(1_000):
            run.succeeded(item, label="x" if item < 500 else "x" * 250)
    assert ledger.flush()
    batches = [(len(one.body), len(one.events())) for one in between.appended()]
    assert sum(count for _, count in batches) == 1_001
    assert max(count for _, count in batches) <= 100
    assert max(size for size, _ in batches) <= 8_000 + 50
    assert len(batches) < 80

    # What comes within the time goes together.
    between.asked.clear()
    with ledger.open(kind(), {}) as run:
        assert ledger.flush()
        between.asked.clear()
        began = time.monotonic()
        for item in range(10):
            run.succeeded(item)
        until(lambda: between.appended())
    assert len(between.appended()[0].events()) == 10
    assert between.appended()[0].at - began >= 0.25


def test_the_token_is_not_spooled(between: Proxy, make: MakeLedger, tmp_path: Path) -> None:
    between.mode = "away"
    ledger = make(between.url)
    with ledger.open(kind(), {"a": 1}) as run:
        run.succeeded("a")
        ledger.flush(0.3)
        spooled = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert any(b'"a"' in path.read_bytes() for path in spooled)
        assert not any(TOKEN.encode() in path.read_bytes() for path in spooled)
        assert all(path.stat().st_mode & 0o077 == 0 for path in spooled), "nobody else reads it"


def test_an_unwritable_spool_breaks_no_work(make: MakeLedger, troubles: list[Trouble], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    ledger: Ledger = make(spool=tmp_path / "file")
    with ledger.open(kind(), {}, heartbeat=1) as run:
        run.succeeded("a")
        run.progress("b")
        with run.item("c"):
            raise ValueError
    sent: list[object] = []
    ledger.dispatch(kind(), {}, send=sent.append)
    assert sent and troubles[0].kind == "dropped"
