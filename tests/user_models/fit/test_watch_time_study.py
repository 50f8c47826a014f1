"""The study of watch-time formulations runs, and refuses a wrong folder in one line."""

import json
import subprocess
import sys
from pathlib import Path

STUDY = Path(__file__).parents[3] / "docs" / "studies" / "watch_time"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(STUDY), *words], capture_output=True, text=True, check=False)


def test_every_formulation_is_scored(small_folder):
    done = run(str(small_folder), "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert len(result["scores"]) == 7
    assert all(score["figures"]["nll"] > 0 for score in result["scores"].values())


def test_a_wrong_folder_is_refused(tmp_path):
    done = run(str(tmp_path / "absent"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
