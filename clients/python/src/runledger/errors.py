"""What can go wrong between a worker and its ledger."""

from dataclasses import dataclass
from typing import Any, Literal


class RunledgerError(Exception):
    """Any of the client's own exceptions. Only questions raise them (`claim`, `exclusive`); reports never do."""


class AlreadyTaken(RunledgerError):
    """Another worker has the run, or it has ended: there is nothing to do here."""

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(f"run {run_id} is {status}, and not for this worker")
        self.run_id = run_id
        self.status = status


class LedgerAway(RunledgerError):
    """The ledger does not answer for now. `retry_after` is its own word on when to ask again, in seconds;
    `of_one_run` says that others may fare better."""

    def __init__(self, why: str, retry_after: float | None = None, of_one_run: bool = False) -> None:
        super().__init__(why)
        self.retry_after = retry_after
        self.of_one_run = of_one_run


class Refused(RunledgerError):
    """The ledger says no, and will say so again: `problem` has its reason, in the form of docs/errors.md."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', '')}")
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        return str(self.problem.get("code", ""))


@dataclass(frozen=True)
class Trouble:
    """What did not reach the ledger, for `Ledger(on_trouble=...)`. It is logged as well.

    `refused`: the ledger said no; the event is in `refused.log` of the spool. `taken`: another worker has the run,
    so nothing of this one is reported. `dropped`: the spool is full, or can't be written. `unauthorized`: the token
    is not taken; everything waits until one is.
    """

    kind: Literal["refused", "taken", "dropped", "unauthorized"]
    detail: str
    run_id: str | None = None
    event: dict[str, Any] | None = None
    count: int = 1
    """How many events it is about: `dropped` ones are told once a second."""
