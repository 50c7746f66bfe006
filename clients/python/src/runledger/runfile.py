"""One run in the spool: who it is, and the lines that are still to be sent."""

import fcntl
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .events import Event, encode

# A file whose lines are all sent begins anew when it has grown to this.
_REWIND = 1 << 20
_LINE_LIMIT = 128 << 10
_READ = 256 << 10


@dataclass
class Meta:
    """How a run is known: by its id, and before there is one, by its start. `started` is what claims it; None where
    the run is only dispatched, or was claimed elsewhere."""

    start: dict[str, Any] | None
    run_id: str | None = None
    started: Event | None = None
    claimed: bool = False


class Part:
    """A file of lines, and how far it is sent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sent = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self.fd = os.open(path, flags, 0o600)
        self.size = os.fstat(self.fd).st_size

    def lines(self, count: int, size: int) -> list[bytes]:
        """The next whole lines, without their ends: at most `count`, and no more bytes than `size`, but for one."""
        chunk = b""
        while len(chunk) < size:
            more = os.pread(self.fd, min(_READ, size), self.sent + len(chunk))
            chunk += more
            if not more or chunk.count(b"\n") >= count:
                break
        whole = chunk[: chunk.rfind(b"\n") + 1]
        return whole.split(b"\n", count)[:count] if whole.count(b"\n") > count else whole.split(b"\n")[:-1]


class RunFile:
    """Written by the job, read by the sender. Only the process that has made it sends it."""

    def __init__(self, folder: Path, ref: str, meta: Meta) -> None:
        self.folder, self.ref, self.meta = folder, ref, meta
        self.main = Part(folder / f"{ref}.log")
        self.children: dict[Path, Part] = {}
        self.closed = False
        """Nothing more will be written: it has ended, or nobody wants to hear of it."""
        self.noticed = False
        """The sender knows that there is something new."""
        self.removed = False
        self._pid = os.getpid()
        self._lock = threading.RLock()  # of a kind that a signal's handler may take once more

    @classmethod
    def create(cls, folder: Path, ref: str, meta: Meta) -> "RunFile":
        file = cls(folder, ref, meta)
        file.save()
        return file

    @classmethod
    def found(cls, path: Path) -> "RunFile | None":
        """One that a process which is gone has left."""
        try:
            meta = Meta(**json.loads(path.read_bytes()))
        except (ValueError, TypeError):
            path.unlink(missing_ok=True)  # it died while it began: no event can have followed
            return None
        file = cls(path.parent, path.stem, meta)
        file.closed = True
        return file

    def save(self) -> None:
        path = self.folder / f"{self.ref}.run"
        fresh = path.with_suffix(".new")
        with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(encode(asdict(self.meta)))
        fresh.replace(path)

    def append(self, line: bytes, last: bool = False) -> bool:
        """Writes one line, unless the last one was written. Raises `OSError` where that is not possible; then
        nothing of it is there."""
        if len(line) > _LINE_LIMIT:
            raise OSError(f"an event of {len(line)} bytes is too long")
        if self._pid != os.getpid():
            self._write_as_child()
        with self._lock:
            if self.closed:
                return False
            written = os.write(self.main.fd, line)
            if written < len(line):
                os.ftruncate(self.main.fd, self.main.size)
                raise OSError("the disk is full")
            self.main.size += written
            self.closed = last
        return True

    def close(self) -> None:
        """Nothing more will be written."""
        with self._lock:
            self.closed = True

    def _write_as_child(self) -> None:
        """In a forked child: a file of its own beside the parent's, whose process sends it. Its lock says that the
        child may write still."""
        self._pid, self._lock = os.getpid(), threading.RLock()
        children = self.folder / "children"
        children.mkdir(mode=0o700, exist_ok=True)
        self.main = Part(children / f"{self.ref}.{self._pid}.log")
        fcntl.lockf(self.main.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def lines(self, count: int, size: int) -> tuple[Part, list[bytes]]:
        """The next lines to send: children's first, so that the end comes last."""
        for part in self.children.values():
            lines = part.lines(count, size)
            if lines:
                return part, lines
        return self.main, self.main.lines(count, size)

    def sent(self, part: Part, lines: list[bytes]) -> None:
        """The ledger has these, or will never take them."""
        part.sent += sum(map(len, lines)) + len(lines)
        if part is self.main and part.sent >= _REWIND:
            with self._lock:
                if part.sent == part.size:
                    os.ftruncate(part.fd, 0)
                    part.sent = part.size = 0

    def find_children(self) -> bool:
        """Looks for files of forked children; whether there are any."""
        for path in (self.folder / "children").glob(f"{self.ref}.*.log"):
            if path not in self.children:
                self.children[path] = Part(path)
        return bool(self.children)

    def waiting(self) -> int:
        """Bytes that are not sent."""
        for part in self.children.values():
            part.size = os.fstat(part.fd).st_size
        return sum(part.size - part.sent for part in (self.main, *self.children.values()))

    def children_live(self) -> bool:
        """Whether a forked child may still write."""
        for part in self.children.values():
            try:
                fcntl.lockf(part.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.lockf(part.fd, fcntl.LOCK_UN)
            except OSError:
                return True
        return False

    def sync(self) -> None:
        """Puts it on the disk, so that it outlives the machine's end as well."""
        for part in (self.main, *self.children.values()):
            os.fsync(part.fd)

    def remove(self) -> None:
        self.close()
        self.removed = True
        for part in (self.main, *self.children.values()):
            part.path.unlink(missing_ok=True)
            os.close(part.fd)
        (self.folder / f"{self.ref}.run").unlink(missing_ok=True)
