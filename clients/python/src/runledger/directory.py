"""What ids are called: sent in batches, and again where the ledger does not answer."""

import itertools
import time
from collections.abc import Iterable
from datetime import datetime, timezone

from .errors import LedgerAway
from .events import encode, line, now, text
from .limits import Limits
from .transport import Json, Transport


def send(
    transport: Transport,
    limits: Limits,
    namespace: str,
    names: Iterable[tuple[object, object]],
    as_of: datetime | None,
) -> int:
    """How many of the names are new. What was sent before an exception stays."""
    moment = as_of.astimezone(timezone.utc).isoformat() if as_of else now()
    entries = (
        {"namespace": namespace, "id": text(called), "name": line(name), "as_of": moment} for called, name in names
    )
    recorded = 0
    while batch := list(itertools.islice(entries, limits.batch_events)):
        recorded += int(_post(transport, limits, encode({"entries": batch}))["recorded"])
    return recorded


def _post(transport: Transport, limits: Limits, body: bytes) -> Json:
    """Asks again for as long as a request may take."""
    deadline, failures = time.monotonic() + limits.request_timeout, 0
    while True:
        try:
            return transport.post("/directory", body, limits.request_timeout)
        except LedgerAway as away:
            failures += 1
            pause = limits.pause(failures, away.retry_after)
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
