"""Nothing is lost: a run that is stopped, killed or robbed goes on to the same bytes, or says in one line why not."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from simulator.errors import RunFolderError
from simulator.run import run_to_folder
from simulator.runs.lock import LOCK, holder_of, locked
from simulator.spec.experiment import parse_spec

KILLS = int(os.environ.get("ASKEW_KILLS", "10"))
"""Times that a run is killed; 100 take some minutes on an idle machine."""


def keys_of(world):
    return {
        "name": "resumed",
        "seed": 8,
        "world": world,
        "users": 100,
        "videos": 80,
        "days": 2,
        "pre_days": 1,
        "launch_days": 1,
        "rounds_per_day": 2,
        "views_scale": 0.05,
        "candidates": 10,
        "trace": 0.1,
        "pre_policy": "popular",
        "arms": [{"name": "control", "policy": "random"}, {"name": "treatment", "policy": "popular"}],
    }


@pytest.fixture
def spec(world):
    return parse_spec(keys_of(world), "test")


def silent(stage, done, total):
    pass


def files_of(folder: Path) -> dict[str, str]:
    """Every file and a checksum: what differs is told in a line."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    """A run that nothing disturbed; do not write into it."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    run_to_folder(parse_spec(keys_of(world), "test"), folder, 1, silent)
    return folder


@pytest.fixture(scope="module")
def undisturbed(finished):
    return files_of(finished)


class StoppedError(Exception):
    pass


def stops_at(call: int):
    """Progress that stops the run the n-th time it is told anything."""
    told = iter(range(10_000))

    def progress(stage, done, total):
        if next(told) == call:
            raise StoppedError

    return progress


def stopped(spec, folder, call):
    with pytest.raises(StoppedError):
        run_to_folder(spec, folder, 1, stops_at(call), resume=folder.exists())


@pytest.mark.slow
def test_a_run_stopped_after_every_single_step_ends_with_the_same_files(spec, undisturbed, tmp_path):
    stopped(spec, tmp_path / "run", 0)
    while not (tmp_path / "run" / "report.json").exists():
        try:
            run_to_folder(spec, tmp_path / "run", 1, stops_at(1), resume=True)
        except StoppedError:
            continue
    assert files_of(tmp_path / "run") == undisturbed


class KilledError(BaseException):
    """Like a signal, it leaves everything as it is."""


class Disk:
    """Syncs, and kills whoever syncs for the `last` time."""

    def __init__(self, last: int = -1):
        self.last = last
        self.syncs = 0
        self._sync = os.fsync

    def sync(self, file):
        self.syncs += 1
        if self.syncs == self.last:
            raise KilledError
        self._sync(file)


@pytest.mark.slow
def test_a_run_killed_as_it_syncs_ends_with_the_same_files(spec, undisturbed, tmp_path, monkeypatch):
    whole = Disk()
    with monkeypatch.context() as watched:
        watched.setattr(os, "fsync", whole.sync)
        run_to_folder(spec, tmp_path / "whole", 1, silent)
    killed = range(1, whole.syncs + 1)
    for last in sorted({*killed[::30], *killed[-6:]}):  # at its end a run has most to remove
        folder = tmp_path / str(last)
        with monkeypatch.context() as watched:
            watched.setattr(os, "fsync", Disk(last).sync)
            with pytest.raises(KilledError):
                run_to_folder(spec, folder, 1, silent)
        complete(spec, folder)
        assert files_of(folder) == undisturbed


def test_a_step_that_is_done_is_not_played_again(spec, tmp_path):
    stopped(spec, tmp_path / "run", 4)
    begun = []

    def progress(stage, done, total):
        begun.append((stage, done))
        raise StoppedError

    with pytest.raises(StoppedError):
        run_to_folder(spec, tmp_path / "run", 1, progress, resume=True)
    assert begun == [("training", 1)]


