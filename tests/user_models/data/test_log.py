"""KuaiRand's folders read through their mappings."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from user_models.data.kuairand import VARIANTS, official_names
from user_models.data.log import open_log

EARLY = "log_standard_4_08_to_4_21_pure.csv"
LATE = "log_standard_4_22_to_5_08_pure.csv"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("inside", [False, True])
def test_every_layout_opens_from_the_folder_and_from_its_parent(make_folder, variant, inside):
    root = make_folder(variant, n_rows=5, random=True)
    data = open_log(root / "data" if inside else root)
    data.check()
    assert data.mapping.name == f"kuairand-{variant}"
    assert data.n_rows() == 5 * len(official_names(variant)["standard"])
    assert len(data.log()) == data.n_rows() + 5
    assert len(data.counts()) == 5 * len(official_names(variant)["video_statistics"])


def test_official_names_are_those_of_the_archive():
    names = [name for tables in official_names("27k").values() for name in tables]
    assert "log_standard_4_22_to_5_08_27k_part2.csv" in names
    assert "log_random_4_22_to_5_08_27k.csv" in names
    assert "video_features_statistic_27k_part3.csv" in names
    assert [len(next(iter(tables.values())).header) for tables in official_names("1k").values()] == [19, 19, 31, 12, 52]


def test_frames_hold_the_rows_in_the_order_and_units_of_the_contract(make_folder):
    log = open_log(make_folder(n_rows=4)).log()
    assert log["item"].tolist() == [0, 1, 2, 3] * 2
    assert log["day"].tolist() == [20220408, 20220409, 20220410, 20220408, 20220422, 20220423, 20220424, 20220422]
    assert log["watch_s"].tolist() == [0, 1.5, 3, 4.5] * 2
    assert log["duration_s"].tolist() == [0, 4, 8, 12] * 2
    assert log["click"].tolist() == [0, 1] * 4
    assert log["hour"].tolist() == [0, 1, 2, 3] * 2
    assert log["surface"].tolist() == ["0", "1"] * 4
    assert list(open_log(make_folder()).log(["surface", "user"]).columns) == ["user", "surface"]


def test_quirks_survive(make_folder):
    root = make_folder(n_rows=3)
    file = root / "data" / LATE
    row = file.read_text().splitlines()[1]
    file.write_text(file.read_text() + (row + "\n") * 2)
    data = open_log(root)
    log, users, items = data.log(), data.users(), data.items()
    assert len(log) == 8
    assert log.duplicated().sum() == 2
    assert (log["duration_s"] == 0).sum() == 4
    assert users["is_live_streamer"].tolist() == ["-124"] * 3
    assert users["onehot_feat4"].isna().all()
    assert items["topic"].tolist()[:2] == ["39,2", "7"]
    assert items["topic"].isna().tolist() == [False, False, True]
    assert items["duration_s"].tolist() == [8.0] * 3


def test_random_exposures_are_flagged_and_may_be_absent(make_folder):
    assert open_log(make_folder(n_rows=3)).log()["is_random"].tolist() == [0, 1, 0, 0, 1, 0]
    data = open_log(make_folder(n_rows=3, random=True))
    assert data.log()["is_random"].tolist() == [0, 1, 0, 0, 1, 0, 1, 1, 1]


def test_reordered_columns_and_windows_line_ends_are_read(make_folder):
    root = make_folder()
    log, items = open_log(root).log(), open_log(root).items()
    file = root / "data" / EARLY
    rows = pd.read_csv(file)
    rows[rows.columns[::-1]].to_csv(file, index=False)
    videos = root / "data" / "video_features_basic_pure.csv"
    videos.write_bytes(b"\xef\xbb\xbf" + videos.read_bytes().replace(b"\n", b"\r\n"))
    pd.testing.assert_frame_equal(open_log(root).log(), log)
    pd.testing.assert_frame_equal(open_log(root).items(), items)


def test_files_without_rows_give_empty_frames(make_folder):
    data = open_log(make_folder(n_rows=0))
    data.check()
    assert data.n_rows() == len(data.log()) == len(data.users()) == len(data.items()) == 0


@pytest.mark.parametrize("name", ["~", "pure[1]", "a*b?"])
def test_a_folder_is_read_where_it_lies_whatever_its_name(make_folder, tilde, name):
    folder = Path(name)
    shutil.copytree(make_folder(n_rows=3), folder, dirs_exist_ok=True)
    assert open_log(folder).log(["item"])["item"].tolist() == [0, 1, 2] * 2


@pytest.mark.real
def test_the_real_sample_is_read_with_its_quirks(kuairand):
    data = open_log(kuairand / "kuairand-pure-sample")
    data.check()
    log, users, items, counts = data.log(), data.users(), data.items(), data.counts()
    assert data.n_rows() == len(log) == 172_671
    assert log.duplicated().sum() == 4_400
    assert (log["duration_s"] == 0).mean() == pytest.approx(0.0154, abs=1e-4)
    assert (log["watch_s"] > 2 * log["duration_s"]).sum() > 1_000
    assert set(log["surface"]) == {str(tab) for tab in range(15)}
    assert (len(users), len(items), len(counts)) == (27_285, 7_583, 7_583)
    assert (users["is_live_streamer"] == "-124").sum() == 21_127
    assert users["onehot_feat4"].isna().sum() == 874
    assert items["topic"].isna().sum() == 96
    assert items["duration_s"].isna().sum() == 239
    assert counts["dislikes"].mean() == pytest.approx(6.1, abs=0.1)
    assert np.isfinite(log["watch_s"]).all()
