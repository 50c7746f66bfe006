"""SIGTERM: the runs of the process end, that is told within a few seconds, and then the process ends as it would have.

Only where nobody else handles the signal: programs with a handler of their own end their runs by the exceptions that
it raises, or by `Ledger.abort_all`.
"""

import os
import signal
import threading
import time
import weakref
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ledger import Ledger

_watched: "weakref.WeakSet[Ledger]" = weakref.WeakSet()


def watch(ledger: "Ledger") -> None:
    """Ends the runs of `ledger` on SIGTERM. Handlers can be set by the main thread alone."""
    if ledger in _watched or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _ended)
    _watched.add(ledger)


def _ended(number: int, _: FrameType | None) -> None:
    ledgers = list(_watched)
    deadline = time.monotonic() + max((ledger.limits.exit_timeout for ledger in ledgers), default=0)
    for ledger in ledgers:
        ledger.abort_all("the worker was told to end (SIGTERM)", deadline)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
