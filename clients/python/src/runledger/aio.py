"""The same for asyncio. Reports only write a line to a file, so they are the same calls and block nothing that could
be felt; what waits for an answer - `dispatch`, `claim`, `exclusive`, `flush` - is awaited here."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from .decorate import aside
from .ledger import Context, Dispatched, Ledger, Ticket
from .run import Run

Returned = TypeVar("Returned")
Work = Coroutine[Any, Any, Returned]


class AsyncLedger:
    """Takes what `Ledger` takes. `sync` is that ledger, for all that does not wait: `reasons`, `start`, `outbox`, `relay`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sync = Ledger(*args, **kwargs)
        self.reasons = self.sync.reasons

    def run(
        self, kind: str, context: Context | Callable[..., Context] = {}, **more: Any
    ) -> Callable[[Callable[..., Work[Returned]]], Callable[..., Work[Returned]]]:
        """As `Ledger.run`, of `async` functions."""
        return self.sync.run(kind, context, **more)

    @asynccontextmanager
    async def open(self, kind: str, context: Context, **more: Any) -> AsyncIterator[Run]:
        """As `Ledger.open`: `async with ledger.open("kind", {...}) as run:`."""
        with await aside(functools.partial(self.sync.open, kind, context, **more)) as run:
            yield run

    @asynccontextmanager
    async def claim(self, ticket: Ticket | Mapping[str, Any], **more: Any) -> AsyncIterator[Run]:
        """As `Ledger.claim`."""
        with await aside(functools.partial(self.sync.claim, ticket, **more)) as run:
            yield run

    async def dispatch(
        self, kind: str, context: Context, *, send: Callable[[Ticket], object], **more: Any
    ) -> Dispatched:
        """As `Ledger.dispatch`; `send` may be `async`, and is called in this loop."""
        loop = asyncio.get_running_loop()

        async def deliver(ticket: Ticket) -> None:
            sent = send(ticket)
            if inspect.isawaitable(sent):
                await sent

        def from_thread(ticket: Ticket) -> None:
            asyncio.run_coroutine_threadsafe(deliver(ticket), loop).result()

        return await asyncio.to_thread(self.sync.dispatch, kind, context, send=from_thread, **more)

    async def directory(self, namespace: str, names: Any, as_of: datetime | None = None) -> int:
        """As `Ledger.directory`."""
        return await asyncio.to_thread(self.sync.directory, namespace, names, as_of)

    async def flush(self, timeout: float | None = None) -> bool:
        """As `Ledger.flush`."""
        return await asyncio.to_thread(self.sync.flush, timeout)

    async def close(self) -> None:
        """As `Ledger.close`."""
        await asyncio.to_thread(self.sync.close)
