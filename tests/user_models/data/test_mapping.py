"""Mapping files: anybody's columns in the units of the contract, and what is refused."""

import re

import numpy as np
import pandas as pd
import pytest

from user_models.data.log import open_log
from user_models.data.mapping import read_mapping, shipped
from user_models.errors import DataError

PLAIN = """
time_zone = "Europe/Berlin"
[log]
files = ["views.csv"]
where = { page = "feed" }
[log.columns]
user = "who"
item = "what"
time = { column = "at", unit = "text" }
watch_s = { column = "share", unit = "lengths" }
duration_s = { column = "long_min", unit = "min" }
like = { column = "act", yes = ["heart", "love"] }
surface = "page"
author = "by"
topic = "about"
[users]
files = ["people.csv"]
delimiter = ";"
columns = { user = "id" }
categories = ["plan"]
numbers = ["age"]
"""
VIEWS = """who,what,at,share,long_min,act,page,by,about
ann,v1,2024-03-30 23:30:00,0.5,2,heart,feed,x,food
bob,v2,2024-07-01 12:00:00,1.5,1,,feed,y,
ann,v2,2024-07-01 12:00:30,0,0,love,feed,y,cats
ann,v1,2024-07-01 12:01:00,1,2,no,search,x,food
"""


def write(folder, mapping=PLAIN, views=VIEWS):
    """A mapping and its files; the path of the mapping."""
    (folder / "views.csv").write_text(views)
    (folder / "people.csv").write_text("id;plan;age\nann;free;31\nbob;;\n")
    (folder / "my.toml").write_text(mapping)
    return folder / "my.toml"


def complaint(folder, mapping=PLAIN, views=VIEWS):
    """What is said of a mapping or its files."""
    with pytest.raises(DataError) as caught:
        open_log(write(folder, mapping, views)).check()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_mapping_gives_anybodys_columns_in_the_units_of_the_contract(tmp_path):
    log = open_log(write(tmp_path)).log()
    assert log["watch_s"].tolist() == [60, 90, 0]
    assert log["duration_s"].tolist() == [120, 60, 0]
    assert log["like"].tolist() == [1, 0, 1]
    assert log["day"].tolist() == [20240330, 20240701, 20240701]
    assert log["hour"].tolist() == [23, 12, 12]
    assert log["time_ms"].tolist()[1] == pd.Timestamp("2024-07-01 10:00:00").timestamp() * 1000
    assert log["user"].nunique() == 2
    assert log["is_random"].tolist() == [0, 0, 0]


def test_users_and_items_come_from_their_tables_or_from_the_log(tmp_path):
    data = open_log(write(tmp_path))
    users, items = data.users(), data.items()
    assert set(data.log()["user"]) == set(users["user"])
    assert users["plan"].isna().tolist() == [False, True]
    assert users["age"].tolist()[0] == 31
    assert sorted(items["duration_s"]) == [60, 120]
    assert sorted(items["topic"].dropna()) == ["cats", "food"]
    assert items["author"].nunique() == 2
    assert data.profile() == ("plan",)


def test_text_ids_have_the_same_number_in_every_file_and_whole_numbers_stay(tmp_path):
    views = VIEWS.replace("ann", "17")
    write(tmp_path, views=views)
    (tmp_path / "people.csv").write_text("id;plan;age\nbob;paid;20\n17;free;31\n")
    data = open_log(tmp_path / "my.toml")
    assert 17 in set(data.users()["user"])
    assert set(data.log()["user"]) == set(data.users()["user"])


def test_parquet_and_csv_give_the_same_frames(tmp_path):
    one = open_log(write(tmp_path)).log()
    frame = pd.read_csv(tmp_path / "views.csv").assign(at=lambda table: pd.to_datetime(table["at"]))
    frame.to_parquet(tmp_path / "views.parquet")
    (tmp_path / "my.toml").write_text(PLAIN.replace("views.csv", "views.parquet"))
    pd.testing.assert_frame_equal(open_log(tmp_path / "my.toml").log(), one)


def test_packed_files_and_times_with_an_offset_are_read(tmp_path):
    write(tmp_path, PLAIN.replace("views.csv", "*.csv.gz"))
    frame = pd.read_csv(tmp_path / "views.csv")
    frame.assign(at=frame["at"] + "+02:00").to_csv(tmp_path / "a.csv.gz", index=False)
    log = open_log(tmp_path / "my.toml").log()
    assert log["time_ms"].tolist()[1] == pd.Timestamp("2024-07-01 10:00:00").timestamp() * 1000
    assert log["hour"].tolist()[1] == 12


