"""A run, as the worker sees it: everything here only writes a line to the spool, and never raises."""

import logging
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from . import events
from .events import Event, Maker
from .reasons import Reasons, told
from .runfile import RunFile

if TYPE_CHECKING:
    from .sender import Sender

log = logging.getLogger("runledger")

# Messages of `progress` that may come at once; then one a second.
_BURST = 10.0


class Run:
    """Used as `with`: what leaves the block is the run's end. May be used by several threads, by tasks of an event
    loop, and by forked children, whose leaving the block ends nothing."""

    def __init__(
        self, file: RunFile | None, sender: "Sender", reasons: Reasons, heartbeat: float | None, ends: bool = True
    ) -> None:
        self._file, self._sender, self._reasons = file, sender, reasons
        self._ends = ends
        self._pid = os.getpid()
        # Signs of life come three times as often as promised.
        self._beat = heartbeat / 3 if heartbeat else float("inf")
        self._alive_at = self._counted_at = time.monotonic()
        self._allowance = _BURST
        self._pending: tuple[object, int | None] | None = None

    @property
    def id(self) -> str | None:
        """The run's id, once the ledger has told it."""
        return self._file.meta.run_id if self._file else None

    # What becomes of items.

    def item(
        self, item: object, label: object = None, *, namespace: str | None = None, reraise: bool = False
    ) -> "Item":
        """`with run.item(id):` - leaving the block is the item's success, an exception its failure. The exception is
        logged and goes no further, so that the next item has its turn; with `reraise` it does.

        `namespace`: in which one of the directory the item is an id. It is then shown by the name of today.
        """
        return Item(self, item, label, namespace, reraise)

    def succeeded(self, item: object, label: object = None, *, namespace: str | None = None) -> None:
        self._report(events.succeeded, item, label, namespace)

    def failed(
        self,
        item: object,
        reason: str | BaseException,
        why: object = None,
        label: object = None,
        *,
        namespace: str | None = None,
    ) -> None:
        """`reason`: a reason code with `why`, or an exception, which has both."""
        if isinstance(reason, BaseException):
            why = why or told(reason)
            reason = self._reasons.of(reason)
        self._report(events.failed_item, item, reason, why, label, namespace)

    def skipped(
        self, item: object, reason: str | None = None, label: object = None, *, namespace: str | None = None
    ) -> None:
        self._report(events.skipped, item, reason, label, namespace)

    # Signs of life.

    def tick(self) -> None:
        """The work advances. To be called in long loops that report nothing, as often as they like: only when a
        sign of life is due, one is written. There is no timer, so a worker that hangs falls silent."""
        if time.monotonic() - self._alive_at >= self._beat:
            message, total = self._pending or (None, None)
            self._pending = None
            self._report(events.progressed, message, total)

    def progress(self, message: object = None, items_total: int | None = None) -> None:
        """Tells people how far it is: some at once, then one a second; of those between the last one counts."""
        moment = time.monotonic()
        self._allowance = min(_BURST, self._allowance + moment - self._counted_at)
        self._counted_at = moment
        if items_total is None and self._pending:
            items_total = self._pending[1]
        if self._allowance < 1:
            self._pending = (message, items_total)
            return
        self._allowance -= 1
        self._pending = None
        self._report(events.progressed, message, items_total)

    # The end. The first one counts.

    def complete(self, message: object = None) -> None:
        self._end(events.completed, message)

    def fail(self, reason: str | BaseException, why: object = None) -> None:
        if isinstance(reason, BaseException):
            why = why or told(reason)
            reason = self._reasons.of(reason)
        self._end(events.failed, reason, why)

    def abort(self, reason: str = "cancelled", why: object = "the work was stopped") -> None:
        self._end(events.aborted, reason, why)

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ends:
            self._sender.leave(self._file)
        elif error is None or (isinstance(error, SystemExit) and not error.code):
            self.complete()
        elif isinstance(error, Exception):
            self.fail(error)
        else:
            self.abort(self._reasons.of(error), told(error))

    async def __aenter__(self) -> "Run":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _end(self, make: Maker, *arguments: object) -> None:
        if os.getpid() != self._pid:
            return  # a forked child leaves the block of its parent
        if self._pending:
            pending, self._pending = self._pending, None
            self._report(events.progressed, *pending)
        self._report(make, *arguments, last=True)
        self._sender.forget(self)

    def _report(self, make: Maker, *arguments: object, last: bool = False) -> None:
        if self._file is None:
            return
        try:
            event: Event = make(*arguments)
            self._sender.report(self._file, event, last)
        except Exception as error:  # whatever it is, it is not the work's trouble
            self._sender.troubles.lost(error, self.id)
        self._alive_at = time.monotonic()


class Item:
    """One item in its block. `skip` and `fail` say what becomes of it where that is neither success nor exception."""

    __slots__ = ("_run", "_item", "_label", "_namespace", "_reraise", "_outcome")

    def __init__(self, run: Run, item: object, label: object, namespace: str | None, reraise: bool) -> None:
        self._run, self._item, self._label, self._namespace = run, item, label, namespace
        self._reraise = reraise
        self._outcome: Callable[[], None] | None = None

    def skip(self, reason: str | None = None) -> None:
        self._outcome = lambda: self._run.skipped(self._item, reason, self._label, namespace=self._namespace)

    def fail(self, reason: str, why: object) -> None:
        self._outcome = lambda: self._run.failed(self._item, reason, why, self._label, namespace=self._namespace)

    def __enter__(self) -> "Item":
        self._run.tick()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self._run.failed(self._item, error, None, self._label, namespace=self._namespace)
            if isinstance(error, Exception) and not self._reraise:
                log.warning("item %s failed", self._item, exc_info=error)
                return True
        elif self._outcome is None:
            self._run.succeeded(self._item, self._label, namespace=self._namespace)
        else:
            self._outcome()
        return False
