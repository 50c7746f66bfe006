"""Which reason code an exception stands for."""

import asyncio
import errno
import json
from collections.abc import Iterator, MutableMapping

from . import events

# The classes are looked for from the exception's own upwards, so an entry counts for all that derive from it.
_CODES: dict[type[BaseException], str] = {
    BaseException: "internal",
    TimeoutError: "timeout",
    asyncio.TimeoutError: "timeout",  # another class before Python 3.11
    PermissionError: "permission_denied",
    FileNotFoundError: "not_found",
    FileExistsError: "already_exists",
    ConnectionError: "unavailable",
    NotImplementedError: "unsupported",
    UnicodeError: "data_corrupt",
    json.JSONDecodeError: "data_corrupt",
    ValueError: "validation_failed",
    MemoryError: "quota_exceeded",
    KeyboardInterrupt: "cancelled",
    asyncio.CancelledError: "cancelled",
    GeneratorExit: "cancelled",
    SystemExit: "cancelled",
}

_OF_HTTP = {
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    412: "precondition_failed",
    422: "validation_failed",
    429: "throttled",
    504: "timeout",
    507: "quota_exceeded",
}


class Reasons(MutableMapping[type[BaseException], str]):
    """A table from exceptions to reason codes, to be extended: `ledger.reasons[QuotaError] = "quota_exceeded"`.

    An exception may also say it by itself, with an attribute `reason_code`. One that carries an HTTP answer
    (`error.response.status_code`, as httpx and requests have it) is known by its status, unless the table has
    its own class.
    """

    def __init__(self) -> None:
        self._codes = dict(_CODES)

    def __getitem__(self, kind: type[BaseException]) -> str:
        return self._codes[kind]

    def __setitem__(self, kind: type[BaseException], code: str) -> None:
        self._codes[kind] = code

    def __delitem__(self, kind: type[BaseException]) -> None:
        del self._codes[kind]

    def __iter__(self) -> Iterator[type[BaseException]]:
        return iter(self._codes)

    def __len__(self) -> int:
        return len(self._codes)

    def of(self, error: BaseException) -> str:
        """The reason code of an exception; `internal` where nothing better is known."""
        own = getattr(error, "reason_code", None)
        if isinstance(own, str):
            return own
        if type(error) not in self._codes:
            status = getattr(getattr(error, "response", None), "status_code", None)
            if isinstance(status, int) and status >= 400:
                return _OF_HTTP.get(status, "unavailable" if status >= 500 else "internal")
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return "quota_exceeded"
        return next((self._codes[kind] for kind in type(error).__mro__ if kind in self._codes), "internal")


def told(error: BaseException) -> str:
    """What people are told of an exception: its class and its message, in one line."""
    try:
        said = str(error)
    except Exception:  # an exception whose message can't be made is told by its class
        said = ""
    name = type(error).__name__
    return events.message(f"{name}: {said}" if said else name)
