"""Runs that the dashboard starts: processes of their own, which outlive the browser and the dashboard.

Beside a run folder NAME lie NAME.toml, the spec it was started with, NAME.log, what it printed, and .NAME.started,
which process that was. A process is stopped only if its number, its start and the run's lock all say that it is ours.
"""

import json
import os
import re
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Final, final

from simulator.runs.lock import Holder, holder_of, process_start

LOG_TAIL: Final = 4000
"""Bytes at the end of a log that are read for its last line."""
_RECORD: Final = re.compile(r"\.(.+)\.started")
_CONTROLS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f\x7f]")


@final
class LaunchError(ValueError):
    """A run that cannot be started or stopped: says why and what to do."""


@final
@dataclass(frozen=True)
class Attempt:
    """A process that the dashboard started for a run."""

    process: int
    host: str
    started: str

    @property
    def alive(self) -> bool:
        """Whether it still runs, on this machine."""
        here = self.host == socket.gethostname()
        return here and bool(self.started) and process_start(self.process) == self.started

    def is_of(self, holder: Holder) -> bool:
        """Whether it is who locked the run."""
        return (self.process, self.host, self.started) == (holder.process, holder.host, holder.started)


def start(run: Path, spec: str) -> Attempt:
    """Run a spec, given as TOML, into a folder that is not there yet.

    Raises:
        LaunchError: The name is taken, or nothing can be written there.
    """
    beside, aside = run.with_name(f"{run.name}.toml"), run.with_name(f".{run.name}.{os.getpid()}.part")
    try:
        taken = next((path for path in (run, beside) if path.exists()), None)
        if taken is not None:
            raise LaunchError(f"{taken}: is there already; give the run another name")
        aside.write_text(spec, encoding="utf-8")
        aside.replace(beside)
    except OSError as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise LaunchError(f"{beside}: cannot be written: {error.strerror}") from None
    return _spawn(run, beside, [])


def resume(run: Path) -> Attempt:
    """Go on with a run that was stopped.

    Raises:
        LaunchError: It is being run already, or nothing can be written beside it.
    """
    if holder_of(run) is not None:
        raise LaunchError(f"{run}: is being run already")
    return _spawn(run, run / "spec.toml", ["--resume"])


def stop(run: Path) -> None:
    """End the process of a run that the dashboard started; what it finished is kept.

    Raises:
        LaunchError: Nobody runs it, or somebody else.
    """
    attempt, holder = read_attempt(run), holder_of(run)
    if attempt is None or not attempt.alive or (holder is not None and not attempt.is_of(holder)):
        who = f"process {holder.process} on {holder.host} runs it" if holder else "no process of the dashboard runs it"
        raise LaunchError(f"{run}: {who}; only a run that was started from the dashboard can be stopped here")
    os.kill(attempt.process, signal.SIGTERM)


def read_attempt(run: Path) -> Attempt | None:
    """The last process that the dashboard started for a run; None if there was none."""
    try:
        return Attempt(**json.loads(_record(run).read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def attempted(folder: Path) -> list[Path]:
    """The runs in a folder that the dashboard started, whether their folders are there or not."""
    names = (match[1] for path in folder.iterdir() if (match := _RECORD.fullmatch(path.name)))
    return [folder / name for name in names]


def forget(run: Path) -> None:
    """Remove what lies beside a run that never began, so that its name is free.

    Raises:
        LaunchError: It did begin, or still may.
    """
    attempt = read_attempt(run)
    if run.exists() or (attempt is not None and attempt.alive):
        raise LaunchError(f"{run}: is there or about to be; only a run that never began is removed")
    for path in (run.with_name(f"{run.name}.toml"), log_of(run), _record(run)):
        path.unlink(missing_ok=True)


def log_of(run: Path) -> Path:
    """Where a run's process prints to."""
    return run.with_name(f"{run.name}.log")


def last_words(run: Path) -> str:
    """The last line that a run's process printed; empty if there is none."""
    try:
        with log_of(run).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL))
            lines = log.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    printed = [line for text in lines if (line := _CONTROLS.sub("", text).strip())]
    return printed[-1] if printed else ""


def _spawn(run: Path, spec: Path, words: list[str]) -> Attempt:
    """Start `askew run` in a session of its own and note which process it is."""
    before = read_attempt(run)
    if before is not None and before.alive:
        raise LaunchError(f"{run}: is being started already")
    command = [sys.executable, "-m", "simulator", "run", str(spec), "--out", str(run), *words]
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    quiet = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    logged = [(os.POSIX_SPAWN_OPEN, 1, str(log_of(run)), flags, 0o644), (os.POSIX_SPAWN_DUP2, 1, 2)]
    try:
        process = os.posix_spawn(command[0], command, os.environ, file_actions=[*quiet, *logged], setsid=True)
        attempt = Attempt(process, socket.gethostname(), process_start(process))
        _record(run).write_text(json.dumps(asdict(attempt)), encoding="utf-8")
    except OSError as error:
        raise LaunchError(f"{log_of(run)}: cannot be started: {error.strerror}") from None
    Thread(target=_reap, args=(process,), daemon=True).start()
    return attempt


def _reap(process: int) -> None:
    """Let a process that has ended go, as its parent has to."""
    with suppress(ChildProcessError):
        os.waitpid(process, 0)


def _record(run: Path) -> Path:
    """Where it is noted which process runs a run."""
    return run.with_name(f".{run.name}.started")
