"""What a program sends by the CloudEvents package from PyPI, in both of its modes."""

import sys

import requests
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent

url = sys.argv[1]


def send(packed, subject, event_type, data):
    attributes = {"source": "/pypi", "type": event_type, "subject": subject, "datacontenttype": "application/json"}
    message = packed(CloudEvent(attributes=attributes, data=data))
    requests.post(url, headers=message.headers, data=message.body, timeout=10).raise_for_status()


own = "com.runledger."
send(http.to_structured_event, "sync-1", own + "Queued", {"title": "Sync by PyPI", "items_total": 2})
send(http.to_binary_event, "sync-1", own + "Started", {"worker": "w-1"})
send(http.to_binary_event, "sync-1", own + "ItemSucceeded", {"item": "ä 100 %"})
send(http.to_structured_event, "sync-1", own + "Completed", {})
