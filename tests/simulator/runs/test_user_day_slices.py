"""User-days in slices: the sums of the rows, whatever files they are in; what is not sound is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import RunFolderError
from simulator.runs.user_day_chunks import UNIT
from simulator.runs.user_day_slices import Layout, UserDaySlices, UserSlice

LAYOUT = Layout(
    arms=("base", "treatment"),
    days=3,
    pre_days=4,
    truth=True,
    by_day=("watch_s", "views", "hates", "active_days"),
    in_all=("asked", "true_would_say"),
)


@pytest.fixture(scope="module")
def rows(sample_run: ModuleType) -> pd.DataFrame:
    return sample_run.sample_rows(sample_run.SamplePlan())


@pytest.fixture
def written(sample_run: ModuleType, tmp_path: Path):
    """Writes changed rows into a fresh run folder."""

    def write(rows: pd.DataFrame, files: int = 2, row_group_size: int = 100_000) -> Path:
        sample_run.write_rows(tmp_path, rows, files, row_group_size)
        return tmp_path

    return write


def read(folder: Path, layout: Layout = LAYOUT, size: int = 1000) -> list[UserSlice]:
    table = UserDaySlices(folder, layout)
    return list(table.read(table.numbers(size), size))


def summed(rows: pd.DataFrame, world: str, column: str, days: range = range(3)) -> np.ndarray:
    chosen = rows[(rows["world"] == world) & rows["day"].isin(days)].assign(active_days=rows["active"])
    return chosen.groupby("user_id")[column].sum().to_numpy()


def test_a_slice_holds_the_sums_of_its_rows(run_folder: Path, rows: pd.DataFrame):
    (part,) = read(run_folder)
    assert part.before is not None
    assert part.user_id.tolist() == list(range(800))
    arm_of = rows.groupby("user_id")["bucket"].first()
    assert [LAYOUT.arms[arm] for arm in part.arm] == arm_of.tolist()
    assert [part.segments[code] for code in part.segment] == rows.groupby("user_id")["segment"].first().tolist()
    for place, name in enumerate(LAYOUT.by_day):
        unit = UNIT if name == "watch_s" else 1
        for world, label in enumerate(("all:base", "all:treatment")):
            for day in range(3):
                np.testing.assert_allclose(
                    part.days[place, world, day] / unit, summed(rows, label, name, range(day, day + 1)), atol=1e-8
                )
        np.testing.assert_allclose(part.before[place] / unit, summed(rows, "pre", name, range(-4, 0)), atol=1e-8)
    np.testing.assert_array_equal(part.totals[0, 1], summed(rows, "all:treatment", "asked"))
    own = np.where(part.arm == 0, *(summed(rows, f"all:{arm}", "asked") for arm in LAYOUT.arms))
    np.testing.assert_array_equal(part.totals[0, 2], own)
    assert part.mixed == 0


def test_each_user_is_chosen_under_their_own_arm(run_folder: Path):
    (part,) = read(run_folder)
    assert (part.chosen == part.arm).all()


def test_a_mixed_world_is_preferred(written: Callable[..., Path], rows: pd.DataFrame):
    mixed = rows[(rows["world"] == "all:base")].assign(world="mixed", asked=1)
    (part,) = read(written(pd.concat([rows, mixed])))
    assert (part.chosen == 2).all()
    assert (part.totals[0, -1] == 3).all()


def test_sums_over_users_are_those_of_their_buckets(run_folder: Path, rows: pd.DataFrame):
    (part,) = read(run_folder)
    chosen = rows[(rows["world"] == "pre") & (rows["day"] == -1)]
    by_bucket = chosen.groupby("bucket")["views"].agg(["sum", "size"])
    at = 2 * 3 + 3
    assert part.sums[1, at].tolist() == by_bucket["sum"].tolist()
    assert part.sums[-1, at].tolist() == by_bucket["size"].tolist()


@given(
    seed=st.integers(0, 99), files=st.integers(1, 7), row_group_size=st.integers(300, 9_000), size=st.integers(90, 900)
)
@settings(max_examples=8, deadline=None)
def test_files_and_order_do_not_matter(
    sample_run: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    files: int,
    row_group_size: int,
    size: int,
):
    plan = sample_run.SamplePlan(users=500)
    rows = sample_run.sample_rows(plan)
    folders = [tmp_path_factory.mktemp("order") for _ in range(2)]
    sample_run.write_rows(folders[0], rows.sort_values(["world", "day", "user_id"]), 1)
    sample_run.write_rows(folders[1], rows.sample(frac=1, random_state=seed), files, row_group_size)
    for one, other in zip(*(read(folder, LAYOUT, size) for folder in folders), strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name))


def test_users_who_are_far_apart_are_read(written: Callable[..., Path], rows: pd.DataFrame):
    far = rows.assign(user_id=rows["user_id"] * 10_000_000)
    folder = written(far[far["user_id"] < 60_000_000], files=1)
    assert [part.user_id.tolist() for part in read(folder)] == [[k * 10_000_000] for k in range(6)]


@pytest.mark.parametrize(
    ("world", "days", "said"),
    [
        ("all:base", (2,), r"user 3 has 2 rows in world all:"),
        ("pre", (-4, -3), "user 3 has 2 rows in world pre, days -4 to -1, want 4"),
    ],
)
def test_an_unfinished_day_is_refused(
    written: Callable[..., Path], rows: pd.DataFrame, world: str, days: tuple[int, ...], said: str
):
    gone = (rows["user_id"] == 3) & rows["day"].isin(days) & (rows["world"] == world)
    with pytest.raises(RunFolderError, match=said):
        read(written(rows[~gone]))


def test_a_day_twice_in_place_of_another_is_refused(written: Callable[..., Path], rows: pd.DataFrame):
    moved = (rows["user_id"] == 3) & (rows["day"] == 2) & (rows["world"] != "pre")
    with pytest.raises(RunFolderError, match=r"user 3 has 2 rows in world all:base, days 1 to 1, want 1"):
        read(written(rows.assign(day=rows["day"].where(~moved, 1).astype(np.int16))))


def test_a_file_given_twice_is_refused(written: Callable[..., Path], rows: pd.DataFrame):
    with pytest.raises(RunFolderError, match="has 8 rows in world pre"):
        read(written(pd.concat([rows, rows[rows["world"] == "pre"]])))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e10])
def test_seconds_that_are_no_number_are_refused(written: Callable[..., Path], rows: pd.DataFrame, value: float):
    with pytest.raises(RunFolderError, match=r"user_days.*: cannot be read: watch_s is"):
        read(written(rows.assign(watch_s=value)))


def test_a_missing_column_is_named(tmp_path: Path, rows: pd.DataFrame):
    (tmp_path / "user_days").mkdir()
    rows.drop(columns="hates").to_parquet(tmp_path / "user_days" / "part-0.parquet")
    with pytest.raises(RunFolderError, match="column hates is missing"):
        UserDaySlices(tmp_path, LAYOUT)


def test_an_empty_cell_is_named(written: Callable[..., Path], rows: pd.DataFrame):
    gap = rows["hates"].astype("Int32").where((rows["user_id"] != 5) | (rows["day"] != 1))
    with pytest.raises(RunFolderError, match="column hates is empty for user 5 on day 1"):
        UserDaySlices(written(rows.assign(hates=gap)), LAYOUT)


@pytest.mark.parametrize("content", [b"PAR1 no", b""])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "user_days").mkdir()
    (tmp_path / "user_days" / "part-0.parquet").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"user_days.*: cannot be read") as refusal:
        UserDaySlices(tmp_path, LAYOUT)
    assert "\n" not in str(refusal.value)


def test_a_folder_without_rows_is_refused(tmp_path: Path):
    with pytest.raises(RunFolderError, match=r"holds no user_days/\*.parquet"):
        UserDaySlices(tmp_path, LAYOUT)


def test_files_without_a_strong_form_have_zeros_for_it(written: Callable[..., Path], rows: pd.DataFrame):
    folder = written(rows.assign(strong_asked=1))
    layout = replace(LAYOUT, in_all=("asked", "strong_asked"))
    with_form = read(folder, layout)[0].totals
    for file in (folder / "user_days").glob("*.parquet"):
        pq.write_table(pq.read_table(file).drop_columns(["strong_asked"]), file)
    without = read(folder, layout)[0].totals
    assert (with_form[1] == 3).all()
    assert not without[1].any()
    np.testing.assert_array_equal(with_form[0], without[0])


def test_columns_of_names_without_codes_are_read(tmp_path: Path, rows: pd.DataFrame):
    (tmp_path / "user_days").mkdir()
    rows.astype({"user_id": np.int32}).to_parquet(tmp_path / "user_days" / "part-0.parquet")
    assert len(read(tmp_path)[0].user_id) == 800
