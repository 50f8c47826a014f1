import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from user_models.data.days import day_numbers
from user_models.data.folder import open_folder
from user_models.data.layout import KINDS, VARIANTS, official_names
from user_models.data.schema import FIRST_DATE, LAST_DATE, USERS, VIDEO_STATISTICS, VIDEOS, log_table
from user_models.errors import DataError

EARLY = "log_standard_4_08_to_4_21_pure.csv"
LATE = "log_standard_4_22_to_5_08_pure.csv"
N_PARTS = {
    "pure": {"standard": 2, "video_statistics": 1},
    "1k": {"standard": 2, "video_statistics": 1},
    "27k": {"standard": 4, "video_statistics": 3},
}


def test_tables_have_the_published_columns():
    assert [len(table.header) for table in (log_table(), USERS, VIDEOS, VIDEO_STATISTICS)] == [19, 31, 12, 52]
    for table in (log_table(), USERS, VIDEOS, VIDEO_STATISTICS):
        assert max(Counter(table.names).values()) == 1
        assert all(column.meaning for column in (*table.columns, *table.derived))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("inside", [False, True])
def test_every_layout_opens_from_the_folder_and_from_its_parent(make_folder, variant, inside):
    root = make_folder(variant, n_rows=5, random=True)
    folder = open_folder(root / "data" if inside else root)
    folder.check()
    assert folder.variant == variant
    assert {kind: folder.n_rows(kind) for kind in KINDS} == {kind: 5 * N_PARTS[variant].get(kind, 1) for kind in KINDS}
    assert len(folder.video_statistics()) == folder.n_rows("video_statistics")
    assert len(folder.standard(["user_id"])) == folder.n_rows()


def test_official_names_are_those_of_the_archive():
    names = [name for tables in official_names("27k").values() for name in tables]
    assert "log_standard_4_22_to_5_08_27k_part2.csv" in names
    assert "log_random_4_22_to_5_08_27k.csv" in names
    assert "video_features_statistic_27k_part3.csv" in names
    assert "video_features_basic_27k.csv" in names
    assert list(official_names("1k")["standard"]) == [
        "log_standard_4_08_to_4_21_1k.csv",
        "log_standard_4_22_to_5_08_1k.csv",
    ]


def test_frames_hold_the_rows_in_the_order_of_the_files(make_folder):
    log = open_folder(make_folder(n_rows=4)).standard()
    assert list(log.columns) == [*log_table().header, "day", "watch_s", "duration_s"]
    assert log["video_id"].tolist() == [0, 1, 2, 3] * 2
    assert log["date"].tolist() == [20220408, 20220409, 20220410, 20220408, 20220422, 20220423, 20220424, 20220422]
    assert log["day"].tolist() == [0, 1, 2, 0, 14, 15, 16, 14]
    assert log["watch_s"].tolist() == [0, 1.5, 3, 4.5] * 2
    assert log["duration_s"].tolist() == [0, 4, 8, 12] * 2
    assert log["is_click"].tolist() == [0, 1] * 4
    assert log["is_click"].dtype == np.int8
    assert log["hourmin"].tolist() == [0, 100, 200, 300] * 2


def test_quirks_survive(make_folder):
    root = make_folder(n_rows=3)
    file = root / "data" / LATE
    row = file.read_text().splitlines()[1]
    file.write_text(file.read_text() + (row + "\n") * 2)
    folder = open_folder(root)
    log = folder.standard()
    assert len(log) == 8
    assert log.duplicated().sum() == 2
    assert (log["duration_ms"] == 0).sum() == 4
    assert (log["play_time_ms"] > log["duration_ms"]).any() or (log["play_time_ms"] == 0).any()
    assert folder.users()["is_live_streamer"].tolist() == [-124] * 3
    assert folder.users()["onehot_feat4"].isna().all()
    tags = folder.videos()["tag"]
    assert tags.tolist()[:2] == ["39,2", "7"]
    assert tags.isna().tolist() == [False, False, True]
    assert folder.videos()["upload_dt"].tolist() == [pd.Timestamp("2022-04-10")] * 3
    assert folder.videos()["duration_s"].tolist() == [8.0] * 3


def test_columns_come_in_the_order_of_the_schema_and_no_others(make_folder):
    folder = open_folder(make_folder())
    assert list(folder.standard(["watch_s", "tab", "user_id"]).columns) == ["user_id", "tab", "watch_s"]
    assert list(folder.users(["register_days"]).columns) == ["register_days"]
    assert list(folder.videos(["duration_s"]).columns) == ["duration_s"]
    assert list(folder.video_statistics(["video_id", "counts"]).columns) == ["video_id", "counts"]


def test_reordered_columns_are_read_by_name(make_folder):
    root = make_folder()
    wanted = open_folder(root).standard()
    file = root / "data" / EARLY
    rows = pd.read_csv(file)
    rows[rows.columns[::-1]].to_csv(file, index=False)
    pd.testing.assert_frame_equal(open_folder(root).standard(), wanted)


