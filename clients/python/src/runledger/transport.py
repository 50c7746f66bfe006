"""One request to the ledger, over a connection that is kept. Standard library only."""

import http.client
import json
import os
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from .errors import LedgerAway, Refused

# Worth another try: the server is busy, restarting, or behind a proxy that can't reach it.
_AWAY = (408, 425, 429, 500, 502, 503, 504)

Json = dict[str, Any]


class Transport:
    """Speaks to one tenant of one ledger. Each thread and each process has a connection of its own."""

    def __init__(self, url: str, tenant: str, token: str | Callable[[], str]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a ledger: it looks like https://ledger.example.com")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname, parts.port
        self._base = f"{parts.path.rstrip('/')}/v1/tenants/{quote(tenant, safe='')}"
        self._token = token
        self._local = threading.local()

    def post(self, path: str, body: bytes, timeout: float, headers: Mapping[str, str] | None = None) -> Json:
        """Raises `LedgerAway` where it may be sent again as it is, and `Refused` where that is no use."""
        return self._request("POST", path, body, timeout, headers or {})

    def get(self, path: str, timeout: float) -> Json:
        """As `post`."""
        return self._request("GET", path, None, timeout, {})

    def _request(self, method: str, path: str, body: bytes | None, timeout: float, headers: Mapping[str, str]) -> Json:
        try:
            token = self._token if isinstance(self._token, str) else self._token()
        except Exception as error:
            raise LedgerAway(f"there is no token: {error}") from error
        sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        try:
            answer, content = self._exchange(method, self._base + path, body, sent, timeout)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise LedgerAway(f"{type(error).__name__}: {error}") from error
        said = _parsed(content)
        if answer.status < 300 and said is not None:
            return said
        if answer.status in _AWAY or answer.status < 400:
            retry_after = answer.headers.get("Retry-After", "")
            code = str(said.get("code", "")) if said else ""
            seconds = float(retry_after) if retry_after.isdigit() else None
            of_one_run = answer.status == 500 or code == "contended"
            raise LedgerAway(f"{answer.status} {code}".strip(), seconds, of_one_run)
        raise Refused(answer.status, said or {})

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> tuple[http.client.HTTPResponse, bytes]:
        kept = self._connection(timeout)
        fresh = kept.sock is None
        try:
            kept.request(method, path, body, headers)
            answer = kept.getresponse()
        except (ConnectionError, http.client.BadStatusLine):
            if fresh:
                raise
            # The server has closed a connection that was idle. All that is sent may be sent twice.
            kept.close()
            kept.request(method, path, body, headers)
            answer = kept.getresponse()
        return answer, answer.read()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        # A process that was forked must not speak over its parent's connection.
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid = os.getpid()
            if self._tls:
                self._local.kept = http.client.HTTPSConnection(self._host, self._port, context=self._tls)
            else:
                self._local.kept = http.client.HTTPConnection(self._host, self._port)
        kept: http.client.HTTPConnection = self._local.kept
        kept.timeout = timeout
        if kept.sock is not None:
            kept.sock.settimeout(timeout)
        return kept

    def _drop(self) -> None:
        if getattr(self._local, "pid", None) == os.getpid():
            self._local.kept.close()


def _parsed(content: bytes) -> Json | None:
    try:
        said = json.loads(content)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