def test_rows_of_files_without_times_are_spread_over_their_days(tmp_path):
    mapping = PLAIN.replace('time = { column = "at", unit = "text" }', 'time = { unit = "files", days = 2 }')
    mapping = mapping.replace('time_zone = "Europe/Berlin"', "").replace('where = { page = "feed" }', "")
    log = open_log(write(tmp_path, mapping)).log()
    assert log["day"].tolist() == [20240101, 20240101, 20240102, 20240102]
    assert log["hour"].tolist() == [0, 12, 0, 12]


def test_a_base_gives_what_a_mapping_leaves_out(tmp_path):
    (tmp_path / "my.toml").write_text('base = "kuairand-pure"\nname = "mine"\n[log]\nfiles = ["a.csv"]\n')
    mapping = read_mapping(tmp_path / "my.toml")
    assert mapping.name == "mine"
    assert mapping.log.files == ("a.csv",)
    assert mapping.log.columns["watch_s"].unit == "ms"


@pytest.mark.parametrize("name", shipped())
def test_mappings_that_ship_are_sound_and_name_their_source(name):
    mapping = read_mapping(shipped()[name])
    assert mapping.name == name
    assert mapping.source.startswith("https://")
    assert mapping.attribution


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('unit = "min"', 'unit = "parsec"', "unit 'parsec' of duration_s given; want one of s, ms, min"),
        ('surface = "page"', 'surfce = "page"', "column 'surfce' is not in the contract; did you mean 'surface'"),
        ('user = "who"\n', "", r"required column user \(who watched\) is not mapped"),
        ('duration_s = { column = "long_min", unit = "min" }', "", "duration_s is mapped neither in"),
        ("Europe/Berlin", "Mars/Olympus", "time_zone 'Mars/Olympus' given, want a name such as"),
        ('like = { column = "act", yes = ["heart", "love"] }', 'like = { column = "act", unit = "s" }', "it has none"),
        ('categories = ["plan"]', 'categories = ["plan"]\nprofile = ["age"]', "profile column 'age' is not among"),
        ("[log]", 'base = "mine"\n[log]', "base 'mine' given, want one of kuairand-1k"),
        ("[log]", "[log", "is no TOML"),
        ("[log]", "speed = 3\n[log]", "speed: Extra inputs are not permitted"),
        ('files = ["views.csv"]', 'files = ["other.csv"]', "other.csv missing"),
        ('user = "who"', 'user = "whom"', "views.csv, line 1: column whom is missing"),
        ('numbers = ["age"]', 'numbers = ["age", "plan"]', "column plan is mapped both as a number and as text"),
        ('unit = "text"', 'unit = "s"', "line 2, column at: '2024-03-30 23:30:00' given, a number from 0 wanted"),
    ],
)
def test_a_wrong_mapping_is_refused_in_one_line(tmp_path, old, new, message):
    assert old in PLAIN
    assert re.search(message, complaint(tmp_path, PLAIN.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",0.5,", ",-0.5,", "line 2, column share: '-0.5' given, a number from 0 wanted"),
        ("2024-03-30 23", "30. March 23", "line 2, column at: .* given, a time such as 2022-04-10 21:30:00 wanted"),
        ("2024-03-30", "1024-03-30", "a time in the year 1024 given, one between 1990 and 2100 wanted"),
        ("who,what", "who,who", "column what is missing"),
        ("page,by", "page,at", "column at is there 2 times|column by is missing"),
        ("\nbob", "\n", "line 3, column who: '' given, an id wanted"),
    ],
)
def test_wrong_cells_are_refused_in_one_line(tmp_path, old, new, message):
    assert old in VIEWS
    assert re.search(message, complaint(tmp_path, views=VIEWS.replace(old, new, 1)))


def test_unix_times_of_a_wrong_unit_are_refused(tmp_path):
    views = VIEWS.replace("2024-03-30 23:30:00", "1711837800")
    views = re.sub(r"2024-07-01 12:0[01]:[03]0", "1719835200", views)
    mapping = PLAIN.replace('unit = "text"', 'unit = "ms"')
    assert "a time in the year 1970 given" in complaint(tmp_path, mapping, views)
    assert len(open_log(write(tmp_path, PLAIN.replace('unit = "text"', 'unit = "s"'), views)).log()) == 3


