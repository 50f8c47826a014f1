"""Runs as processes: started beside their folders, stopped only where they are provably ours."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dashboards.run_control import launch
from dashboards.run_control.run_list import run_line, run_lines
from simulator.runs.checkpoint import NOW, Checkpoint, pack
from simulator.runs.lock import LOCK, process_start

SPEC = 'name = "a"\narms = [{name = "c", policy = "random"}, {name = "t", policy = "popular"}]\n'


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def claim(run, process: int, started: str | None = None, lock: bool = True) -> None:
    """Says that the dashboard started a process for a run, and that it has the lock."""
    begun = process_start(process) if started is None else started
    note = {"process": process, "host": socket.gethostname(), "started": begun}
    run.with_name(f".{run.name}.started").write_text(json.dumps(note))
    if lock:
        (run / LOCK).write_text(json.dumps(note))


def begin(run, done: int = 0, steps: int = 0):
    (run / "checkpoints").mkdir(parents=True)
    (run / "spec.toml").write_text(SPEC)
    if steps:
        (run / NOW).write_bytes(pack(Checkpoint(done=done, steps=steps)))
    return run


def test_a_run_without_room_for_its_spec_leaves_nothing(tmp_path, monkeypatch):
    def full(path, text, **_):
        path.write_bytes(text[:10].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(launch.LaunchError, match=r"a\.toml: cannot be written: No space left on device"):
        launch.start(tmp_path / "a", SPEC)
    assert not any(tmp_path.iterdir())


def test_our_process_is_stopped(tmp_path, sleeper):
    run = begin(tmp_path / "a", 3, 9)
    claim(run, sleeper.pid)
    assert run_line(run, tmp_path).status == "running step 4 of 9"
    launch.stop(run)
    assert sleeper.wait(60) == -signal.SIGTERM
    line = run_line(run, tmp_path)
    assert (line.kind, line.status) == ("stopped", "stopped after step 3 of 9; can be resumed")


def test_a_process_of_the_same_number_is_left_alone(tmp_path, sleeper):
    run = begin(tmp_path / "a")
    claim(run, sleeper.pid, started="1")
    with pytest.raises(launch.LaunchError, match="no process of the dashboard runs it"):
        launch.stop(run)
    assert sleeper.poll() is None
    assert run_line(run, tmp_path).kind == "stopped"


def test_a_run_that_somebody_else_locked_is_left_alone(tmp_path, sleeper):
    run = begin(tmp_path / "a")
    claim(run, sleeper.pid, lock=False)
    other = {"process": os.getpid(), "host": socket.gethostname(), "started": process_start(os.getpid())}
    (run / LOCK).write_text(json.dumps(other))
    with pytest.raises(launch.LaunchError, match=f"process {os.getpid()} on"):
        launch.stop(run)
    assert sleeper.poll() is None
    with pytest.raises(launch.LaunchError, match="is being run already"):
        launch.resume(run)


def test_a_run_that_never_began_says_why_and_can_be_removed(tmp_path):
    run = tmp_path / "a"
    claim(run, 2**22 - 1, started="1", lock=False)
    launch.log_of(run).write_text("\x1b[31mfirst\x1b[0m\naskew: nope: no such world\n\n")
    (line,) = run_lines(tmp_path)
    assert (line.kind, line.status) == ("failed", "did not begin: askew: nope: no such world")
    launch.forget(run)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_began_is_not_removed(tmp_path):
    with pytest.raises(launch.LaunchError, match="only a run that never began"):
        launch.forget(begin(tmp_path / "a"))


def test_a_name_that_is_taken_is_refused(tmp_path):
    begin(tmp_path / "a")
    (tmp_path / "b.toml").touch()
    for name in ("a", "b"):
        with pytest.raises(launch.LaunchError, match="is there already"):
            launch.start(tmp_path / name, SPEC)


def test_a_started_process_reports_to_its_log(tmp_path):
    attempt = launch.start(tmp_path / "a", 'name = "a"\n')
    for _ in range(6000):
        if not attempt.alive:
            break
        os.sched_yield()
        signal.sigtimedwait([], 0.05)
    assert not attempt.alive
    assert "key 'arms' is missing" in launch.last_words(tmp_path / "a")
    assert run_line(tmp_path / "a", tmp_path).kind == "failed"


def test_damage_is_told_in_a_line(tmp_path):
    run = begin(tmp_path / "a", 1, 2)
    (run / NOW).write_bytes(b"{}\n00000000")
    assert "damaged checkpoint (changed)" in run_line(run, tmp_path).status
    (run / "spec.toml").write_text("=")
    assert "not a TOML file" in run_line(run, tmp_path).status
    assert run_line(run, tmp_path).kind == "damaged"


def test_many_runs_are_listed_and_searched(tmp_path, report, add_run):
    for i in range(40):
        add_run(tmp_path / f"run-{i}", report)
    begin(tmp_path / "half", 1, 4)
    lines = run_lines(tmp_path)
    assert len(lines) == 41
    assert [line.label for line in lines if line.matches("HALF stopped")] == ["half"]
    done = next(line for line in lines if line.label == "run-7")
    assert done.kind == "finished"
    assert done.outcome.verdict == "Mixed: AUT better, P2N unclear, AVT worse"
    assert done.outcome.effect
