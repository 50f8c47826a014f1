"""Lock of a run folder: a file that names the one process that may write to it.

The kernel releases the lock when its process ends, so a lock file left by a killed run does no harm. Readers do not
take the lock, which could keep a run out: they compare the start time of the process with that in the file. If the
file names another machine, the state of that run is unknown here, and the user has to decide.
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
"""Seconds to wait for a lock, whose holder may just be deleting it."""


@final
@dataclass(frozen=True)
class Holder:
    """Process that works in a run folder.

    Attributes:
        process: Id of the process.
        host: Name of its machine.
        started: Start time of the process, by `process_start`; empty in the locks of earlier versions.
    """

    process: int
    host: str
    started: str

    @property
    def here(self) -> bool:
        """Whether the process is on this machine."""
        return self.host == socket.gethostname()


def holder_of(folder: Path) -> Holder | None:
    """Process that works in a run folder, or None; a process on another machine is assumed to be alive."""
    try:
        holder = _read((folder / LOCK).read_bytes())
    except OSError:
        return None
    if holder is not None and holder.here:
        started = process_start(holder.process)
        return holder if started and holder.started in ("", started) else None
    return holder


def process_start(process: int) -> str:
    """Start time of a process of this machine, to tell it from a later one of the same id; empty if it has ended."""
    try:
        # proc(5): after the name, which may hold brackets itself, come the state and, as the 20th, the start
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self").exists() else _start_by_ps(process)
    return "" if fields[0] in "ZX" else fields[19]


def _start_by_ps(process: int) -> str:
    """Start time of a process on systems without /proc."""
    command = ["ps", "-o", "lstart=", "-p", str(process)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 (a number)


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Lock an existing folder against other runs.

    Raises:
        RunFolderError: Another run works there, or the lock cannot be written or belongs to another program.
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
    """Lock a file and write this process into it; an empty file is from a run that ended at once."""
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
            holder_text = f"{_describe(holder)}, which cannot be seen from here"
            raise RunFolderError(f"{path.parent}: in use by {holder_text}; if that run is dead, delete {path}")
        path.write_bytes(_own_entry())
    except Timeout:
        holder_text = f"{_describe(holder_of(path.parent))}; wait until that run ends, or give another --out"
        raise RunFolderError(f"{path.parent}: in use by {holder_text}") from None
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}; give another --out") from None


def _own_entry() -> bytes:
    process = os.getpid()
    return json.dumps({"process": process, "host": socket.gethostname(), "started": process_start(process)}).encode()


def _describe(holder: Holder | None) -> str:
    return "another process" if holder is None else f"process {holder.process} on {holder.host}"


def _read(data: bytes) -> Holder | None:
    """Process that a lock file names; None if the file is still empty or is not a lock of a run."""
    try:
        match json.loads(data):
            case {"process": int(process), "host": str(host), **more}:
                return Holder(process, host, str(more.get("started", "")))
            case _:
                return None
    except (ValueError, RecursionError):
        return None
