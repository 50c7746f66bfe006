"""What the tests are given."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import TENANT, TOKEN, URL, Proxy, proxy

from runledger import Ledger, Limits, Trouble

# Short times, so that a test need not wait for them.
QUICK = {"retry_first": 0.05, "retry_most": 0.2, "adopt_every": 0.2, "exit_timeout": 15.0}

MakeLedger = Callable[..., Ledger]


@pytest.fixture
def troubles() -> list[Trouble]:
    return []


@pytest.fixture
def make(tmp_path: Path, troubles: list[Trouble]) -> Iterator[MakeLedger]:
    """Makes ledgers on one spool. Keywords are those of `Limits`, and `url`, `token`, `spool`."""
    made: list[Ledger] = []

    def one(url: str = URL, token: str = TOKEN, spool: Path = tmp_path / "spool", **limits: Any) -> Ledger:
        ledger = Ledger(
            url, TENANT, token, spool=spool, on_trouble=troubles.append, limits=Limits(**{**QUICK, **limits})
        )
        made.append(ledger)
        return ledger

    yield one
    for ledger in made:
        ledger.flush(0.1)


@pytest.fixture
def ledger(make: MakeLedger) -> Ledger:
    return make()


@pytest.fixture
def between() -> Iterator[Proxy]:
    with proxy() as this:
        yield this
