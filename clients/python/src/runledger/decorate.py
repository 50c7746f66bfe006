"""A function each of whose calls is a run."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from .run import Run

Returned = TypeVar("Returned")


def decorated(
    function: Callable[..., Returned], begin: Callable[..., Run], waits: bool
) -> Callable[..., Returned]:
    """`begin` makes the run of a call's arguments; `waits` says that it asks the ledger, which an event loop must not
    wait for."""
    wants_run = "run" in inspect.signature(function).parameters

    @functools.wraps(function)
    def work(*args: Any, **kwargs: Any) -> Returned:
        with begin(*args, **kwargs) as run:
            return function(*args, **kwargs, **({"run": run} if wants_run else {}))

    @functools.wraps(function)
    async def async_work(*args: Any, **kwargs: Any) -> Any:
        beginning = functools.partial(begin, *args, **kwargs)
        with await aside(beginning) if waits else beginning() as run:
            return await cast(Awaitable[Any], function(*args, **kwargs, **({"run": run} if wants_run else {})))

    return cast(Callable[..., Returned], async_work) if inspect.iscoroutinefunction(function) else work


async def aside(take: Callable[[], Run]) -> Run:
    """Takes a run in a thread. Where nobody waits for it any more, it ends as soon as it is there."""
    taking = asyncio.ensure_future(asyncio.to_thread(take))
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(_give_up)
        raise


def _give_up(taking: "asyncio.Future[Run]") -> None:
    if not taking.cancelled() and taking.exception() is None:
        taking.result().abort("cancelled", "the work was cancelled before it began")
