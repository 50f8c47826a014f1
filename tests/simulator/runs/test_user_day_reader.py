from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.errors import RunFolderError
from simulator.runs.user_day_reader import TOTALS, join_before, open_user_days
from simulator.user_days import STRONG_COUNTS


@pytest.fixture(scope="module")
def rows(sample_run: ModuleType) -> pd.DataFrame:
    return sample_run.sample_rows(sample_run.SamplePlan())


@pytest.fixture
def written(sample_run: ModuleType, tmp_path: Path):
    """Writes changed rows into a fresh run folder."""

    def write(rows: pd.DataFrame) -> Path:
        sample_run.write_rows(tmp_path, rows, 2)
        return tmp_path

    return write


def test_users_are_the_sums_of_their_days(run_folder: Path, rows: pd.DataFrame):
    with open_user_days(run_folder) as table:
        users = table.users("all:treatment", range(3))
    wanted = rows[rows["world"] == "all:treatment"].groupby("user_id").sum(numeric_only=True)
    np.testing.assert_array_equal(users["user_id"], wanted.index)
    np.testing.assert_array_equal(users["hates"], wanted["hates"])
    np.testing.assert_array_equal(users["active_days"], wanted["active"])
    np.testing.assert_allclose(users["watch_s"], wanted["watch_s"], atol=1e-8, rtol=0)
    assert (users["days"] == 3).all()


def test_days_select_rows(run_folder: Path, rows: pd.DataFrame):
    with open_user_days(run_folder) as table:
        day = table.users("all:base", range(1, 2))
    wanted = rows[(rows["world"] == "all:base") & (rows["day"] == 1)]
    np.testing.assert_array_equal(day["views"], wanted["views"])


def test_sums_do_not_depend_on_the_order_of_rows(sample_run: ModuleType, tmp_path: Path, rows: pd.DataFrame):
    frames = []
    for i, files in enumerate((1, 5)):
        folder = tmp_path / str(i)
        folder.mkdir()
        sample_run.write_rows(folder, rows.sample(frac=1, random_state=i), files)
        with open_user_days(folder) as table:
            frames.append(table.users("pre", range(-4, 0)))
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_totals_before_the_test_get_a_prefix(run_folder: Path):
    with open_user_days(run_folder) as table:
        users, before = table.users("all:base", range(3)), table.users("pre", range(-4, 0))
    joined = join_before(users, before, run_folder)
    np.testing.assert_array_equal(joined["pre_views"], before["views"])
    assert {f"pre_{name}" for name in TOTALS} <= set(joined.columns)


def test_other_users_before_the_test_are_refused(run_folder: Path):
    with open_user_days(run_folder) as table:
        users, before = table.users("all:base", range(3)), table.users("pre", range(-4, 0))
    with pytest.raises(RunFolderError, match="world pre has 799 users, the test has 800"):
        join_before(users, before.iloc[1:].reset_index(drop=True), run_folder)


def test_an_unfinished_day_is_refused(written, rows: pd.DataFrame):
    folder = written(rows[~((rows["user_id"] == 3) & (rows["day"] == 2))])
    with open_user_days(folder) as table, pytest.raises(RunFolderError, match=r"user 3 has 2 rows .* want 3"):
        table.users("all:base", range(3))


def test_a_file_given_twice_is_refused(written, rows: pd.DataFrame):
    folder = written(pd.concat([rows, rows[rows["world"] == "pre"]]))
    with open_user_days(folder) as table, pytest.raises(RunFolderError, match="has 8 rows in world pre"):
        table.users("pre", range(-4, 0))


def test_a_folder_without_rows_is_refused(tmp_path: Path):
    with pytest.raises(RunFolderError, match=r"holds no user_days/\*.parquet"), open_user_days(tmp_path):
        pass


def test_a_damaged_file_is_refused(tmp_path: Path):
    (tmp_path / "user_days").mkdir()
    (tmp_path / "user_days" / "part-0.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(RunFolderError, match="user_days: cannot be read") as refusal, open_user_days(tmp_path):
        pass
    assert "\n" not in str(refusal.value)


def test_a_missing_column_is_named(tmp_path: Path, rows: pd.DataFrame):
    (tmp_path / "user_days").mkdir()
    rows.drop(columns="hates").to_parquet(tmp_path / "user_days" / "part-0.parquet")
    with pytest.raises(RunFolderError, match="column hates is missing"), open_user_days(tmp_path):
        pass


def test_run_folders_without_a_strong_form_are_read_as_before(written, rows: pd.DataFrame):
    """Nobody was asked so: the totals are 0, all others as they were."""
    folder = written(rows)
    with open_user_days(folder) as table:
        wanted = table.users("all:base", range(3))
    for file in (folder / "user_days").glob("*.parquet"):
        pq.write_table(pq.read_table(file).drop_columns(list(STRONG_COUNTS)), file)
    with open_user_days(folder) as table:
        users = table.users("all:base", range(3))
    assert not users[list(STRONG_COUNTS)].any().any()
    pd.testing.assert_frame_equal(users, wanted)


def test_an_empty_cell_is_named(written, rows: pd.DataFrame):
    gap = rows["hates"].astype("Int32").where((rows["user_id"] != 5) | (rows["day"] != 1))
    folder = written(rows.assign(hates=gap))
    with pytest.raises(RunFolderError, match="column hates is empty for user 5 on day 1"), open_user_days(folder):
        pass


def test_seconds_that_are_no_number_are_refused(tmp_path: Path, rows: pd.DataFrame, sample_run: ModuleType):
    (tmp_path / "user_days").mkdir()
    rows.assign(watch_s=np.inf).to_parquet(tmp_path / "user_days" / "part-0.parquet")
    with open_user_days(tmp_path) as table, pytest.raises(RunFolderError, match=r"cannot be read.*inf"):
        table.users("pre", range(-4, 0))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)


@given(
    name=st.one_of(NAMES, st.text("run[]!?*1-^\\~", min_size=1, max_size=8)), decoy=st.sampled_from(("run1", "r", "["))
)
@example(name="run[1]", decoy="run1")
@example(name="run*", decoy="run1")
@example(name="?", decoy="r")
@example(name="back\\slash", decoy="back")
@example(name="world=other", decoy="r")
@settings(max_examples=60)
def test_a_path_is_never_a_pattern(name: str, decoy: str):
    with TemporaryDirectory() as root:
        for folder, user_id in ((decoy, 1), (name, 2)):
            inner = Path(root) / folder / "run" / "user_days"
            inner.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({"user_id": [user_id], "day": [0], "world": ["mixed"]}), inner / "a.parquet")
        try:
            with open_user_days(Path(root) / name / "run", ("user_id", "day", "world")) as table:
                assert table.rows.fetchall() == [(2, 0, "mixed")]
        except RunFolderError:
            assert "\\" in name  # beside a pattern's letter duckdb takes it for a slash, and the folder is refused
            assert set("[?*") & set(name)


def test_a_folder_named_as_the_home_folder_is_read_where_it_lies(
    tilde: Path, rows: pd.DataFrame, sample_run: ModuleType
):
    sample_run.write_rows(tilde.absolute(), rows, 2)
    with open_user_days(tilde) as table:
        assert len(table.users("pre", range(-4, 0))) == 800
