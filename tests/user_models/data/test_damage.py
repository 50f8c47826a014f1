"""Damaged files are refused in one line that names the place."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from user_models.data import reading
from user_models.data.cells import Cell
from user_models.data.log import open_log
from user_models.data.reading import read_file
from user_models.errors import DataError

LOG = "log_standard_4_22_to_5_08_pure.csv"
USERS = "user_features_pure.csv"
VIDEOS = "video_features_basic_pure.csv"
STATISTICS = "video_features_statistic_pure.csv"


def complaint(root):
    """The message with which a folder is refused, at once or when it is read; nothing if it is read."""
    try:
        open_log(root).check()
    except DataError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said
    return said


def set_cell(root, name, line, column, value):
    """Overwrite one cell of an unquoted line."""
    file = root / "data" / name
    lines = file.read_text().splitlines()
    cells = lines[line - 1].split(",")
    cells[lines[0].split(",").index(column)] = value
    lines[line - 1] = ",".join(cells)
    file.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("name", "column", "value", "wanted"),
    [
        (LOG, "is_click", "2", "0 or 1 wanted"),
        (LOG, "is_like", "", "0 or 1 wanted"),
        (LOG, "is_hate", "-124", "0 or 1 wanted"),
        (LOG, "user_id", "", "an id wanted"),
        (LOG, "play_time_ms", "-1", "a number from 0 wanted"),
        (LOG, "play_time_ms", "abc", "a number from 0 wanted"),
        (LOG, "hourmin", "2500", "a number from 0 to 2359 wanted"),
        (STATISTICS, "show_cnt", "-0.5", "a number from 0, or nothing wanted"),
        (STATISTICS, "like_cnt", "inf", "a number from 0, or nothing wanted"),
    ],
)
def test_a_bad_value_is_named_by_file_line_and_column(make_folder, name, column, value, wanted):
    root = make_folder()
    set_cell(root, name, 7, column, value)
    assert f"{root}/data/{name}, line 7, column {column}: {value!r} given, {wanted}" in complaint(root)


def test_a_day_that_is_none_is_named(make_folder):
    root = make_folder()
    set_cell(root, LOG, 7, "date", "20220431")
    assert f"{LOG}, column date: 20220431 given, a day such as 20220410 wanted" in complaint(root)


def test_the_first_of_several_faults_is_named_wherever_it_is_in_the_file(make_folder, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1 << 15)
    root = make_folder()
    header, *rows = (root / "data" / LOG).read_text().splitlines(keepends=True)
    (root / "data" / LOG).write_text(header + "".join(rows) * 2_000)
    set_cell(root, LOG, 19_000, "is_like", "99")
    set_cell(root, LOG, 19_500, "play_time_ms", "x")
    assert ", line 19000, column is_like: '99' given" in complaint(root)


def test_only_what_is_read_is_checked(make_folder):
    root = make_folder()
    set_cell(root, LOG, 3, "is_click", "5")
    data = open_log(root)
    assert len(data.log(["user", "surface"])) == 20
    with pytest.raises(DataError, match=r"line 3, column is_click"):
        data.log(["click"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: b"", "the file is empty"),
        (lambda text: text[:-40], "line 11"),
        (lambda text: text + b"\n", "line 12: 0 cells given, 19 wanted"),
        (lambda text: text + b"0,1\n", "line 12: 2 cells given, 19 wanted"),
        (lambda text: text.replace(b"\n", b",0\n").replace(b"tab,0", b"tab"), "line 2: 20 cells given, 19"),
        (lambda text: text.replace(b"video_id", b"movie_id"), r"line 1: column video_id is missing .*movie_id"),
        (
            lambda text: text.replace(b"\n", b",0\n").replace(b"tab,0", b"tab,user_id"),
            "line 1: column user_id is there 2 times, once wanted",
        ),
        (lambda text: text.split(b"\n", 1)[1], "line 1: column user_id, video_id, time_ms, date, hourmin is missing"),
        (lambda text: text.decode().encode("utf-16"), "line 1: not UTF-8 text"),
        (lambda text: b'"' + text, r"line 1: .* given, names of columns wanted"),
        (lambda text: b"\x1f\x8b\x08\x00" + bytes(range(256)) * 40 + b"\n", "line 1: not UTF-8 text"),
        (lambda text: text.replace(b"\n0,1,", b"\n0,\xff\x00,", 1), r"line 3: .* given, UTF-8 text wanted"),
        (lambda text: text + b"\x00" * 2_000_000 + b"\n", "line 12"),
    ],
)
def test_a_damaged_log_is_refused_in_one_line(make_folder, damage, message):
    root = make_folder()
    file = root / "data" / LOG
    file.write_bytes(damage(file.read_bytes()))
    assert re.search(f"{LOG}(, |: ){message}", complaint(root))


@pytest.mark.parametrize(("name", "key"), [(USERS, "user_id"), (VIDEOS, "video_id"), (STATISTICS, "video_id")])
def test_who_is_told_twice_is_named_with_both_lines(make_folder, name, key):
    root = make_folder()
    set_cell(root, name, 8, key, "2")
    message = f"{name}, line 8, column {key}: 2 given, which line 4 has already; remove one of the two"
    assert message in complaint(root)


def test_a_video_told_in_two_parts_is_named_with_both_files(make_folder):
    root = make_folder("27k")
    set_cell(root, "video_features_statistic_27k_part3.csv", 5, "video_id", "11")
    there = "part3.csv, line 5, column video_id: 11 given, which line 3 of video_features_statistic_27k_part2.csv has"
    assert there in complaint(root)


def test_missing_files_are_all_named_at_once(make_folder):
    root = make_folder("27k")
    gone = ("log_standard_4_08_to_4_21_27k_part2.csv", "user_features_27k.csv")
    for name in gone:
        (root / "data" / name).unlink()
    assert f"{', '.join(gone)} missing; give the complete folder of kuairand-27k" in complaint(root)


def test_other_folders_are_refused(make_folder, tmp_path):
    assert "No such file" in complaint(tmp_path / "nowhere")
    assert "no mapping fits what is in this folder (there are mappings for kuairand-1k" in complaint(tmp_path)
    root = make_folder()
    shutil.copytree(make_folder("1k") / "data", root / "data", dirs_exist_ok=True)
    assert "keep one of them" in complaint(root)
    assert "is no TOML" in complaint(root / "data" / LOG)


@pytest.mark.parametrize("asked", ["the header", "the rows", "their number"])
def test_a_file_that_may_not_be_read_is_refused(make_folder, monkeypatch, asked):
    """Root may read everything, so the refusal of the operating system is made up."""
    root = make_folder()
    data = open_log(root)

    def refused(path, *words, **more):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(reading, "_bytes", refused)
    monkeypatch.setattr(reading.arrow_csv, "open_csv", refused)
    ask = {"the header": lambda: open_log(root), "the rows": data.users, "their number": data.n_rows}[asked]
    with pytest.raises(DataError, match=r"\.csv: cannot be read \(Permission denied\); make it readable"):
        ask()


def test_a_folder_that_may_not_be_read_is_refused(make_folder, monkeypatch):
    root = make_folder()

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refused)
    assert f"{root}: cannot be read (Permission denied); give a folder that you may read" in complaint(root)


@settings(max_examples=150)
@given(data=st.data())
def test_random_damage_is_read_or_refused_in_one_line(make_folder, data):
    root = _shared(make_folder)
    file = data.draw(st.sampled_from(sorted((root / "data").iterdir())))
    kept = file.read_bytes()
    at = data.draw(st.integers(0, len(kept) - 1))
    cut = data.draw(st.integers(0, 40))
    junk = data.draw(st.binary(max_size=12))
    file.write_bytes(kept[:at] + junk + kept[at + cut :])
    said = complaint(root)
    file.write_bytes(kept)
    assert not said or file.name in said


CELLS = (
    Cell("x", "flag"),
    Cell("x", "number"),
    Cell("x", "number", may_be_empty=True, high=10.0),
    Cell("x", "number", low=-float("inf")),
    Cell("x", "text", may_be_empty=True),
    Cell("x", "id"),
    Cell("x", "time"),
)
TEXTS = ["0", "1", "-124", "7", "1.0", "11", "", "true", "3,4", "2022-04-30", "2022-04-31", "2022-04-30 10:00:01.5"]
TEXTS += ["nan", "-1", "1e0", "9" * 19, "9" * 25, "abc", "-0.0", "NULL", "é", "1_000", "2022-04-30T10:00:00+08:00"]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.kind} {cell.wanted}")
@pytest.mark.parametrize("text", TEXTS)
def test_batches_and_cells_are_judged_alike(cell, text, tmp_path):
    path = tmp_path / "one.csv"
    path.write_text(f'x,y\n"{text}",1\n', encoding="utf-8")
    if cell.reads(text):
        assert sum(batch.num_rows for batch in read_file(path, [cell])) == 1
    else:
        with pytest.raises(DataError, match="line 2, column x"):
            list(read_file(path, [cell]))


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([0.0, -1.0], "number", "row 2, column x: -1.0 given, a number from 0 wanted"),
        ([0, 2], "flag", "column x: int64 given, 0 or 1 wanted"),
        (["a", "b"], "number", "column x: string given, a number from 0 wanted"),
        (["2022-04-30", "May"], "time", "row 2, column x: 'May' given, a time such as"),
        (["a", None], "id", "row 2, column x: None given, an id wanted"),
    ],
)
def test_a_bad_value_of_a_parquet_file_is_named_by_its_row(tmp_path, values, kind, message):
    path = tmp_path / "one.parquet"
    pq.write_table(pa.table({"x": values}), path)
    with pytest.raises(DataError, match=re.escape(message)):
        list(read_file(path, [Cell("x", kind)]))


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    path = tmp_path / "one.parquet"
    pd.DataFrame({"x": [1]}).to_csv(path)
    with pytest.raises(DataError, match="is no Parquet file"):
        list(read_file(path, [Cell("x", "number")]))


_made = {}


def _shared(make_folder):
    """One folder that the examples damage and mend in turn."""
    if not _made:
        _made["root"] = make_folder(n_rows=6)
    return _made["root"]