def test_a_finished_run_can_be_resumed_and_keeps_no_users(spec, finished, undisturbed, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    run_to_folder(spec, tmp_path / "run", 1, silent, resume=True)
    assert files_of(tmp_path / "run") == undisturbed
    assert [name for name in undisturbed if name.startswith("checkpoints")] == ["checkpoints/now"]


@pytest.mark.parametrize("writes", [1, 8, 25])
def test_a_full_disk_is_one_line_and_what_was_finished_is_kept(spec, undisturbed, tmp_path, monkeypatch, writes):
    left = iter(range(writes))
    sync = os.fsync

    def fills_up(file):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fills_up)
        with pytest.raises(
            RunFolderError,
            match=r"cannot be written: No space left on device; make room and run it again, with --resume",
        ):
            run_to_folder(spec, tmp_path / "run", 1, silent)
    assert not list((tmp_path / "run").rglob(".*"))
    run_to_folder(spec, tmp_path / "run", 1, silent, resume=(tmp_path / "run" / "spec.toml").exists())
    assert files_of(tmp_path / "run") == undisturbed


def emptied(path):
    path.write_bytes(b"")


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


FILES = ["checkpoints/users-*", "checkpoints/policy-*/*", "user_days/*", "trace/*"]


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("checkpoints/now", flipped),
        *((file, damage) for file in FILES for damage in (Path.unlink, flipped)),
        *((file, halved) for file in ("checkpoints/now", *FILES[:3:2])),
        *((file, emptied) for file in ("checkpoints/now", *FILES[:3:2])),
    ],
)
def test_a_damaged_or_missing_file_is_named_and_the_way_out_works(spec, undisturbed, half_run, tmp_path, file, damage):
    shutil.copytree(half_run, tmp_path / "run")
    path = min((tmp_path / "run").glob(file))
    damage(path)
    before = files_of(tmp_path / "run")
    with pytest.raises(RunFolderError, match=r"damaged.*delete .*checkpoints, and `--resume` starts") as refusal:
        run_to_folder(spec, tmp_path / "run", 1, silent, resume=True)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert files_of(tmp_path / "run") == before


@pytest.fixture(scope="module")
def half_run(world, tmp_path_factory):
    """A run that was stopped in the middle of a learning line's day; do not write into it."""
    folder = tmp_path_factory.mktemp("half") / "run"
    stopped(parse_spec(keys_of(world), "test"), folder, 8)
    return folder


def test_without_its_checkpoints_a_run_begins_anew_and_ends_the_same(spec, undisturbed, half_run, tmp_path):
    shutil.copytree(half_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    run_to_folder(spec, tmp_path / "run", 1, silent, resume=True)
    assert files_of(tmp_path / "run") == undisturbed


def test_half_written_files_of_a_killed_run_are_cleared_away(spec, undisturbed, half_run, tmp_path):
    shutil.copytree(half_run, tmp_path / "run")
    (tmp_path / "run" / "user_days" / ".world0-0001-0000.parquet.77.part").write_bytes(b"PAR")
    (tmp_path / "run" / "checkpoints" / "users-nobody-knows").write_bytes(b"1")
    run_to_folder(spec, tmp_path / "run", 1, silent, resume=True)
    assert files_of(tmp_path / "run") == undisturbed


def test_what_a_run_killed_at_its_very_end_did_not_remove_is_cleared_away(spec, finished, undisturbed, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "report.json").unlink()
    (tmp_path / "run" / "checkpoints" / "policy-world1-0012-0").mkdir()
    (tmp_path / "run" / "checkpoints" / "policy-world1-0012-0" / "policy.json").write_text("{}")
    (tmp_path / "run" / "checkpoints" / "users-world1-0001-0-0000.safetensors").write_bytes(b"1")
    run_to_folder(spec, tmp_path / "run", 1, silent, resume=True)
    assert files_of(tmp_path / "run") == undisturbed


def test_a_run_killed_before_it_wrote_its_spec_can_be_begun_again(spec, undisturbed, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).write_text(json.dumps({"process": 1, "host": socket.gethostname()}))
    (tmp_path / "run" / ".spec.toml.77.part").write_text("name")
    run_to_folder(spec, tmp_path / "run", 1, silent)
    assert files_of(tmp_path / "run") == undisturbed


def test_a_folder_that_is_removed_while_a_run_writes_is_one_line(spec, tmp_path):
    def removes(stage, done, total):
        if stage == "the test":
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    with pytest.raises(RunFolderError, match="cannot be written: No such file or directory"):
        run_to_folder(spec, tmp_path / "run", 1, removes)
    assert not (tmp_path / "run").exists()


def test_two_processes_on_one_folder_are_refused_by_name(spec, half_run, tmp_path):
    shutil.copytree(half_run, tmp_path / "run")
    before = files_of(tmp_path / "run")
    hold = "import sys, time; from pathlib import Path; from simulator.runs.lock import locked\n"
    hold += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold, tmp_path / "run"], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunFolderError, match=f"in use by process {other.pid} on {socket.gethostname()}; wait"):
            run_to_folder(spec, tmp_path / "run", 1, silent, resume=True)
        other.kill()
    (tmp_path / "run" / LOCK).rename(tmp_path / "left behind")
    assert files_of(tmp_path / "run") == before


