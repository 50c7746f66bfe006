"""One run through its life with the client that openapi-python-client makes of the description.

Usage: life.py BASE_URL TENANT TOKEN. What is not answered as described ends it.
"""

import sys
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from runledger_client import AuthenticatedClient
from runledger_client.api.notifications import list_notifications, read_notification
from runledger_client.api.runs import append_events, get_run, list_events, list_items, list_runs, start_run
from runledger_client.models import (
    AbortedEvent,
    AnyObject,
    AppendAnswer,
    CompletedEvent,
    EventPage,
    EventsBody,
    FailedEvent,
    InitiatorBody,
    ItemFailedEvent,
    ItemPage,
    ItemSkippedEvent,
    ItemSucceededEvent,
    Labels,
    NotificationPage,
    Problem,
    ProgressedEvent,
    ReadAnswer,
    ResumedEvent,
    Run,
    RunPage,
    RunStatus,
    StartAnswer,
    StartBody,
    StartedEvent,
)

Event = (
    AbortedEvent
    | CompletedEvent
    | FailedEvent
    | ItemFailedEvent
    | ItemSkippedEvent
    | ItemSucceededEvent
    | ProgressedEvent
    | ResumedEvent
    | StartedEvent
)


def main(base_url: str, tenant: str, token: str) -> None:
    client = AuthenticatedClient(base_url=base_url, token=token, raise_on_unexpected_status=True)

    context: dict[str, Any] = {"sets": ["a", "b"], "deep": {"number": 1.5, "nothing": None}, "once": str(uuid4())}
    start = StartBody(
        kind="client.python",
        context=AnyObject.from_dict(context),
        unordered=["/sets"],
        labels=Labels.from_dict({"language": "python"}),
        initiator=InitiatorBody(id="demo-producer"),
        items_total=2,
        title="A run of the Python client",
    )
    answer = start_run.sync_detailed(tenant, client=client, body=start)
    started = answer.parsed
    assert answer.status_code == 201 and isinstance(started, StartAnswer), answer
    run = started.run_id
    assert str(run) in answer.headers["Location"]

    events: list[Event] = [
        StartedEvent(type_="Started", worker="w-1", heartbeat_seconds=30),
        ItemSucceededEvent(type_="ItemSucceeded", item="a", label="The first"),
        ItemFailedEvent(type_="ItemFailed", item="b", reason_code="permission_denied", message="may not attach b"),
        ProgressedEvent(type_="Progressed", message="nearly there", items_total=2),
        CompletedEvent(type_="Completed", id=uuid4(), occurred_at=datetime.now(timezone.utc)),
    ]
    appended = append_events.sync(tenant, run, client=client, body=EventsBody(events=events), if_match='"0"')
    assert isinstance(appended, AppendAnswer), appended
    assert [event.result for event in appended.events] == ["created"] * len(events)

    one = get_run.sync(tenant, run, client=client, after=appended.position)
    assert isinstance(one, Run), one
    assert one.status == RunStatus.PARTIALLY_SUCCEEDED
    assert (one.items.total, one.items.succeeded, one.items.failed) == (2, 1, 1)
    assert isinstance(one.context, AnyObject) and one.context.to_dict() == context, one.context

    past = get_run.sync(tenant, run, client=client, revision=0)
    assert isinstance(past, Run) and past.status == RunStatus.QUEUED

    items = list_items.sync(tenant, run, client=client)
    assert isinstance(items, ItemPage) and [item.item for item in items.items] == ["b", "a"], items

    told = list_events.sync(tenant, run, client=client, limit=200)
    assert isinstance(told, EventPage), told
    assert [event.type_ for event in told.events] == ["Queued", *(event.type_ for event in events)]

    listed = list_runs.sync(tenant, client=client, status=[RunStatus.PARTIALLY_SUCCEEDED], label=["language:python"])
    assert isinstance(listed, RunPage) and run in [entry.run_id for entry in listed.runs]

    notifications = list_notifications.sync(tenant, client=client, limit=200)
    assert isinstance(notifications, NotificationPage), notifications
    mine = [told for told in notifications.notifications if told.run_id == run]
    assert len(mine) == 2, mine
    read = read_notification.sync(tenant, mine[0].notification_id, client=client)
    assert isinstance(read, ReadAnswer) and read.read

    late = EventsBody(events=[ProgressedEvent(type_="Progressed")])
    wrong = append_events.sync_detailed(tenant, run, client=client, body=late)
    assert wrong.status_code == 409 and isinstance(wrong.parsed, Problem), wrong
    assert wrong.parsed.code == "illegal_transition"

    print(f"Python: run {run} went through its life")


if __name__ == "__main__":
    main(*sys.argv[1:])
