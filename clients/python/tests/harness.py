"""A real ledger, seen through a proxy that can be made to fail."""

import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from uuid import uuid4

URL, TENANT, TOKEN = (os.environ[f"RUNLEDGER_{name}"] for name in ("URL", "TENANT", "TOKEN"))


def kind() -> str:
    """A kind that no other test uses."""
    return f"test.t{uuid4().hex[:12]}"


def get(path: str) -> Any:
    request = urllib.request.Request(f"{URL}/v1/tenants/{TENANT}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def runs(of_kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(f"/runs?kind={of_kind}")["runs"]
    return found


def events(run_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = get(f"/runs/{run_id}/events?limit=200{cursor}")
        found += page["events"]
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def types(run_id: str) -> list[str]:
    return [event["type"] for event in events(run_id)]


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def until(what: Callable[[], Any], seconds: float = 20) -> Any:
    """Waits until it is so: the read tables follow the log, and the sender the work."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except HTTPError as error:
            if error.code != 404:
                raise
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)


def only_run(of_kind: str, status: str) -> dict[str, Any]:
    """The one run of a kind, once it has that status."""

    def found() -> dict[str, Any] | None:
        of_that = runs(of_kind)
        assert len(of_that) <= 1, of_that
        return of_that[0] if of_that and of_that[0]["status"] == status else None

    run: dict[str, Any] = get(f"/runs/{until(found)['run_id']}")
    return run


@dataclass
class Asked:
    """A request that came through."""

    at: float
    path: str
    body: bytes

    def events(self) -> list[dict[str, Any]]:
        return self._sent("events")

    def entries(self) -> list[dict[str, Any]]:
        return self._sent("entries")

    def _sent(self, name: str) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = json.loads(self.body).get(name, [])
        return sent


@dataclass
class Proxy:
    """`mode`: `pass`; `away` closes connections; `lost` does what is asked and loses the answer; `busy` is 503 with
    `Retry-After`; `hang` never answers."""

    url: str = ""
    mode: str = "pass"
    retry_after: int = 1
    asked: list[Asked] = field(default_factory=list)

    def appended(self) -> list[Asked]:
        return [one for one in self.asked if one.path.endswith("/events") and one.body]


@contextmanager
def proxy() -> Iterator[Proxy]:
    this, upstream = Proxy(), urlsplit(URL)
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            this.asked.append(Asked(time.monotonic(), self.path, body))
            mode = this.mode
            if mode == "hang":
                ended.wait(30)
            if mode in ("away", "hang"):
                self.close_connection = True
            elif mode == "busy":
                self.say(503, [("Retry-After", str(this.retry_after))], b'{"code": "overloaded"}')
            else:
                there = HTTPConnection(upstream.hostname or "", upstream.port, timeout=30)
                headers = {name: value for name, value in self.headers.items() if name != "Host"}
                there.request(self.command, self.path, body, headers)
                said = there.getresponse()
                content = said.read()
                if mode == "lost":
                    self.close_connection = True
                else:
                    kept = [(name, value) for name, value in said.getheaders() if name == "Retry-After"]
                    self.say(said.status, kept, content)
                there.close()

        def say(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in [*headers, ("Content-Length", str(len(content)))]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    server = Server(("127.0.0.1", 0), Handler)
    this.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield this
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