def test_the_lock_of_a_dead_process_is_no_obstacle(tmp_path):
    (tmp_path / LOCK).write_text(json.dumps({"process": 1, "host": socket.gethostname()}))
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    assert not (tmp_path / LOCK).exists()


def test_a_lock_of_another_machine_is_left_to_the_user(tmp_path):
    (tmp_path / LOCK).write_text(json.dumps({"process": 4711, "host": "elsewhere"}))
    with pytest.raises(RunFolderError, match="process 4711 on elsewhere, which cannot be seen"), locked(tmp_path):
        pass
    assert (tmp_path / LOCK).exists()


NO_LOCKS = (
    *("{}", "[1]", "null", "4711\n", "# yarn", "[" * 999, "\0" * 40, '{"host": "elsewhere"}', '{"process": 1}'),
    *('{"process": 1e999, "host": "here"}', '{"process": null, "host": null}', '{"process": "1", "host": "here"}'),
)


@pytest.mark.parametrize("text", NO_LOCKS)
def test_the_lock_of_another_program_is_left_to_the_user(tmp_path, text):
    (tmp_path / LOCK).write_text(text)
    assert holder_of(tmp_path) is None
    with (
        pytest.raises(RunFolderError, match=r"\.lock: no lock of a run; give another --out, or delete"),
        locked(tmp_path),
    ):
        pass
    assert (tmp_path / LOCK).read_text() == text


def test_a_lock_without_words_is_taken(tmp_path):
    (tmp_path / LOCK).write_text("")
    with locked(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


LONGEST_S = 2.5
"""Seconds after which a run that goes on is killed."""
RUNS = """
import json, sys
from pathlib import Path
from simulator.run import run_to_folder
from simulator.spec.experiment import parse_spec
folder = Path(sys.argv[2])
spec = parse_spec(json.loads(sys.argv[1]), "test")
print("begun", flush=True)
run_to_folder(spec, folder, 2, lambda *told: None, resume=(folder / "spec.toml").exists())
"""


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_files(world, spec, undisturbed, tmp_path):
    chance = np.random.default_rng(20)
    folder, kills = tmp_path / "run", 0
    while kills < KILLS:
        command = [sys.executable, "-c", RUNS, json.dumps(keys_of(world)), folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"begun\n"
            time.sleep(chance.uniform(0.0, LONGEST_S))
            process.send_signal(signal.SIGKILL)
            finished = process.wait() == 0
        kills += not finished
        if finished or chance.random() < 0.2:
            complete(spec, folder)
            assert files_of(folder) == undisturbed
            shutil.rmtree(folder)
    complete(spec, folder)
    assert files_of(folder) == undisturbed


def complete(spec, folder):
    run_to_folder(spec, folder, 1, silent, resume=(folder / "spec.toml").exists())
