"""Compiled code finds no folder to be kept in: another user's package, and no home."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
KEYED: Final = """
import numpy as np
from policies import kernel as served
from user_models.dynamics import kernel as lived

shown, felt = np.empty((1, 3), np.float32), np.empty(2)
served.fill_uniform(np.array([5], np.uint64), np.uint64(7), shown)
lived.fill_uniforms(np.uint64(5), np.arange(2), felt)
print(shown.tobytes().hex(), felt.tobytes().hex())
"""


def without_folders(package: Path, tree: Path) -> None:
    """Link to a package's files from where a `__pycache__` cannot be made, not even by root."""
    here = tree / package.name
    here.mkdir()
    (here / "__pycache__").touch()
    for path in package.iterdir():
        if path.is_dir() and path.name != "__pycache__":
            without_folders(path, here)
        elif path.is_file():
            (here / path.name).symlink_to(path)


def keyed_numbers(tree: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    places = {"HOME", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in places}
    environment |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", **changed}
    command = [sys.executable, "-c", KEYED]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tree, env=environment)


def test_where_no_folder_can_be_written_kernels_work_and_one_line_says_so(tmp_path):
    for name in ("policies", "user_models"):
        without_folders(ROOT / name, tmp_path)
    nowhere = keyed_numbers(tmp_path, HOME="/dev/null", XDG_CACHE_HOME="/dev/null")
    assert nowhere.returncode == 0, nowhere.stderr
    assert nowhere.stderr.startswith("askew: ")
    assert nowhere.stderr.count("\n") == 1
    assert "NUMBA_CACHE_DIR" in nowhere.stderr
    kept = keyed_numbers(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "compiled"))
    assert kept.stderr == ""
    assert kept.stdout == nowhere.stdout
    assert list((tmp_path / "compiled").rglob("*.nbc"))


@pytest.mark.parametrize("decorators", ["policies.compiled", "user_models.dynamics.compiled"])
def test_code_compiled_before_a_class_was_renamed_is_compiled_anew(tmp_path, decorators):
    source = f"""
from typing import NamedTuple
import numpy as np
from {decorators} import compiled

class Before(NamedTuple):
    x: np.ndarray

@compiled
def total(pair):
    return pair.x[0] + pair.x[1]

if __name__ == "__main__":
    import scores
    print(scores.total(scores.Before(np.array([1.0, 2.0]))))
"""
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    for text in (source, source.replace("Before", "Renamed")):
        (tmp_path / "scores.py").write_text(text)
        end = subprocess.run(
            [sys.executable, "scores.py"], capture_output=True, check=False, text=True, cwd=tmp_path, env=environment
        )
        assert end.stdout == "3.0\n", end.stderr
