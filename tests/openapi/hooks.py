"""What the description can't say, so that schemathesis asks for what may be asked.

Rules between parameters, and rules of a context that hold at any depth, have no form in OpenAPI 3.1. A request that
breaks one is answered with 422, which is right; it is made one that breaks none.
"""

import re
from datetime import datetime, timedelta, timezone
from typing import Any
from unicodedata import category

import schemathesis
from hypothesis import strategies as st

# An event is not older than its run by more than a day, and has not happened tomorrow: docs/events.md. All runs here are
# of today, and those that are said to be older come from the same hours.
NOW = datetime.now(timezone.utc).replace(tzinfo=None)
moments = st.datetimes(NOW - timedelta(hours=20), NOW, timezones=st.just(timezone.utc))
schemathesis.openapi.format("date-time", moments.map(lambda moment: moment.isoformat().replace("+00:00", "Z")))

# Which two parameters can't be given together.
APART = [("at", "revision"), ("liveness", "held"), ("liveness", "late"), ("held", "late"), ("since", "until"), ("ended_since", "ended_until"), ("reason_code", "status")]


@schemathesis.hook
def before_load_schema(context: Any, document: dict[str, Any]) -> None:
    # Whole classes of characters of Unicode are more than the generator can build texts from; see `visible`.
    for name in ("VisibleId", "ReferencePart"):
        document["components"]["schemas"][name].pop("pattern", None)


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    # The tenant of the configuration takes the place of whatever is made up for it, and the request is a right one.
    phase = case.meta.phase if case.meta else None
    return not phase or phase.name.value != "coverage" or phase.data.parameter != "tenant"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    query = case.query or {}
    # Only a page gives a cursor that is one; the clients' lives go from page to page.
    query.pop("cursor", None)
    # Who waits until it is sealed waits ten seconds for each request.
    query.pop("wait", None)
    query.pop("timeout", None)
    for first, second in APART:
        if first in query:
            query.pop(second, None)
    # A start and an event of it are two: one id would be of both.
    events = case.body.get("events") if isinstance(case.body, dict) else None
    if isinstance(events, list) and "event_id" in case.body:
        if case.body["event_id"] in [event.get("id") for event in events if isinstance(event, dict)]:
            case.body.pop("event_id")
    for name in ("initiator", "ref", "ref_source"):
        if not visible(query.get(name, "x")):
            query.pop(name)
    # A source alone names nothing, and only a run has parts.
    if "ref" not in query:
        query.pop("ref_source", None)
    query.pop("parent", None)
    # Runs that ended in a period come in the order of their ends.
    if "ended_since" in query or "ended_until" in query:
        query.pop("sort", None)
    if "ended" in " ".join([*query, str(query.get("sort"))]):
        query.pop("liveness", None)
        query.pop("late", None)
    # Of a table more goes into a page than of JSON.
    if query.get("format") != "csv" and str(query.get("limit", "")).isdecimal() and int(query["limit"]) > 200:
        query["limit"] = 200
    # A month 23 is of the form, and no time. `from` is needed: the run's beginning.
    for name, instead in (("from", "0"), ("to", None)):
        if name in query and not a_point(str(query[name])):
            query.update({name: instead}) if instead else query.pop(name)
    for name in ("q", "item"):
        if not says_something(query.get(name, "x")):
            query.pop(name)
    if isinstance(query.get("label"), list):
        query["label"] = one_value_each(query["label"])
    headers = case.headers if case.headers is not None else {}
    # An epoch, ledger or position that is made up is answered with 412 before anything else is looked at.
    for container in (query, headers):
        for name in ("epoch", "after", "Runledger-Epoch", "Runledger-After", "Runledger-Ledger"):
            if well_formed(container.get(name, "")):
                container.pop(name)
    # One name is enough, and runs that are made up are nobody's relatives.
    if isinstance(case.body, dict):
        if case.body.get("ref") is not None:
            headers.pop("Idempotency-Key", None)
        for name in ("parent", "retry_of", "resumes"):
            case.body.pop(name, None)
    # Nobody is kept from sending other headers.
    headers.pop("x-schemathesis-unknown-property", None)


