"""The outbox, in SQLite and Postgres: see clients/behaviours.md."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import pg8000.dbapi  # type: ignore[import-untyped]
import pytest
from conftest import MakeLedger
from harness import Proxy, kind, only_run, runs, types, until
from harness import events as told_of

from runledger import Ledger, LedgerAway, Trouble, events, outbox
from runledger.outbox import Connection

Connect = Callable[[], Connection]


def postgres(database: str | None = None) -> Connection:
    parts = urlsplit(os.environ["DATABASE_URL"])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    where: dict[str, Any] = {"host": parts.hostname, "port": parts.port or 5432}
    if "host" in query:
        where = {"unix_sock": f"{query['host']}/.s.PGSQL.{query.get('port', 5432)}"}
    connection: Connection = pg8000.dbapi.connect(
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=database or parts.path[1:],
        **where,
    )
    return connection


@pytest.fixture(params=["sqlite", "postgres"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    """Connects to a database of the caller's own, with the outbox's table and one of the caller's."""
    if request.param == "sqlite":
        made: Connect = lambda: sqlite3.connect(tmp_path / "app.db")
    else:
        name, admin = f"app_{uuid4().hex[:12]}", postgres()
        admin.autocommit = True  # type: ignore[attr-defined]
        outbox.execute(admin, f"CREATE DATABASE {name}")
        admin.close()
        made = lambda: postgres(name)
    connection = made()
    outbox.create_table(connection)
    outbox.execute(connection, "CREATE TABLE jobs (id INTEGER)")
    connection.commit()
    connection.close()
    yield made


def test_the_outbox_commits_with_the_work(connect: Connect, ledger: Ledger) -> None:
    kept, undone = kind(), kind()
    connection = connect()
    for name, end in ((undone, connection.rollback), (kept, connection.commit)):
        ticket = ledger.outbox(connection).start(name, {"set": "finance"}, initiator="ann", items_total=1)
        outbox.execute(connection, "INSERT INTO jobs VALUES (?)", 1)
        end()
    relay = ledger.relay(connect)
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop, 0.05))
    thread.start()
    run = only_run(kept, "queued")
    assert run["initiator"]["id"] == "ann"
    assert runs(undone) == []
    assert outbox.execute(connection, "SELECT count(*) FROM jobs").fetchone()[0] == 1

    # The worker's own end commits with its own rows as well.
    with_run_id = ticket | {"run_id": run["run_id"]}
    ledger.outbox(connection).report(ticket, events.started("w-1", None))
    ledger.outbox(connection).report(with_run_id, events.succeeded("daily"))
    connection.rollback()
    for event in (events.started("w-1", None), events.succeeded("weekly"), events.completed()):
        ledger.outbox(connection).report(ticket, event)
    connection.commit()
    only_run(kept, "succeeded")
    stop.set()
    thread.join()
    assert types(run["run_id"]) == ["Queued", "Started", "ItemSucceeded", "Completed"]
    connection.close()


def test_the_outbox_carries_first_events(connect: Connect, ledger: Ledger, troubles: list[Trouble]) -> None:
    name, active = kind(), kind()
    connection = connect()
    box, relay = ledger.outbox(connection), ledger.relay(connect)
    whole = [events.started("w-1", None), events.succeeded("p-17", namespace="policies"), events.completed()]
    box.start(name, {}, events=whole)
    connection.rollback()
    box.start(name, {}, title="kept", events=whole)
    connection.commit()
    while relay.step(connection):
        pass
    run = only_run(name, "succeeded")
    assert run["title"] == "kept" and types(run["run_id"]) == ["Queued", "Started", "ItemSucceeded", "Completed"]
    assert told_of(run["run_id"])[2]["data"]["namespace"] == "policies" and not troubles

    # Another start has made the run: what is reported of this one is not that one's.
    with ledger.open(active, {}) as open_run:
        until(lambda: open_run.id)
        ticket = box.start(active, {}, events=[events.started("w-2", None)])
        box.report(ticket, events.completed())
        connection.commit()
        assert relay.step(connection) == 2 and relay.step(connection) == 0
    assert ledger.flush()
    assert types(only_run(active, "succeeded")["run_id"]) == ["Queued", "Started", "Completed"]
    assert [trouble.detail.split(":")[0] for trouble in troubles] == ["already_taken"] * 2
    connection.close()


class Died(Exception):
    pass


class Dying:
    """A connection that is lost at its nth call."""

    def __init__(self, connection: Connection, calls: int) -> None:
        self._connection, self._left = connection, calls

    def _live(self) -> None:
        self._left -= 1
        if self._left < 0:
            self._connection.close()
            raise Died

    def cursor(self) -> Any:
        self._live()
        return self._connection.cursor()

    def commit(self) -> None:
        self._live()
        self._connection.commit()
        self._live()

    def rollback(self) -> None:
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()


def test_the_outbox_sends_once(connect: Connect, make: MakeLedger, between: Proxy) -> None:
    ledger, name = make(between.url, request_timeout=5), kind()
    connection = connect()
    tickets = [ledger.outbox(connection).start(name, {"n": n}) for n in range(2)]
    for ticket in tickets:
        ledger.outbox(connection).report(ticket, events.started("w-1", None))
        ledger.outbox(connection).report(ticket, events.succeeded("daily"))
    connection.commit()
    # The relay dies at every place that there is, and sends again what the ledger may have.
    for calls in range(1, 60):
        between.mode = "lost" if calls % 7 == 0 else "pass"
        dying = Dying(connect(), calls)
        try:
            ledger.relay(connect).step(dying)
            break
        except Died:
            pass
        except LedgerAway:
            dying.close()
    assert calls > 10
    for ticket in tickets:
        ledger.outbox(connection).report(ticket, events.completed())
    connection.commit()
    between.mode = "pass"
    relay = ledger.relay(connect)
    assert relay.step(connect()) == 2 and relay.step(connect()) == 0
    found = runs(name)
    assert len(found) == 2
    for run in found:
        assert types(run["run_id"]) == ["Queued", "Started", "ItemSucceeded", "Completed"]
