"""The events that a worker reports, as the ledger takes them. Each gets its id and its time here, at the call:
sent again, however late, it is the same event."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, TypedDict
from uuid import uuid4

Event = dict[str, Any]
Maker = Callable[..., Event]

# The ledger keeps 300 characters of a text. More would only fill the spool.
TEXT_LIMIT = 300


def now() -> str:
    return datetime.now(timezone.utc).isoformat()


def text(value: object) -> str:
    """Any value as a text that UTF-8 can carry: names of files, for one, may hold half characters."""
    string = value if isinstance(value, str) else str(value)
    if string.isascii():
        return string
    return string.encode("utf-8", "backslashreplace").decode()


def line(value: object) -> str:
    """One line of at most 300 characters."""
    made = " ".join(text(value)[: TEXT_LIMIT * 4].split())
    return made if len(made) <= TEXT_LIMIT else made[: TEXT_LIMIT - 1] + "\N{HORIZONTAL ELLIPSIS}"


def message(value: object) -> str:
    """As `line`, and never empty."""
    return line(value) or "no message"


def event(type_: str, **fields: object) -> Event:
    """An event of this moment. Fields that are None are left out."""
    made: Event = {"type": type_, "id": str(uuid4()), "occurred_at": now()}
    for name, value in fields.items():
        if value is not None:
            made[name] = value
    return made


def started(worker: str, heartbeat: float | None) -> Event:
    seconds = None if heartbeat is None else min(max(round(heartbeat), 1), 86_400)
    return event("Started", worker=message(worker), heartbeat_seconds=seconds)


def _of_item(type_: str, item: object, label: object, namespace: str | None, **fields: object) -> Event:
    label = None if label is None else message(label)
    return event(type_, item=text(item), label=label, namespace=namespace, **fields)


def succeeded(item: object, label: object = None, namespace: str | None = None) -> Event:
    """`namespace`: in which one of the directory the item is an id."""
    return _of_item("ItemSucceeded", item, label, namespace)


def failed_item(item: object, reason: str, why: object, label: object = None, namespace: str | None = None) -> Event:
    return _of_item("ItemFailed", item, label, namespace, reason_code=reason, message=message(why))


def skipped(item: object, reason: str | None = None, label: object = None, namespace: str | None = None) -> Event:
    return _of_item("ItemSkipped", item, label, namespace, reason_code=reason)


def progressed(why: object = None, items_total: int | None = None) -> Event:
    return event("Progressed", message=None if why is None else message(why), items_total=items_total)


def completed(why: object = None) -> Event:
    return event("Completed", message=None if why is None else message(why))


def failed(reason: str, why: object) -> Event:
    return event("Failed", reason_code=reason, message=message(why))


def aborted(reason: str, why: object) -> Event:
    return event("Aborted", reason_code=reason, message=message(why))


def is_end(type_: str) -> bool:
    return type_ in ("Completed", "Failed", "Aborted")


def taken_over(started: Event) -> Event:
    """What a successor says in the place of `started`, under the same id."""
    return started | {"type": "Resumed"}


class StartOptions(TypedDict, total=False):
    """What may be said of a run when it starts, besides its kind and context."""

    initiator: str | Mapping[str, str]
    """The principal who asked for it and is told of its end: an id, or `{id, name}`."""
    items_total: int
    labels: Mapping[str, str]
    title: str
    unordered: list[str]
    """Names of lists in the context whose order does not count: docs/idempotency.md."""
    ref: Mapping[str, str]
    """`{source, id}`: a name of the caller's own for this start. Without it one is made."""


class WholeOptions(StartOptions, total=False):
    """The same, of a run on which nobody works here."""

    events: list[Event]
    """What has happened to it already, in order, from `started` on, or why it never begins, `failed`: at most 1,000
    events. They are recorded with the start, or nothing of it is."""


def start(kind: str, context: Mapping[str, object], options: StartOptions | None = None) -> dict[str, Any]:
    """What `POST .../runs` takes. It is made once and sent as it is, as often as it must be, by every program that has
    to say that the run exists."""
    body: dict[str, Any] = {"kind": kind, "context": dict(context), "occurred_at": now()}
    body["ref"] = {"source": "runledger-client", "id": str(uuid4())}
    given: dict[str, Any] = {name: value for name, value in (options or {}).items() if value is not None}
    if isinstance(given.get("initiator"), str):
        given["initiator"] = {"id": given["initiator"]}
    if "labels" in given:
        given["labels"] = {name: message(value) for name, value in given["labels"].items()}
    if "title" in given:
        given["title"] = message(given["title"])
    if "ref" in given:
        body.pop("occurred_at", None)  # the caller repeats it, and then it would say something else
    return body | given


_encoder = json.JSONEncoder(default=str, separators=(",", ":"))


def encode(value: object) -> bytes:
    """One line of JSON. What JSON has no form for, such as a date or a UUID, is written as its text."""
    return _encoder.encode(value).encode()