def test_windows_line_ends_are_read(make_folder):
    root = make_folder()
    wanted = open_folder(root).videos()
    file = root / "data" / "video_features_basic_pure.csv"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    pd.testing.assert_frame_equal(open_folder(root).videos(), wanted)


def test_an_absent_random_log_is_none_and_a_present_one_is_read(make_folder):
    assert open_folder(make_folder()).random() is None
    assert open_folder(make_folder()).n_rows("random") == 0
    shown = open_folder(make_folder(n_rows=3, random=True)).random(["is_rand", "day"], first_date=20220423)
    assert shown is not None
    assert shown.values.tolist() == [[1, 15], [0, 16]]


@settings(max_examples=25)
@given(ends=st.tuples(*[st.sampled_from(day_numbers(FIRST_DATE, LAST_DATE).tolist())] * 2).map(sorted))
def test_dates_choose_the_rows_between_them(make_folder, ends):
    folder = open_folder(_shared(make_folder))
    log = folder.standard()
    chosen = log[(log["date"] >= ends[0]) & (log["date"] <= ends[1])].reset_index(drop=True)
    given_dates = folder.standard(None, *ends)
    pd.testing.assert_frame_equal(given_dates, chosen)
    assert folder.standard(["tab"], *ends)["tab"].tolist() == chosen["tab"].tolist()


def test_files_outside_the_dates_are_not_read(make_folder):
    root = make_folder()
    file = root / "data" / EARLY
    file.write_text(file.read_text().replace("20220409", "nonsense"))
    assert len(open_folder(root).standard(first_date=20220422)) == 10
    with pytest.raises(DataError):
        open_folder(root).standard(last_date=20220422)


@settings(max_examples=25)
@given(rows=st.integers(1, 60), kind=st.sampled_from(["standard", "random", "users", "video_statistics"]))
def test_batches_cut_the_frame_into_equal_parts(make_folder, rows, kind):
    folder = open_folder(_shared(make_folder))
    parts = list(folder.batches(kind, rows))
    whole = {
        "standard": folder.standard,
        "random": folder.random,
        "users": folder.users,
        "video_statistics": folder.video_statistics,
    }[kind]()
    assert {len(part) for part in parts[:-1]} <= {rows}
    assert 1 <= len(parts[-1]) <= rows
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


def test_batches_choose_columns_and_dates(make_folder):
    folder = open_folder(make_folder(n_rows=9))
    parts = list(folder.batches("standard", 4, ["day"], 20220409, 20220423))
    assert [part["day"].tolist() for part in parts] == [[1, 2, 1, 2], [1, 2, 14, 15], [14, 15, 14, 15]]


def test_files_without_rows_give_empty_frames_of_the_same_types(make_folder):
    full, empty = open_folder(make_folder()), open_folder(make_folder(n_rows=0))
    empty.check()
    assert empty.n_rows() == 0
    assert list(empty.batches("standard", 5)) == []
    pd.testing.assert_series_equal(empty.standard().dtypes, full.standard().dtypes)
    pd.testing.assert_series_equal(empty.videos().dtypes, full.videos().dtypes)
    assert full.standard(["tab", "day"], 20220507).shape == (0, 2)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda folder: folder.standard(["is_clik"]), "column 'is_clik' .*did you mean 'is_click'"),
        (lambda folder: folder.users(["zzz"]), "column 'zzz' is not in the users table; wanted some of user_id"),
        (lambda folder: folder.standard(first_date=20220431), "date 20220431 given; .* 20220408 to 20220508"),
        (lambda folder: folder.standard(last_date=5), "date 5 given"),
        (lambda folder: folder.standard(None, 20220502, 20220501), "20220502 is after last_date 20220501"),
        (lambda folder: list(folder.batches("users", 0)), "rows=0 given"),
        (lambda folder: list(folder.batches("users", 5, None, 20220501)), "dates given for the users table"),
    ],
)
def test_impossible_questions_are_refused_in_one_line(make_folder, ask, message):
    with pytest.raises(ValueError, match=message) as caught:
        ask(open_folder(_shared(make_folder)))
    assert "\n" not in str(caught.value)


_made = {}


def _shared(make_folder):
    """One folder with a random log for tests that only read."""
    if not _made:
        _made["root"] = make_folder("27k", n_rows=20, random=True)
    return _made["root"]


@pytest.mark.parametrize("name", ["~", "pure[1]", "a*b?"])
def test_a_folder_is_read_where_it_lies_whatever_its_name(make_folder, tilde, name):
    folder = Path(name)
    shutil.copytree(make_folder(n_rows=3), folder, dirs_exist_ok=True)
    assert open_folder(folder).standard(["video_id"])["video_id"].tolist() == [0, 1, 2] * 2
