"""How one run's lines get to the ledger: start it, claim it, append, and what to do where the ledger says no."""

import json
import time
from dataclasses import dataclass
from typing import Any

from .errors import AlreadyTaken, LedgerAway, Refused
from .events import Event, encode, taken_over
from .runfile import Meta
from .transport import Json, Transport


@dataclass(frozen=True)
class Started:
    """The ledger's answer to a start."""

    run_id: str
    status: str
    reused: bool


@dataclass(frozen=True)
class Rejected:
    """A line that the ledger does not take, and why."""

    line: bytes
    problem: dict[str, Any]


def start(transport: Transport, body: Json, timeout: float) -> Started:
    """Starts a run, or names the active one of the same operation. Safe to repeat."""
    said = transport.post("/runs", encode(body), timeout)
    return Started(str(said["run_id"]), str(said["status"]), bool(said["reused"]))


def begin(transport: Transport, body: Json, timeout: float) -> str:
    """The run of a start. Raises `Refused` where another start has made it, so that it has not this one's events."""
    started = start(transport, body, timeout)
    if started.reused and body.get("events"):
        detail = f"run {started.run_id} does this work already: it has not the events of this start"
        raise Refused(409, {"code": "already_taken", "detail": detail})
    return started.run_id


def resolve(transport: Transport, meta: Meta, timeout: float) -> str:
    """The run's id, by its start where it is not known."""
    if meta.run_id is None:
        meta.run_id = begin(transport, meta.start or {}, timeout)
    return meta.run_id


def post(transport: Transport, run_id: str, lines: list[bytes], timeout: float, if_match: int | None = None) -> Json:
    headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}
    return transport.post(f"/runs/{run_id}/events", b'{"events":[' + b",".join(lines) + b"]}", timeout, headers)


def claim(transport: Transport, meta: Meta, timeout: float) -> None:
    """Takes the run for this worker: it is queued, or the worker that had it has broken its heartbeat.

    Of several workers one succeeds, and it does so again where its answer was lost: the event is known by its id.
    Raises `AlreadyTaken`.
    """
    run_id, started = resolve(transport, meta, timeout), meta.started
    if started is None or meta.claimed:
        return
    try:
        post(transport, run_id, [encode(started)], timeout, if_match=0)
    except Refused as refused:
        if refused.status not in (409, 412):
            raise
        # An event of ours that says something else under this id: we have taken it over already.
        if refused.code != "event_id_taken":
            _take_over(transport, run_id, started, refused, timeout)
    meta.claimed = True


class Unclear(LedgerAway):
    """Somebody has started the run, and the ledger can't say yet whether that one still works."""


def _take_over(transport: Transport, run_id: str, started: Event, refused: Refused, timeout: float) -> None:
    run = _seen(transport, run_id, int(refused.problem.get("current_revision", 0)), timeout)
    liveness = run.get("liveness") or {}
    if run["status"] != "running" or liveness.get("state") != "stalled":
        raise AlreadyTaken(run_id, str(run["status"])) from refused
    try:
        post(transport, run_id, [encode(taken_over(started))], timeout, if_match=int(run["revision"]))
    except Refused as again:
        raise AlreadyTaken(run_id, str(run["status"])) from again


def _seen(transport: Transport, run_id: str, revision: int, timeout: float) -> Json:
    """The run as readers see it, at that revision at least: they may be a moment behind."""
    for _ in range(20):
        try:
            run = transport.get(f"/runs/{run_id}", timeout)
            if run["revision"] >= revision:
                return run
        except Refused as refused:
            if refused.status != 404:
                raise
        time.sleep(0.05)
    raise Unclear(f"the read tables are behind run {run_id}", of_one_run=True)


def append(transport: Transport, run_id: str, lines: list[bytes], timeout: float) -> list[Rejected]:
    """Appends what the ledger takes, in order, and gives back what it refuses: one bad event does not keep the others
    out. Raises `Refused` where it is not about the events: no such run, no such token."""
    rejected: list[Rejected] = []
    while lines:
        try:
            post(transport, run_id, lines, timeout)
            break
        except Refused as refused:
            if refused.status in (401, 403, 404):
                raise
            bad, lines = _without_the_bad(transport, run_id, lines, refused, timeout)
            rejected += bad
    return rejected


def _without_the_bad(
    transport: Transport, run_id: str, lines: list[bytes], refused: Refused, timeout: float
) -> tuple[list[Rejected], list[bytes]]:
    """What of the lines is refused, and what is still to be sent."""
    problem = refused.problem
    named = {place for error in problem.get("errors", []) if (place := _index(error)) is not None}
    if "event_index" in problem:
        named.add(int(problem["event_index"]))
        if refused.code == "illegal_transition" and problem.get("current_status") not in ("queued", "running"):
            named |= set(range(int(problem["event_index"]), len(lines)))  # the run has ended: nothing may follow
    if not named and len(lines) == 1:
        named = {0}
    if not named:
        # It does not say which: halves tell.
        middle = len(lines) // 2
        return append(transport, run_id, lines[:middle], timeout), lines[middle:]
    bad = [Rejected(line, problem) for index, line in enumerate(lines) if index in named]
    return bad, [line for index, line in enumerate(lines) if index not in named]


def _index(error: object) -> int | None:
    """N of a pointer such as `/events/N/message`."""
    pointer = error.get("pointer", "") if isinstance(error, dict) else ""
    parts = str(pointer).split("/")
    return int(parts[2]) if len(parts) > 2 and parts[1] == "events" and parts[2].isdigit() else None


def shown(line: bytes) -> dict[str, Any]:
    """A line as an event, or as it is where it is none."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) else {"unreadable": line.decode(errors="replace")}
