"""What does not reach the ledger: kept where it can be, logged, and told to the program."""

import logging
import time
from collections.abc import Callable
from typing import Any

from .errors import Trouble
from .spool import Spool

log = logging.getLogger("runledger")


class Troubles:
    """Tells them by `on_trouble`, in whose thread they are found."""

    def __init__(self, spool: Spool, on_trouble: Callable[[Trouble], None] | None) -> None:
        self._spool, self._on_trouble = spool, on_trouble
        self._lost, self._lost_told = 0, 0.0
        self._lost_why: tuple[str, str | None] = ("", None)

    def tell(self, trouble: Trouble) -> None:
        log.warning("%s (run %s): %s %s", trouble.kind, trouble.run_id, trouble.detail, trouble.event or "")
        if self._on_trouble is not None:
            try:
                self._on_trouble(trouble)
            except Exception:
                log.exception("on_trouble failed")

    def refused(self, run_id: str | None, event: dict[str, Any], problem: dict[str, Any]) -> None:
        """The ledger does not take it."""
        self._spool.set_aside(run_id, event, problem)
        self.tell(Trouble("refused", f"{problem.get('code', '')}: {problem.get('detail', '')}", run_id, event))

    def lost(self, error: BaseException, run_id: str | None) -> None:
        """It could not even be written. The first is told at once, others once a second: this is the job's own time."""
        self._lost += 1
        self._lost_why = f"{type(error).__name__}: {error}", run_id
        self.tell_lost()

    def tell_lost(self) -> None:
        """Tells of what was lost since it was told last."""
        moment = time.monotonic()
        if self._lost and moment >= self._lost_told + 1:
            (why, run_id), count = self._lost_why, self._lost
            self._lost, self._lost_told = 0, moment
            self.tell(Trouble("dropped", why, run_id, count=count))
