"""The thread that takes what is in the spool to the ledger, run by run, each in its order."""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from . import delivery
from .errors import AlreadyTaken, LedgerAway, Refused, Trouble
from .events import Event, encode
from .limits import Limits
from .runfile import RunFile
from .spool import Spool
from .transport import Transport
from .troubles import Troubles

if TYPE_CHECKING:
    from .run import Run

log = logging.getLogger("runledger")


_NEVER = float("inf")

_senders: "weakref.WeakSet[Sender]" = weakref.WeakSet()


def _forked() -> None:
    for sender in list(_senders):
        sender.begin()


os.register_at_fork(after_in_child=_forked)

# Where many runs have something to say, so many requests are made at once.
_LANES = 4

# Batches of one run that may follow each other while others wait.
_FAIR = 10


@dataclass
class _Way:
    """A run on its way: when it is its turn, and what has failed for it alone."""

    file: RunFile
    due: float = _NEVER
    not_before: float = 0.0
    failures: int = 0
    sending: bool = False


class Sender:
    """Owns the thread, which begins with the first run, and anew in a forked child that has runs of its own."""

    def __init__(
        self, transport: Transport, spool: Spool, limits: Limits, on_trouble: Callable[[Trouble], None] | None
    ) -> None:
        self.transport, self.spool, self.limits = transport, spool, limits
        self.troubles = Troubles(spool, on_trouble)
        self.open: weakref.WeakSet[Run] = weakref.WeakSet()
        self.begin()
        _senders.add(self)

    def begin(self) -> None:
        """Nothing yet, in this process: in a forked child, what the parent has is the parent's."""
        self._thread: threading.Thread | None = None
        self._ways: dict[RunFile, _Way] = {}
        # A signal's handler may be in the midst of the same calls: both can be entered once more.
        self._news: SimpleQueue[RunFile | None] = SimpleQueue()
        self._changed = threading.Condition(threading.RLock())
        self._used = 0
        self._hurry = False
        self._away = False
        self._not_before = 0.0
        self._failures = 0
        self._look_at = self._adopt_at = 0.0
        self._told_unauthorized = False

    # Called by the job.

    def add(self, file: RunFile) -> None:
        """A run to send from now on."""
        self._ways[file] = _Way(file, due=time.monotonic() + self.limits.linger)
        self._start()
        self._notice(file)

    def _start(self) -> None:
        """Begins the thread, where this process has none yet."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="runledger", daemon=True)
            self._thread.start()

    def report(self, file: RunFile, event: Event, last: bool) -> None:
        """Writes an event to the spool, where there is room for it. Raises what the disk does."""
        line = encode(event) + b"\n"
        room = self.limits.spool_bytes - self._used - len(line)
        if room < 0 and not last:
            raise OSError("the spool is full")
        if event["type"] == "Progressed" and room < self.limits.spool_bytes // 2:
            raise OSError("the spool is half full, and signs of life go first")
        if file.append(line, last):
            self._used += len(line)
            if last or not file.noticed:
                self._notice(file)

    def _notice(self, file: RunFile) -> None:
        file.noticed = True
        self._news.put(file)

    def away(self) -> bool:
        """Whether the ledger did not answer a moment ago: nobody needs to wait for it."""
        return self._away and time.monotonic() < self._not_before

    def leave(self, file: RunFile | None) -> None:
        """Nothing more will be reported here to a run that goes on."""
        if file is not None:
            file.close()
            self._notice(file)

    def forget(self, run: "Run") -> None:
        """The run has ended, so a signal needs not end it."""
        self.open.discard(run)

    def busy(self) -> bool:
        """Whether this process has anything to send, or may get it."""
        return bool(self._ways)

    def adopt_now(self, timeout: float) -> None:
        """Has the thread take over what processes that have died left, whatever the time."""
        with self._changed:
            self._adopt_at = self._look_at = 0.0
            self._start()
            self._news.put(None)
            self._changed.wait_for(lambda: self._adopt_at, timeout)

    def left(self) -> int:
        """How many runs are not yet sent to their end."""
        return len(self._ways)

    def flush(self, timeout: float) -> bool:
        """Waits until the ledger has all that was reported; whether it has."""
        with self._changed:
            self._hurry, self._not_before = True, 0.0
            self._news.put(None)
            sent = self._changed.wait_for(lambda: not self._waiting(), timeout)
            self._hurry = False
        return sent

    def _waiting(self) -> bool:
        ways = list(self._ways.values())
        return any(way.sending or way.file.closed or way.file.waiting() or way.due < _NEVER for way in ways)

    # The thread.

    def _work(self) -> None:
        while True:
            try:
                self._round()
            except Exception:
                log.exception("the sender goes on")
                time.sleep(1)

    def _pause(self) -> float:
        moment = time.monotonic()
        due = moment if self._hurry else min((way.due for way in list(self._ways.values())), default=_NEVER)
        return min(max(due - moment, self._not_before - moment, 0.01), 1.0)

    def _hear(self) -> None:
        """Waits until it is time, and takes in what is new until then."""
        until = time.monotonic() + self._pause()
        while True:
            try:
                file = self._news.get(timeout=max(until - time.monotonic(), 0))
            except Empty:
                return
            way = self._ways.get(file) if file is not None else None
            if way is not None:
                moment = time.monotonic()
                wanted = moment if way.file.closed else moment + self.limits.linger
                way.due = min(way.due, max(wanted, way.not_before))
            until = min(until, time.monotonic() + self._pause())

    def _round(self) -> None:
        self._hear()
        moment = time.monotonic()
        if moment >= self._look_at:
            self._look_at = moment + min(self.limits.adopt_every, 1.0)
            self._look_around(moment)
        due = [way for way in list(self._ways.values()) if way.due <= moment or self._hurry]
        lanes = [due[n::_LANES] for n in range(_LANES)] if len(due) > 2 * _LANES else [due]
        beside = [threading.Thread(target=self._send_all, args=(lane,), daemon=True) for lane in lanes[1:]]
        for thread in beside:
            thread.start()
        self._send_all(lanes[0])
        for thread in beside:
            thread.join()
        self.troubles.tell_lost()
        self._used = sum(way.file.waiting() for way in list(self._ways.values()))
        with self._changed:
            self._changed.notify_all()

    def _send_all(self, ways: list[_Way]) -> None:
        for way in ways:
            moment = time.monotonic()
            if moment < self._not_before:
                break
            if way.not_before <= moment:
                self._send(way)

    def _look_around(self, moment: float) -> None:
        """What the dead have left, and what forked children write."""
        if moment >= self._adopt_at:
            self._adopt_at = moment + self.limits.adopt_every
            for file in self.spool.adopt():
                self._ways[file] = _Way(file, due=moment)
            self.spool.tidy({way.file.folder for way in list(self._ways.values())})
        for way in list(self._ways.values()):
            if way.file.find_children() and way.file.waiting():
                way.due = min(way.due, max(moment, way.not_before))

    def _send(self, way: _Way) -> None:
        file = way.file
        way.due, way.sending, file.noticed = _NEVER, True, False
        try:
            if file.closed:
                file.find_children()
            more = self._deliver(file)
        except LedgerAway as away:
            self._wait(way, away)
        except AlreadyTaken as taken:
            self._taken(file, taken)
        except Refused as refused:
            if refused.status in (401, 403):
                self._unauthorized(way, refused)
            else:
                self._refuse_run(file, refused)
        else:
            self.answered()
            way.failures, way.not_before = 0, 0.0
            if more or (file.closed and file.children_live()):
                way.due = time.monotonic() + (0 if more else self.limits.linger)
            elif file.closed:
                self._drop(file)
        finally:
            way.sending = False

    def _deliver(self, file: RunFile) -> bool:
        """Sends what a run has to say; whether there is more of it, after a fair share of time."""
        meta, timeout = file.meta, self.limits.request_timeout
        if meta.run_id is None:
            delivery.resolve(self.transport, meta, timeout)
            file.save()
        if meta.started is not None and not meta.claimed:
            # `Started` goes with the first events. Where it is refused, it is asked why, and these follow later.
            part, lines = file.lines(self.limits.batch_events - 1, self.limits.batch_bytes)
            try:
                delivery.post(self.transport, str(meta.run_id), [encode(meta.started), *lines], timeout, if_match=0)
                file.sent(part, lines)
            except Refused:
                delivery.claim(self.transport, meta, timeout)
            meta.claimed = True
            file.save()
        for _ in range(_FAIR):
            part, lines = file.lines(self.limits.batch_events, self.limits.batch_bytes)
            if not lines:
                return False
            rejected = delivery.append(self.transport, str(meta.run_id), lines, timeout)
            file.sent(part, lines)
            for refused in rejected:
                self.troubles.refused(file.meta.run_id, delivery.shown(refused.line), refused.problem)
        return True

    # What goes wrong.

    def answered(self) -> None:
        """The ledger is there."""
        self._failures, self._not_before, self._away, self._told_unauthorized = 0, 0.0, False, False

    def silent(self, away: LedgerAway) -> None:
        """The ledger is not: nothing is sent for a while, longer each time, and never all at the same moment."""
        self._away = True
        self._failures += 1
        self._not_before = time.monotonic() + self.limits.pause(self._failures, away.retry_after)

    def _wait(self, way: _Way, away: LedgerAway) -> None:
        if away.of_one_run:
            way.failures += 1
            way.not_before = time.monotonic() + self.limits.pause(way.failures, away.retry_after)
        else:
            if not self._away:
                log.warning("the ledger is away, reports wait in %s: %s", self.spool.folder, away)
            self.silent(away)
        way.due = way.not_before
        try:
            way.file.sync()
        except OSError:
            log.exception("the spool can't be written to the disk")

    def _unauthorized(self, way: _Way, refused: Refused) -> None:
        """Not about this run: all waits until there is a token that is taken."""
        if not self._told_unauthorized:
            self.troubles.tell(Trouble("unauthorized", str(refused), way.file.meta.run_id))
        self._told_unauthorized = True
        self._away = True
        self._not_before = time.monotonic() + self.limits.pause(8, None)
        way.due = 0.0

    def _taken(self, file: RunFile, taken: AlreadyTaken) -> None:
        """Told once; what was reported is kept for people to look at."""
        file.close()
        problem = {"code": "already_taken", "detail": str(taken)}
        count = 0
        for line in self._rest(file):
            self.spool.set_aside(file.meta.run_id, delivery.shown(line), problem)
            count += 1
        self.troubles.tell(Trouble("taken", str(taken), file.meta.run_id, count=count))
        self._drop(file)

    def _refuse_run(self, file: RunFile, refused: Refused) -> None:
        """The run itself is refused: its start is wrong, or the ledger has no such run."""
        file.close()
        if file.meta.run_id is None:
            self.troubles.refused(None, {"start": file.meta.start}, refused.problem)
        for line in self._rest(file):
            self.troubles.refused(file.meta.run_id, delivery.shown(line), refused.problem)
        self._drop(file)

    def _rest(self, file: RunFile) -> Iterator[bytes]:
        while True:
            part, lines = file.lines(self.limits.batch_events, self.limits.batch_bytes)
            if not lines:
                return
            yield from lines
            file.sent(part, lines)

    def _drop(self, file: RunFile) -> None:
        self._ways.pop(file, None)
        file.remove()
