"""What is reported, on disk: written at the call, taken from there by the sender, kept until the ledger has it.

    SPOOL/LEDGER/OWNER/lock          held by the process that sends what is in the folder, for as long as it lives
    SPOOL/LEDGER/OWNER/REF.run       how a run is known to the ledger: its start, its id, its `Started`
    SPOOL/LEDGER/OWNER/REF.log       its events, a line each
    SPOOL/LEDGER/OWNER/children/REF.PID.log   events of a forked child, which writes and does not send
    SPOOL/LEDGER/refused.log         what the ledger refused, and why

One `write` an event, which survives the end of the process, however it comes. LEDGER is a hash of address and tenant;
no token is ever written.
"""

import fcntl
import hashlib
import os
import shutil
import threading
import time
import weakref
from pathlib import Path
from uuid import uuid4

from .events import encode, now
from .runfile import Meta, RunFile

_REFUSED_LIMIT = 8 << 20

_spools: "weakref.WeakSet[Spool]" = weakref.WeakSet()


def _forked() -> None:
    for spool in list(_spools):
        spool.forked()


os.register_at_fork(after_in_child=_forked)


class Spool:
    """The folder of one process and one ledger, and what is left by processes that are gone."""

    def __init__(self, folder: Path, url: str, tenant: str) -> None:
        name = hashlib.sha256(f"{url.rstrip('/')} {tenant}".encode()).hexdigest()[:16]
        self.folder = folder / name
        self._own: Path | None = None
        self._locks: dict[Path, int] = {}
        self._mutex = threading.Lock()
        _spools.add(self)

    def create(self, meta: Meta, ref: str | None = None) -> RunFile:
        """Begins a run. Raises `OSError` where nothing can be written."""
        return RunFile.create(self._owner(), ref or str(uuid4()), meta)

    def _owner(self) -> Path:
        with self._mutex:
            if self._own is None:
                own = self.folder / f"{os.getpid()}-{uuid4().hex[:8]}"
                own.mkdir(mode=0o700, parents=True)
                self._lock(own)
                self._own = own
            return self._own

    def forked(self) -> None:
        """In a forked child: what the parent holds is the parent's. Closing the files here lets go of nothing there."""
        for lock in self._locks.values():
            os.close(lock)
        self._own, self._locks, self._mutex = None, {}, threading.Lock()

    def _lock(self, owner: Path) -> bool:
        lock = os.open(owner / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._locks[owner] = lock
        return True

    def adopt(self) -> list[RunFile]:
        """The runs of processes that have died. From now on this process is the one that sends them."""
        adopted: list[RunFile] = []
        with self._mutex:
            for owner in self._others():
                try:
                    if self._lock(owner):
                        found = [RunFile.found(path) for path in sorted(owner.glob("*.run"))]
                        adopted += [file for file in found if file is not None]
                except OSError:
                    continue  # another process was faster
        return adopted

    def _others(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        folders = [path for path in self.folder.iterdir() if path.is_dir() and path not in self._locks]
        # A folder is locked right after it is made; leave it the moment that this takes.
        return [path for path in folders if time.time() - path.stat().st_mtime > 1]

    def tidy(self, busy: set[Path]) -> None:
        """Removes the folders of the dead of which all is sent. `busy`: folders with runs that are not."""
        with self._mutex:
            for owner in [path for path in self._locks if path != self._own and path not in busy]:
                shutil.rmtree(owner, ignore_errors=True)
                os.close(self._locks.pop(owner))

    def set_aside(self, run_id: str | None, event: object, problem: object) -> None:
        """Keeps what the ledger refused, for people to look at: at most some 16 MB."""
        path = self.folder / "refused.log"
        line = encode({"at": now(), "run_id": run_id, "event": event, "problem": problem}) + b"\n"
        try:
            if path.exists() and path.stat().st_size > _REFUSED_LIMIT:
                path.replace(path.with_suffix(".log.1"))
            with open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(line)
        except OSError:
            pass  # it is told by the callback and the log, too
