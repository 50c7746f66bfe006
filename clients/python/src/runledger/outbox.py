"""The transactional outbox: what is to be reported is committed together with the caller's own rows, or not at all.

`Outbox` writes rows into a table of the caller's database; `Relay` takes committed ones to the ledger, in order, as
often as it must: ids are fixed, so the ledger has each once.
"""

import json
import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from . import delivery, events
from .errors import LedgerAway, Refused
from .events import Event, WholeOptions, encode

if TYPE_CHECKING:
    from typing_extensions import Unpack  # the checker has it

    from .sender import Sender

log = logging.getLogger("runledger")

TABLE = "runledger_outbox"

# A start that was sent stays for a while: events that come later find the run's id there.
SQLITE_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, ref TEXT NOT NULL, body TEXT NOT NULL, run_id TEXT,
    sent_at REAL);
CREATE INDEX IF NOT EXISTS {TABLE}_unsent ON {TABLE} (seq) WHERE sent_at IS NULL;
CREATE INDEX IF NOT EXISTS {TABLE}_ref ON {TABLE} (ref);
"""
POSTGRES_SCHEMA = SQLITE_SCHEMA.replace("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGSERIAL PRIMARY KEY").replace(
    "REAL", "DOUBLE PRECISION"
)


class Connection(Protocol):
    """Any DB-API connection to Postgres or SQLite: psycopg, pg8000, sqlite3."""

    def cursor(self) -> Any: ...
    def commit(self) -> Any: ...
    def rollback(self) -> Any: ...
    def close(self) -> Any: ...


class Outbox:
    """Writes with the caller's connection, in the caller's transaction, and never commits. Unlike reports it raises
    what the database does: the transaction is lost then anyway."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, kind: str, context: Mapping[str, object], **more: "Unpack[WholeOptions]") -> dict[str, Any]:
        """A run, from the commit on, with its first `events`. Gives its ticket, to be enqueued in the same transaction."""
        ref, start = str(uuid4()), events.start(kind, context, more)
        self._insert(ref, {"start": start})
        return {"ref": ref, "run_id": None, "start": start}

    def report(self, ticket: Mapping[str, Any], event: Event) -> None:
        """An event of a run, such as `runledger.events.completed()`."""
        ref = ticket.get("ref") or ticket["run_id"]
        self._insert(ref, {"event": event, "run_id": ticket.get("run_id"), "start": ticket.get("start")})

    def _insert(self, ref: str, body: object) -> None:
        execute(self._connection, f"INSERT INTO {TABLE} (ref, body) VALUES (?, ?)", ref, encode(body).decode())


def create_table(connection: Connection) -> None:
    """For trying out, and for tests; elsewhere `POSTGRES_SCHEMA` or `SQLITE_SCHEMA` belongs to one's migrations."""
    schema = SQLITE_SCHEMA if isinstance(connection, sqlite3.Connection) else POSTGRES_SCHEMA
    for statement in schema.split(";\n"):
        if statement.strip():
            execute(connection, statement)
    connection.commit()


def execute(connection: Connection, sql: str, *values: object) -> Any:
    """SQL is written with `?`; drivers for Postgres want `%s`."""
    cursor = connection.cursor()
    cursor.execute(sql if isinstance(cursor, sqlite3.Cursor) else sql.replace("?", "%s"), values)
    return cursor


class Relay:
    """Takes committed rows to the ledger. Several may run: what one sends again is known by its id."""

    def __init__(self, connect: Callable[[], Connection], sender: "Sender", keep_days: float = 7) -> None:
        self._connect, self._sender = connect, sender
        self._keep = keep_days * 86_400

    def run(self, stop: threading.Event | None = None, every: float = 0.5) -> None:
        """Until `stop` is set. Neither an absent ledger nor an absent database ends it."""
        stop, failures, connection = stop or threading.Event(), 0, None
        while not stop.is_set():
            try:
                connection = connection or self._connect()
                while self.step(connection) and not stop.is_set():
                    pass
                failures = 0
            except Exception as error:
                failures += 1
                log.warning("the outbox waits: %s: %s", type(error).__name__, error)
                if not isinstance(error, LedgerAway):
                    _close(connection)
                    connection = None
            retry = min(every * 2.0 ** min(failures, 6), 30)
            stop.wait(retry / 2 + random.uniform(0, retry / 2))
        _close(connection)

    def step(self, connection: Connection, limit: int = 1_000) -> int:
        """Sends the oldest rows; how many there were. Raises `LedgerAway`, and what the database does."""
        sql = f"SELECT seq, ref, body FROM {TABLE} WHERE sent_at IS NULL ORDER BY seq LIMIT {limit}"
        rows = execute(connection, sql).fetchall()
        connection.commit()
        by_run: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for seq, ref, body in rows:
            by_run.setdefault(ref, []).append((seq, json.loads(body)))
        for ref, parts in by_run.items():
            self._send(connection, ref, parts)
        execute(connection, f"DELETE FROM {TABLE} WHERE sent_at < ?", time.time() - self._keep)
        connection.commit()
        return len(rows)

    def _send(self, connection: Connection, ref: str, parts: list[tuple[int, dict[str, Any]]]) -> None:
        timeout, troubles = self._sender.limits.request_timeout, self._sender.troubles
        try:
            run_id = self._run_id(connection, ref, parts)
            done = [seq for seq, part in parts if "event" in part]
            lines = [encode(part["event"]) for _, part in parts if "event" in part]
            if lines:
                for refused in delivery.append(self._sender.transport, run_id, lines, timeout):
                    troubles.refused(run_id, delivery.shown(refused.line), refused.problem)
        except Refused as refused:
            if refused.status in (401, 403):
                raise LedgerAway(str(refused)) from refused
            for _, part in parts:
                troubles.refused(None, part, refused.problem)
            done = [seq for seq, _ in parts]
        for seq in done:
            execute(connection, f"DELETE FROM {TABLE} WHERE seq = ?", seq)
        connection.commit()

    def _run_id(self, connection: Connection, ref: str, parts: list[tuple[int, dict[str, Any]]]) -> str:
        """As the ledger told it, now or before. It is kept before anything builds on it."""
        sql = f"SELECT run_id FROM {TABLE} WHERE ref = ? AND run_id IS NOT NULL"
        known = execute(connection, sql, ref).fetchone()
        seq, first = parts[0]
        run_id = known[0] if known else first.get("run_id")
        if not run_id:
            timeout = self._sender.limits.request_timeout
            run_id = delivery.begin(self._sender.transport, first["start"], timeout)
        if "event" not in first:
            execute(connection, f"UPDATE {TABLE} SET run_id = ?, sent_at = ? WHERE seq = ?", run_id, time.time(), seq)
        connection.commit()
        return str(run_id)


def _close(connection: Connection | None) -> None:
    if connection is not None:
        try:
            connection.close()
        except Exception as error:
            log.debug("the connection was gone already: %s", error)
