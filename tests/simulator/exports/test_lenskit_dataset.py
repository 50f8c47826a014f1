"""A run's trace as a LensKit data set: the layout, as `lenskit.data.Dataset.save` writes it, and the rows."""

import json

import numpy as np
import pyarrow.parquet as pq

from simulator.cli.app import main
from simulator.environment.transitions import read_trace
from simulator.exports.lenskit_dataset import write_lenskit
from simulator.spec.experiment import load_spec


def test_tables_hold_what_the_schema_says(traced_run, tmp_path):
    main(["export", str(traced_run), "--format", "lenskit", "--out", str(tmp_path / "out")])
    schema = json.loads((tmp_path / "out" / "schema.json").read_text(encoding="utf-8"))
    for kind, keys in (
        ("entities", {"item": ["item_id"], "user": ["user_id"]}),
        ("relationships", {"view": ["user_num", "item_num"]}),
    ):
        for name, ids in keys.items():
            columns = pq.read_schema(tmp_path / "out" / f"{name}.parquet").names
            assert columns == [*ids, *schema[kind][name]["attributes"]]
    assert schema["default_interaction"] == "view"


def test_views_are_those_of_the_arm_and_name_users_and_videos_by_row(traced_run, tmp_path):
    folder = write_lenskit(traced_run, "treatment", tmp_path / "out")
    views, users, items = (pq.read_table(folder / f"{name}.parquet").to_pandas() for name in ("view", "user", "item"))
    trace = read_trace(traced_run, load_spec(str(traced_run / "spec.toml")), "treatment")
    assert users["user_id"].to_numpy()[views["user_num"]].tolist() == trace["user_id"].tolist()
    assert items["item_id"].to_numpy()[views["item_num"]].tolist() == trace["video_id"].tolist()
    np.testing.assert_array_equal(views["watch_s"], trace["watch_s"].astype(np.float32))
    assert views["hate"].tolist() == trace["hate"].astype(bool).tolist()
    assert views.groupby("user_num")["timestamp"].is_monotonic_increasing.all()