def well_formed(value: Any) -> bool:
    """Whether it is a number or a UUID, as positions, epochs and ledgers are."""
    text = str(value)
    return text.isdecimal() or bool(re.fullmatch("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text))


def a_point(text: str) -> bool:
    """Whether it is a revision, a time of the calendar, or of another form than both."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt ].*", text):
        return True
    try:
        return bool(datetime.fromisoformat(text.upper().replace(" ", "T")))
    except ValueError:
        return False


def one_value_each(labels: list[Any]) -> list[Any]:
    """The filters by labels, each label once: a run has one value of it, so two are refused."""
    first = {str(label).partition(":")[0]: label for label in reversed(labels)}
    return [label for label in labels if first[str(label).partition(":")[0]] is label]


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    if not isinstance(body, dict):
        return True
    events = body.get("events")
    said = [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []
    initiator = body.get("initiator")
    ids = [event.get(name) for event in said for name in ("correlation_id", "causation_id")]
    ids.append(initiator.get("id") if isinstance(initiator, dict) else None)
    ids.append(body.get("correlation_id"))
    reference = body.get("ref")
    ids += [reference.get(name) for name in ("source", "id")] if isinstance(reference, dict) else []
    # What a tally must cover is known to the run alone.
    if any(event.get("tally") for event in said):
        return False
    words = [event.get(name) for event in said for name in ("item", "message") if event.get(name)]
    entries = body.get("entries")
    named = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    words += [entry.get(name) for entry in named for name in ("id", "name") if entry.get(name)]
    kept = can_be_kept(body.get("context")) and unordered_are_arrays(body)
    return kept and all(map(visible, ids)) and all(map(says_something, words))


def unordered_are_arrays(body: dict[str, Any]) -> bool:
    """Whether what the context has under the names in `unordered` are arrays; what it has not is passed over."""
    context, names = body.get("context"), body.get("unordered")
    if not isinstance(context, dict) or not isinstance(names, list):
        return True
    return all(isinstance(found, list) for name in names if (found := at(context, name)) is not None)


def at(context: Any, name: Any) -> Any:
    """What a JSON Pointer, or the name of a member, finds in the context."""
    if not isinstance(name, str):
        return None
    steps = name.split("/")[1:] if name.startswith("/") else [name]
    for step in steps:
        step = step.replace("~1", "/").replace("~0", "~") if name.startswith("/") else step
        if isinstance(context, list) and step.isdecimal() and int(step) < len(context):
            context = context[int(step)]
        elif isinstance(context, dict):
            context = context.get(step)
        else:
            return None
    return context


def can_be_kept(value: Any) -> bool:
    """Whether a context may hold it: no U+0000, and no number beyond those that are exact (docs/idempotency.md)."""
    if isinstance(value, dict):
        return all(can_be_kept(name) and can_be_kept(member) for name, member in value.items())
    if isinstance(value, list):
        return all(can_be_kept(element) for element in value)
    if isinstance(value, str):
        return "\0" not in value
    return not isinstance(value, (int, float)) or abs(value) < 2**53


def unseen(character: str) -> bool:
    return category(character)[0] in "CZ" or character in "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f" \
        "\u2800\u3164\ufffc\uffa0" or "\ufe00" <= character <= "\ufe0f" or "\U000e0000" <= character <= "\U000e0fff"


def visible(value: Any) -> bool:
    """Whether an id has nothing that can't be seen; what is no text is wrong anyhow."""
    if not isinstance(value, str):
        return True
    return value == value.strip() and not any(unseen(character) for character in value if character != " ")


def says_something(value: Any) -> bool:
    return not isinstance(value, str) or not all(unseen(character) for character in value)
