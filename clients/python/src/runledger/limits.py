"""How much at once, and how long."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Times are in seconds, sizes in bytes."""

    batch_events: int = 1_000
    """Events of one request; the ledger takes at most 1,000."""
    batch_bytes: int = 1_000_000
    linger: float = 0.1
    """How long the first event of a batch waits for others. An end waits for none."""
    spool_bytes: int = 64 << 20
    """What may wait to be sent. Beyond half of it, signs of life are dropped; beyond all of it, all but ends."""
    answer_timeout: float = 2.0
    """How long `dispatch`, `claim` and `exclusive` wait for the ledger's answer."""
    request_timeout: float = 15.0
    """How long the sender waits for it. Nobody waits for the sender."""
    exit_timeout: float = 5.0
    """How long the end of the process waits for what is still to be sent."""
    retry_first: float = 0.25
    retry_most: float = 30.0
    adopt_every: float = 5.0
    """How often it is looked for what processes that have died have left in the spool."""

    def pause(self, failures: int, retry_after: float | None) -> float:
        """How long to wait after so many failures, never the same for all that wait. `retry_after` is the ledger's own
        word on it."""
        most = min(self.retry_first * 2.0 ** min(failures - 1, 16), self.retry_most)
        return (retry_after or most / 2) + random.uniform(0, most / 2)
