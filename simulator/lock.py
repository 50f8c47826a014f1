"""One process per run folder: a lock file that says who works there, and that goes with its process.

The kernel lets go of the lock when its process ends, however it ends, so one left by a killed run is no obstacle.
Where the file names another machine, nobody here can tell whether that run lives, and the user decides.
"""

import fcntl
import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from simulator.errors import RunFolderError

LOCK: Final = ".lock"


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Keep every other run out of a folder that exists.

    Raises:
        RunFolderError: Another run is at work there, or the lock cannot be written.
    """
    path = folder / LOCK
    try:
        file = _take(path)
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}; give another --out") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _take(path: Path) -> int:
    """A descriptor that holds the lock; its file says who holds it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _hold(file, path)
            if _is_there(file, path):
                os.ftruncate(file, 0)
                os.pwrite(file, _me(), 0)
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # who held it before has just deleted it: begin again with a new file


def _hold(file: int, path: Path) -> None:
    """Lock a file, or say who has it."""
    holder = _read(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunFolderError(
            f"{path.parent}: in use by {holder}; wait until that run ends, or give another --out"
        ) from None
    host = _host_of(os.pread(file, 1000, 0))
    if host not in ("", socket.gethostname()):
        raise RunFolderError(
            f"{path.parent}: in use by {holder}, which cannot be seen from here; if that run is dead, delete {path}"
        )


def _is_there(file: int, path: Path) -> bool:
    """Whether the path still leads to the open file."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(file)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def _me() -> bytes:
    """This process, for others to read."""
    return json.dumps({"process": os.getpid(), "host": socket.gethostname()}).encode()


def _read(file: int) -> str:
    """Who holds a lock, in words."""
    data = os.pread(file, 1000, 0)
    host = _host_of(data)
    return f"process {json.loads(data)['process']} on {host}" if host else "another process"


def _host_of(data: bytes) -> str:
    """The machine that a lock names; empty where it names none, as between its making and its first word."""
    try:
        return str(json.loads(data)["host"])
    except (ValueError, KeyError, TypeError):
        return ""