def rows(n=40):
    """Made-up views: user, item, moment (s), seconds watched, length."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 5, n), rng.integers(0, 6, n), 1_700_000_000 + 9_000 * np.arange(n), rng.uniform(0, 30, n)


def test_kuairec_is_read_without_actions(tmp_path):
    user, item, moment, watch = rows()
    big = {
        "user_id": user,
        "video_id": item,
        "play_duration": np.rint(1000 * watch).astype(int),
        "video_duration": 20_000,
    }
    stamps = pd.to_datetime(moment, unit="s").strftime("%Y-%m-%d %H:%M:%S")
    big |= {"time": stamps, "date": 20231115, "timestamp": moment + 0.438, "watch_ratio": watch / 20}
    pd.DataFrame(big).to_csv(tmp_path / "big_matrix.csv", index=False)
    pd.DataFrame({"video_id": range(6), "feat": ["[27, 9]"] * 6}).to_csv(tmp_path / "item_categories.csv", index=False)
    data = open_log(tmp_path)
    assert data.mapping.name == "kuairec"
    assert data.log()["watch_s"].to_numpy() == pytest.approx(watch, abs=1e-3)
    assert {"like", "hate", "click"} <= set(data.lacks)
    assert data.items()["topic"].tolist() == ["[27, 9]"] * 6
    assert data.items()["duration_s"].max() == 20


def test_kuaisars_recommendation_log_is_read(tmp_path):
    user, item, moment, watch = rows()
    log = {"user_id": user, "item_id": item, "playing_time": 1000 * watch, "duration_ms": 20_000.0}
    log |= {"time": "2023-05-22 15:53:20", "timestamp": 1000.0 * moment, "click": 1, "forward": 0, "like": user % 2}
    log |= {"follow": 0, "search": 0, "search_item_related": 0}
    pd.DataFrame(log).to_csv(tmp_path / "rec_inter.csv", index=False)
    data = open_log(tmp_path)
    assert data.mapping.name == "kuaisar"
    assert data.log()["like"].mean() == pytest.approx((user % 2).mean())
    assert data.log()["time_ms"].tolist() == (1000 * moment).tolist()
    assert {"comment", "hate", "profile_visit"} <= set(data.lacks)


def test_the_shortvideo_set_has_users_and_items_in_its_log(tmp_path):
    user, item, moment, watch = rows()
    log = {"user_id": user, "pid": item, "exposed_time": moment, "p_date": 20231115, "p_hour": 11, "watch_time": watch}
    log |= dict.fromkeys(("cvm_like", "comment", "follow", "collect", "forward", "effective_view", "hate"), False)
    log |= {"category_level": 3, "category_id": 1350, "parent_id": 288, "root_id": item % 2, "duration": 30.5}
    log |= {"author_id": item, "author_fans_count": 9, "tag_name": "x", "title": "a, b", "gender": "M", "age": 34}
    log |= {"mod_price": 1899, "fre_city": "Shanghai", "fre_community_type": "country", "fre_city_level": "first"}
    pd.DataFrame(log).assign(cvm_like=user == 1).to_csv(tmp_path / "interaction.csv", index=False)
    data = open_log(tmp_path)
    assert data.mapping.name == "shortvideo"
    assert data.log()["like"].mean() == pytest.approx((user == 1).mean())
    assert sorted(data.users()["user"]) == sorted(set(user))
    assert data.items().set_index("item")["topic"].astype(int).to_dict() == {at: at % 2 for at in set(item)}


def test_vk_lsvd_has_no_times_and_lengths_among_its_items(tmp_path):
    user, item, _, watch = rows()
    (tmp_path / "train").mkdir()
    (tmp_path / "metadata").mkdir()
    flags = ("like", "dislike", "share", "bookmark", "click_on_author", "open_comments")
    log = {"user_id": user.astype(np.uint32), "item_id": item.astype(np.uint32), "place": np.uint8(0)}
    log |= {"platform": np.uint8(0), "agent": np.uint8(0), "timespent": watch.astype(np.uint8)}
    log |= dict.fromkeys(flags, False)
    for week in (0, 1):
        frame = pd.DataFrame(log).assign(dislike=user == week)
        frame.to_parquet(tmp_path / "train" / f"week_0{week}.parquet")
    people = {"user_id": range(5), "age": 30, "gender": 1, "geo": 2, "train_interactions_rank": 1}
    pd.DataFrame(people).to_parquet(tmp_path / "metadata" / "users_metadata.parquet")
    clips = {"item_id": range(6), "author_id": 7, "duration": 33, "train_interactions_rank": 1}
    pd.DataFrame(clips).to_parquet(tmp_path / "metadata" / "items_metadata.parquet")
    data = open_log(tmp_path)
    assert data.mapping.name == "vk-lsvd"
    log_frame = data.log()
    assert log_frame["day"].nunique() == 14
    assert log_frame["hate"].sum() == (user == 0).sum() + (user == 1).sum()
    assert data.items()["duration_s"].tolist() == [33.0] * 6
    assert data.users()["gender"].tolist() == ["1"] * 5
