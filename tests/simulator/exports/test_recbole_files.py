"""A run's trace as RecBole's atomic files: header, types and rows."""

import numpy as np
import pandas as pd
import pytest

from simulator.cli.app import main
from simulator.environment.transitions import read_trace
from simulator.errors import ExportError, SpecError
from simulator.exports.recbole_files import write_recbole
from simulator.spec.experiment import load_spec

TYPES = {"token": str, "float": float}


def read_atomic(path):
    """Read a file as RecBole does: names and types from the header, columns by tab."""
    frame = pd.read_csv(path, sep="\t", dtype=str)
    named = {column.partition(":")[0]: column.partition(":")[2] for column in frame.columns}
    return frame.set_axis(list(named), axis=1).astype({name: TYPES[type_] for name, type_ in named.items()})


def test_views_are_those_of_the_arm(traced_run, tmp_path):
    folder = write_recbole(traced_run, "treatment", tmp_path)
    views = read_atomic(folder / "askew.inter")
    trace = read_trace(traced_run, load_spec(str(traced_run / "spec.toml")), "treatment")
    assert views["user_id"].tolist() == trace["user_id"].astype(str).tolist()
    assert views["item_id"].tolist() == trace["video_id"].astype(str).tolist()
    assert views["like"].tolist() == trace["like"].astype(float).tolist()
    np.testing.assert_allclose(views["watch_s"], trace["watch_s"], atol=6e-4)
    assert views.groupby("user_id")["timestamp"].is_monotonic_increasing.all()


def test_every_user_and_video_of_a_view_has_a_row(traced_run, tmp_path):
    main(["export", str(traced_run), "--format", "recbole", "--out", str(tmp_path)])
    views, users, videos = (read_atomic(tmp_path / "askew" / f"askew.{end}") for end in ("inter", "user", "item"))
    assert set(views["user_id"]) <= set(users["user_id"])
    assert set(views["item_id"]) <= set(videos["item_id"])
    assert users["user_id"].tolist() == [str(number) for number in range(40)]
    assert videos["item_id"].tolist() == [str(number) for number in range(len(videos))]
    assert set(users["user_active_degree"]) == {"full_active", "middle_active"}
    assert (videos["duration_s"] > 0).all()


def test_a_folder_that_holds_something_and_an_unknown_arm_are_refused(traced_run, tmp_path):
    with pytest.raises(SpecError, match="--arm: 'other' given, want one of control, treatment"):
        write_recbole(traced_run, "other", tmp_path)
    write_recbole(traced_run, None, tmp_path)
    with pytest.raises(ExportError, match="is not empty; give another --out"):
        write_recbole(traced_run, None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["askew"]
