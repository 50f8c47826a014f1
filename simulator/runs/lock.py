"""One process per run folder: a lock file that says who works there, and that goes with its process.

The kernel lets go of the lock when its process ends, however it ends, so one left by a killed run is no obstacle.
Readers do not try the lock, which could keep a run out: they compare the start of the process with the one noted.
Where the file names another machine, nobody here can tell whether that run lives, and the user decides.
"""

import json
import os
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from filelock import BaseFileLock, FileLock, Timeout

from simulator.errors import RunFolderError

LOCK: Final = ".lock"
_PATIENCE_S: Final = 0.2
"""Seconds that a lock is waited for, as its holder may just be deleting it."""


@final
@dataclass(frozen=True)
class Holder:
    """Who works in a run folder.

    Attributes:
        process: Its number.
        host: Its machine.
        started: When it began, as `process_start` tells it; empty in the locks of earlier versions.
    """

    process: int
    host: str
    started: str

    @property
    def here(self) -> bool:
        """Whether it is on this machine."""
        return self.host == socket.gethostname()


def holder_of(folder: Path) -> Holder | None:
    """Who works in a run folder; None where nobody does, or nobody any more. One elsewhere is taken at its word."""
    try:
        holder = _read((folder / LOCK).read_bytes())
    except OSError:
        return None
    if holder is not None and holder.here:
        now = process_start(holder.process)
        return holder if now and holder.started in ("", now) else None
    return holder


def process_start(process: int) -> str:
    """When a process of this machine began, to tell it from a later one of the same number; empty if it has ended."""
    try:
        # proc(5): after the name, which may hold brackets itself, come the state and, as the 20th, the start
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self").exists() else _start_by_ps(process)
    return "" if fields[0] in "ZX" else fields[19]


def _start_by_ps(process: int) -> str:
    """The same where there is no /proc."""
    command = ["ps", "-o", "lstart=", "-p", str(process)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 (a number)


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Keep every other run out of a folder that exists.

    Raises:
        RunFolderError: Another run is at work there, or the lock cannot be written or is another program's.
    """
    path = folder / LOCK
    lock = FileLock(path, timeout=_PATIENCE_S, mode=0o644, fallback_to_soft=False)
    try:
        _take(lock, path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        lock.release()


def _take(lock: BaseFileLock, path: Path) -> None:
    """Lock a file and name this process in it; one that is empty was made by a run that ended at once."""
    try:
        path.parent.stat()  # a folder that is gone is not to be made again
        lock.acquire()
        data = path.read_bytes()
        holder = _read(data)
        if holder is None and data:
            raise RunFolderError(
                f"{path}: no lock of a run; give another --out, or delete that file if nothing needs it"
            )
        if holder is not None and not holder.here:
            who = f"{_named(holder)}, which cannot be seen from here"
            raise RunFolderError(f"{path.parent}: in use by {who}; if that run is dead, delete {path}")
        path.write_bytes(_me())
    except Timeout:
        who = f"{_named(holder_of(path.parent))}; wait until that run ends, or give another --out"
        raise RunFolderError(f"{path.parent}: in use by {who}") from None
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}; give another --out") from None


def _me() -> bytes:
    me = os.getpid()
    return json.dumps({"process": me, "host": socket.gethostname(), "started": process_start(me)}).encode()


def _named(holder: Holder | None) -> str:
    return "another process" if holder is None else f"process {holder.process} on {holder.host}"


def _read(data: bytes) -> Holder | None:
    """Who a lock names; None where it names nobody, as between its making and its first word, or is no lock of ours."""
    try:
        match json.loads(data):
            case {"process": int(process), "host": str(host), **more}:
                return Holder(process, host, str(more.get("started", "")))
            case _:
                return None
    except (ValueError, RecursionError):
        return None
