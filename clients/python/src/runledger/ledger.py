"""The ledger of one tenant, as programs use it that start and work on runs."""

import atexit
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, cast

from . import delivery, directory, events, signals
from .decorate import decorated
from .errors import AlreadyTaken, LedgerAway, Refused, RunledgerError, Trouble
from .events import StartOptions, WholeOptions
from .limits import Limits
from .outbox import Connection, Outbox, Relay
from .reasons import Reasons, told
from .run import Run
from .runfile import Meta, RunFile
from .sender import Sender
from .spool import Spool
from .transport import Transport

if TYPE_CHECKING:
    from typing_extensions import Unpack  # the checker has it

log = logging.getLogger("runledger")

Returned = TypeVar("Returned")
Context = Mapping[str, object]


class CallOptions(TypedDict, total=False):
    """`StartOptions`, each of which may be a function of the call's arguments."""

    initiator: str | Mapping[str, str] | Callable[..., str | Mapping[str, str]]
    items_total: int | Callable[..., int]
    labels: Mapping[str, str] | Callable[..., Mapping[str, str]]
    title: str | Callable[..., str]
    unordered: list[str]
    ref: Mapping[str, str] | Callable[..., Mapping[str, str]]


class Ticket(TypedDict):
    """What the worker needs to know of a run that was dispatched: plain JSON, for any queue. `run_id` is None while
    the ledger was away; `start` finds the run, or makes it, all the same."""

    run_id: str | None
    start: dict[str, Any]


class Dispatched(TypedDict):
    """`reused`: the operation is active already, and was not sent again."""

    run_id: str | None
    reused: bool


