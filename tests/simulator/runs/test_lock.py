"""The lock of a run folder within one process; tests of resuming hold it against others."""

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from simulator.errors import RunFolderError
from simulator.runs.lock import LOCK, holder_of, locked


def test_whoever_is_refused_leaves_the_words_of_the_holder(tmp_path: Path):
    with locked(tmp_path):
        words = (tmp_path / LOCK).read_text()
        with pytest.raises(RunFolderError, match=rf"in use by process {os.getpid()} on {socket.gethostname()}; wait"):
            locked(tmp_path).__enter__()
        assert (tmp_path / LOCK).read_text() == words
        assert json.loads(words).keys() == {"process", "host", "started"}
        holder = holder_of(tmp_path)
        assert holder is not None
        assert holder.here
    assert not (tmp_path / LOCK).exists()
    assert holder_of(tmp_path) is None


def test_a_run_that_fails_gives_the_folder_back(tmp_path: Path):
    with pytest.raises(OSError, match="the run's own"), locked(tmp_path):
        raise OSError("the run's own")
    with locked(tmp_path):
        assert holder_of(tmp_path)


def test_a_folder_that_is_gone_cannot_be_locked(tmp_path: Path):
    with pytest.raises(RunFolderError, match=r"\.lock: cannot be written: No such file or directory; give another"):
        locked(tmp_path / "gone").__enter__()


def test_of_many_at_once_one_holds_it_at_a_time(tmp_path: Path):
    inside, most, refused = [0], [0], [0]

    def enter() -> None:
        for _ in range(20):
            try:
                with locked(tmp_path):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
            except RunFolderError:
                refused[0] += 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], inside[0]) == (1, 0)
    assert refused[0] < 80
    assert not (tmp_path / LOCK).exists()
