"""The spread of watch time over users: counted by hand, from the right worlds and days."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from simulator.errors import RunFolderError
from simulator.reports.watch_time import Bin, WatchSpread, watch_spreads

WATCHED = {"base": {0: (0, 0), 1: (2, 6), 2: (16, 16)}, "treatment": {3: (1, 0), 4: (0, 0)}}
"""Seconds on both days, by bucket and user."""
ELSEWHERE_S = 9999.0


def life_of(sample_run: ModuleType, world: str) -> pd.DataFrame:
    """Rows with `WATCHED` in one world, or in everybody's own where it is empty; far more before and elsewhere."""
    rows = sample_run.sample_rows(sample_run.SamplePlan(users=5, days=2, mixed=world == "mixed"))
    bucket = {user: arm for arm, users in WATCHED.items() for user in users}
    rows["bucket"] = rows["user_id"].map(bucket)
    own = rows["world"] == (world or "all:" + rows["bucket"])
    inside = own & (rows["day"] >= 0)
    rows["watch_s"] = ELSEWHERE_S
    watched = [WATCHED[r.bucket][r.user_id][r.day] for r in rows[inside].itertuples()]
    rows.loc[inside, "watch_s"] = np.array(watched, float)
    return rows


@pytest.mark.parametrize("world", ["", "mixed"])
def test_users_are_counted_by_watch_time_per_day(sample_run: ModuleType, tmp_path: Path, world: str):
    rows = life_of(sample_run, world)
    if world:
        both = rows[rows["world"] == "mixed"].drop_duplicates(["user_id", "day"])
        missing = rows[(rows["world"] == "all:base") & ~rows["user_id"].isin(both["user_id"])].assign(world="mixed")
        missing["watch_s"] = [float(WATCHED[r.bucket][r.user_id][r.day]) for r in missing.itertuples()]
        rows = pd.concat([rows[rows["world"] != "mixed"], both, missing])
    sample_run.write_rows(tmp_path, rows, 2)
    half = 2**0.5
    base, treatment = watch_spreads(tmp_path)
    edges = [4, 4 * half, 8, 8 * half, 16, 16 * half]
    counts = (1, 0, 0, 0, 1)
    assert (base.arm, base.users, base.idle) == ("base", 3, 1)
    assert (base.median_s, base.ninth_decile_s) == (4, 16)
    assert base.mean_s == pytest.approx(20 / 3)
    assert [each.users for each in base.bins] == list(counts)
    assert [each.low_s for each in base.bins] == pytest.approx(edges[:-1])
    assert [each.high_s for each in base.bins] == pytest.approx(edges[1:])
    assert treatment == WatchSpread("treatment", 2, 1, 0.25, 0.0, 0.5, (Bin(0.5, 0.5 * half, 1),))


def test_every_user_has_a_place(run_folder: Path, sample_run: ModuleType):
    rows = sample_run.sample_rows(sample_run.SamplePlan())
    own = rows[(rows["world"] == "all:" + rows["bucket"]) & (rows["day"] >= 0)]
    watched = own.groupby(["bucket", "user_id"])["watch_s"].mean().groupby("bucket")
    for spread in watch_spreads(run_folder):
        assert spread.users == watched.size()[spread.arm]
        assert spread.idle + sum(each.users for each in spread.bins) == spread.users
        assert spread.mean_s == pytest.approx(watched.mean()[spread.arm])


def test_a_missing_cell_is_refused(sample_run: ModuleType, tmp_path: Path):
    rows = sample_run.sample_rows(sample_run.SamplePlan(users=5, days=2))
    rows.loc[3, "watch_s"] = None
    sample_run.write_rows(tmp_path, rows, 1)
    with pytest.raises(RunFolderError, match="column watch_s is empty"):
        watch_spreads(tmp_path)


def test_a_run_without_user_days_is_refused(tmp_path: Path):
    with pytest.raises(RunFolderError, match="holds no user_days"):
        watch_spreads(tmp_path)