class Ledger:
    """Threads may share it, and so may forked children. One a program is enough.

    `url`, `tenant`, `token` and `spool` may also be in RUNLEDGER_URL, RUNLEDGER_TENANT, RUNLEDGER_TOKEN and
    RUNLEDGER_SPOOL. `token` may be a function, for tokens that change. `on_trouble` is called, by the sender's
    thread, with what does not reach the ledger.
    """

    def __init__(
        self,
        url: str | None = None,
        tenant: str | None = None,
        token: str | Callable[[], str] | None = None,
        *,
        spool: str | Path | None = None,
        worker: str | None = None,
        on_trouble: Callable[[Trouble], None] | None = None,
        limits: Limits = Limits(),
        handle_sigterm: bool = True,
    ) -> None:
        url, tenant = _given(url, "url"), _given(tenant, "tenant")
        transport = Transport(url, tenant, token or _given(None, "token"))
        folder = Path(spool or os.environ.get("RUNLEDGER_SPOOL") or _default_spool())
        self.limits, self._worker = limits, worker
        self.reasons = Reasons()
        self._spool = Spool(folder, url, tenant)
        self._sender = Sender(transport, self._spool, limits, on_trouble)
        self._handle_sigterm = handle_sigterm
        atexit.register(self.close)

    @property
    def worker(self) -> str:
        """As what this process is shown: as it was given, or machine and process."""
        return self._worker or f"{socket.gethostname()}/{os.getpid()}"

    # To work on a run.

    def run(
        self,
        kind: str,
        context: Context | Callable[..., Context] = {},
        *,
        heartbeat: float | None = None,
        exclusive: bool = False,
        **more: "Unpack[CallOptions]",
    ) -> Callable[[Callable[..., Returned]], Callable[..., Returned]]:
        """Makes a run of each call of a function, `async` or not. What is given as a function is called with the
        arguments of the call. The function gets the `Run` as `run`, if it has such a parameter."""

        def begin(*args: Any, **kwargs: Any) -> Run:
            def of_call(given: Any) -> Any:
                return given(*args, **kwargs) if callable(given) else given

            def start() -> dict[str, Any]:
                options = {name: of_call(value) for name, value in more.items()}
                return events.start(kind, of_call(context), cast(StartOptions, options))

            return self._open(start, heartbeat, exclusive)

        return lambda function: decorated(function, begin, waits=exclusive)

    def open(
        self,
        kind: str,
        context: Context,
        *,
        heartbeat: float | None = None,
        exclusive: bool = False,
        **more: "Unpack[StartOptions]",
    ) -> Run:
        """A run that is worked on here: `with ledger.open("kind", {...}) as run:`.

        With `exclusive` it is asked whether the operation is free, and `AlreadyTaken` or `LedgerAway` is raised where
        it is not. Without, the work goes on whatever the ledger says; what it reports is then set aside.
        """
        return self._open(lambda: events.start(kind, context, more), heartbeat, exclusive)

    def _open(self, start: Callable[[], dict[str, Any]], heartbeat: float | None, exclusive: bool) -> Run:
        try:
            file = self._file(start(), None, heartbeat)
            if exclusive:
                self._claim_now(file, "raise")
        except RunledgerError:
            raise
        except Exception as error:
            self._sender.troubles.lost(error, None)
            return self._run(None, heartbeat)
        return self._run(file, heartbeat)

    def claim(
        self, ticket: Ticket | Mapping[str, Any], *, heartbeat: float | None = None, if_away: Literal["work", "raise"] = "work"
    ) -> Run:
        """Takes a run that was dispatched: `with ledger.claim(ticket) as run:`.

        `AlreadyTaken` is raised where another worker has it or it has ended. A run whose worker has broken its
        heartbeat is taken over. While the ledger is away nobody can know: `if_away` says what then.
        """
        try:
            file = self._file(ticket["start"], ticket.get("run_id"), heartbeat)
            self._claim_now(file, if_away)
        except RunledgerError:
            raise
        except Exception as error:
            self._sender.troubles.lost(error, None)
            return self._run(None, heartbeat)
        return self._run(file, heartbeat)

    def join(self, run_id: str, *, heartbeat: float | None = None) -> Run:
        """Reports to a run that another process works on and will end. Leaving the block ends nothing; `flush` before
        the other one ends it, or what comes later is refused."""
        try:
            file = self._spool.create(Meta(None, run_id))
        except Exception as error:
            self._sender.troubles.lost(error, run_id)
            return self._run(None, heartbeat)
        return self._run(file, heartbeat, ends=False)

    def _file(self, start: dict[str, Any] | None, run_id: str | None, heartbeat: float | None) -> RunFile:
        return self._spool.create(Meta(start, run_id, events.started(self.worker, heartbeat)))

    def _claim_now(self, file: RunFile, if_away: str) -> None:
        try:
            self._ask(lambda: delivery.claim(self._sender.transport, file.meta, self.limits.answer_timeout))
            file.save()
        except delivery.Unclear as unclear:
            file.remove()
            raise AlreadyTaken(str(file.meta.run_id), "running") from unclear
        except LedgerAway:
            if if_away == "raise":
                file.remove()
                raise
        except AlreadyTaken:
            file.remove()
            raise
        except Refused:
            pass  # the sender asks again, and tells it

    def _run(self, file: RunFile | None, heartbeat: float | None, ends: bool = True) -> Run:
        run = Run(file, self._sender, self.reasons, heartbeat, ends)
        if file is not None:
            self._sender.add(file)
            if ends:
                self._sender.open.add(run)
            if self._handle_sigterm:
                signals.watch(self)
        return run

    # To have others work on it.

    def start(self, kind: str, context: Context, **more: "Unpack[WholeOptions]") -> Ticket:
        """Starts a run on which nobody works here, with its first `events`: all of it is recorded, or nothing. Waits for
        nobody, as a report does. Gives its ticket.

        Where another start has made the run already, the events are not in it: they are set aside, and that is told.
        """
        start = events.start(kind, context, more)
        self._say(start, None, None)
        return {"run_id": None, "start": start}

    def dispatch(
        self, kind: str, context: Context, *, send: Callable[[Ticket], object], **more: "Unpack[StartOptions]"
    ) -> Dispatched:
        """Starts a run and sends its ticket to a worker, by `send`. An exception of `send` fails the run at once and is
        raised again. An operation that is active already is not sent again."""
        start = events.start(kind, context, more)
        run_id = None
        try:
            answer = self._ask(lambda: delivery.start(self._sender.transport, start, self.limits.answer_timeout))
            run_id = answer.run_id
            if answer.reused:
                return {"run_id": run_id, "reused": True}
        except Exception as error:  # the sender tries again, and tells what is wrong
            log.info("dispatched without the ledger: %s", error)
        try:
            send({"run_id": run_id, "start": start})
        except BaseException as error:
            self._say(start, run_id, events.failed("dispatch_failed", told(error)))
            raise
        if run_id is None:
            self._say(start, None, None)
        return {"run_id": run_id, "reused": False}

    def _say(self, start: dict[str, Any], run_id: str | None, end: events.Event | None) -> None:
        """Has the sender say that there is a run, and how it ended."""
        try:
            file = self._spool.create(Meta(start, run_id))
            if end is not None:
                self._sender.report(file, end, True)
            file.close()
            self._sender.add(file)
        except Exception as error:
            self._sender.troubles.lost(error, run_id)

    def _ask(self, question: Callable[[], Any]) -> Any:
        """The ledger's answer, where it is likely to give one at once."""
        if self._sender.away():
            raise LedgerAway("the ledger did not answer a moment ago")
        try:
            answer = question()
        except LedgerAway as away:
            if not away.of_one_run:
                self._sender.silent(away)
            raise
        self._sender.answered()
        return answer

    # The outbox.

    def outbox(self, connection: Connection) -> Outbox:
        """Starts and events that are committed with the caller's transaction, or not at all."""
        return Outbox(connection)

    def relay(self, connect: Callable[[], Connection]) -> Relay:
        """What takes them to the ledger: `ledger.relay(connect).run()` in a process or thread of its own."""
        return Relay(connect, self._sender)

    # Names.

    def directory(
        self,
        namespace: str,
        names: Mapping[Any, object] | Iterable[tuple[object, object]],
        as_of: datetime | None = None,
    ) -> int:
        """Says what ids of a namespace are called, `as_of` when they were read; now, without. How many of the names the
        ledger did not know.

        Waits for the ledger, and raises `LedgerAway`, and `Refused` where a name is wrong. Names may be said again at any
        time: the newest counts, in whatever order they come.
        """
        pairs = names.items() if isinstance(names, Mapping) else names
        return directory.send(self._sender.transport, self.limits, namespace, pairs, as_of)

    # The end.

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until the ledger has all that was reported; whether it has. What it has not stays in the spool."""
        return self._sender.flush(self.limits.exit_timeout if timeout is None else timeout)

    def close(self) -> None:
        """As `flush`. Called by itself when the interpreter ends."""
        if self._sender.busy():
            self.flush()

    def send_left(self, timeout: float) -> int:
        """Sends what processes that have died left in the spool; how many runs of them are still not sent."""
        deadline = time.monotonic() + timeout
        self._sender.adopt_now(timeout)
        self.flush(max(deadline - time.monotonic(), 0))
        return self._sender.left()

    def abort_all(self, why: str, deadline: float) -> None:
        """Ends the runs of this process, and waits until that is told."""
        for run in list(self._sender.open):
            run.abort("cancelled", why)
        self.flush(max(deadline - time.monotonic(), 0))


def _given(value: str | None, name: str) -> str:
    variable = f"RUNLEDGER_{name.upper()}"
    value = value or os.environ.get(variable)
    if not value:
        raise ValueError(f"the ledger's {name} is missing: Ledger({name}=...) or {variable}")
    return value


def _default_spool() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(state, "runledger")
