import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from user_models.data import reading
from user_models.data.columns import Level, Real, Text, Whole
from user_models.data.days import DateColumn, DayNumber
from user_models.data.folder import open_folder
from user_models.data.layout import DataFile
from user_models.data.reading import read
from user_models.data.schema import TableSchema
from user_models.errors import DataError

LOG = "log_standard_4_22_to_5_08_pure.csv"
USERS = "user_features_pure.csv"
VIDEOS = "video_features_basic_pure.csv"
STATISTICS = "video_features_statistic_pure.csv"


def refusal(root):
    """The message with which a folder is refused, at once or when it is read."""
    with pytest.raises(DataError) as caught:
        open_folder(root).check()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def complaint(root):
    """As `refusal`, or nothing if the folder is read."""
    try:
        open_folder(root).check()
    except DataError as error:
        return str(error)
    return ""


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
        (LOG, "user_id", "abc", "a whole number from 0 wanted"),
        (LOG, "user_id", "-1", "a whole number from 0 wanted"),
        (LOG, "time_ms", "1.5", "a whole number from 0 wanted"),
        (LOG, "play_time_ms", "99999999999999999999", "a whole number from 0 wanted"),
        (LOG, "hourmin", "2500", "a whole number from 0 to 2359 wanted"),
        (LOG, "tab", "15", "a whole number from 0 to 14 wanted"),
        (LOG, "date", "20220431", "a day from 20220422 to 20220508 wanted"),
        (LOG, "date", "20220421", "a day from 20220422 to 20220508 wanted"),
        (LOG, "date", "2022-04-25", "a day from 20220422 to 20220508 wanted"),
        (STATISTICS, "show_cnt", "-0.5", "a number from 0, or nothing wanted"),
        (STATISTICS, "show_cnt", "nan", "a number from 0, or nothing wanted"),
        (STATISTICS, "like_cnt", "inf", "a number from 0, or nothing wanted"),
        (STATISTICS, "counts", "", "a whole number from 0 wanted"),
    ],
)
def test_a_bad_value_is_named_by_file_line_and_column(make_folder, name, column, value, wanted):
    root = make_folder()
    set_cell(root, name, 7, column, value)
    assert f"{root}/data/{name}, line 7, column {column}: {value!r} given, {wanted}" in refusal(root)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            USERS,
            "full_active",
            "very_active",
            "line 2, column user_active_degree: 'very_active' given, one of full_act",
        ),
        (USERS, "-124", "-125", "line 2, column is_live_streamer: '-125' given, 0 or 1, or -124 for not known"),
        (VIDEOS, "2022-04-10", "2022-04-31", "line 2, column upload_dt: '2022-04-31' given, a day such as"),
        (VIDEOS, '"39,2"', '"39;2"', "line 2, column tag: '39;2' given, whole numbers joined by commas"),
        (VIDEOS, '"39,2"', '"39,2', "line 2: .* given, quotes that close wanted"),
        (VIDEOS, "NORMAL", "NOR MAL", "line 2, column video_type: 'NOR MAL' given"),
    ],
)
def test_a_bad_feature_is_named_by_line_and_column(make_folder, name, old, new, message):
    root = make_folder()
    file = root / "data" / name
    file.write_text(file.read_text().replace(old, new, 1))
    assert re.search(f"{name}, {message}", refusal(root))


def test_the_first_of_several_faults_is_named_wherever_it_is_in_the_file(make_folder, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1 << 15)
    root = make_folder()
    header, *rows = (root / "data" / LOG).read_text().splitlines(keepends=True)
    (root / "data" / LOG).write_text(header + "".join(rows) * 2_000)
    set_cell(root, LOG, 19_000, "tab", "99")
    set_cell(root, LOG, 19_500, "user_id", "x")
    assert ", line 19000, column tab: '99' given" in refusal(root)


def test_only_what_is_read_is_checked(make_folder):
    root = make_folder()
    set_cell(root, LOG, 3, "is_click", "5")
    folder = open_folder(root)
    assert len(folder.standard(["user_id", "tab"])) == 20
    with pytest.raises(DataError, match=r"line 3, column is_click"):
        folder.standard(["is_click"])
    with pytest.raises(DataError, match=r"line 3, column is_click"):
        list(folder.batches("standard", 5))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: b"", "the file is empty"),
        (lambda text: text[:-1], "line 11: the last line is cut, it has no line break"),
        (lambda text: text[:-20], "line 11: the last line is cut, it has no line break"),
        (lambda text: text + b"\n", "line 12, column user_id: 0 cells given, 19 wanted"),
        (lambda text: text + b"0,1\n", "line 12, column date: 2 cells given, 19 wanted"),
        (lambda text: text.replace(b"\n0,", b"\n0,0,", 1), "line 2, column date: "),
        (lambda text: text.replace(b"\n", b",0\n").replace(b"tab,0", b"tab"), "line 2, column tab: 20 cells given, 19"),
        (lambda text: text.replace(b"video_id", b"movie_id"), r"line 1: column video_id is missing .*movie_id"),
        (lambda text: text.replace(b"tab\n", b"tab,extra\n"), "line 1: column 'extra' is not wanted"),
        (lambda text: text.replace(b"video_id,", b"user_id,video_id,", 1), "line 1: column 'user_id' is not wanted"),
        (lambda text: text.split(b"\n", 1)[1], "line 1: column user_id, video_id, date, hourmin, time_ms is missing"),
        (lambda text: text.decode().encode("utf-16"), "line 1: not UTF-8 text"),
        (lambda text: b"\xef\xbb\xbf" * 2 + text, r"line 1: column user_id is missing \('\\ufeffuser_id' given\)"),
        (lambda text: b'"' + text, r"line 1: .* given, names of columns wanted; mend the line"),
        (lambda text: b"\x1f\x8b\x08\x00" + bytes(range(256)) * 40 + b"\n", "line 1: not UTF-8 text"),
        (lambda text: text.replace(b"\n0,1,", b"\n0,\xff\x00,", 1), r"line 3: .* given, UTF-8 text wanted"),
        (lambda text: text.replace(b"\n0,1,", b"\n0,\x00,", 1), r"line 3, column video_id: '\\x00' given"),
        (lambda text: text + b"\x00" * 2_000_000 + b"\n", "line 12, column user_id: .* given"),
    ],
)
def test_a_damaged_log_is_refused_in_one_line(make_folder, damage, message):
    root = make_folder()
    file = root / "data" / LOG
    file.write_bytes(damage(file.read_bytes()))
    assert re.search(f"{LOG}(, |: ){message}", refusal(root))


QUOTED = b'"user_id","video_id"'


@pytest.mark.parametrize(
    "marked",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"user_id,video_id", QUOTED, 1),
        lambda text: b"\xef\xbb\xbf" + text.replace(b"user_id,video_id", QUOTED, 1),
        lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
    ],
    ids=["mark", "quotes", "both", "mark and Windows line ends"],
)
def test_a_byte_order_mark_and_quoted_names_mean_nothing(make_folder, marked):
    root = make_folder()
    plain = open_folder(root).standard()
    file = root / "data" / LOG
    file.write_bytes(marked(file.read_bytes()))
    folder = open_folder(root)
    folder.check()
    pd.testing.assert_frame_equal(folder.standard(), plain)
    set_cell(root, LOG, 4, "tab", "15")
    assert ", line 4, column tab: '15' given" in refusal(root)


@pytest.mark.parametrize(
    ("name", "key", "read"),
    [
        (USERS, "user_id", lambda folder: folder.users(["user_id"])),
        (VIDEOS, "video_id", lambda folder: list(folder.batches("videos", 3))),
        (STATISTICS, "video_id", lambda folder: folder.video_statistics()),
    ],
)
def test_who_is_told_twice_is_named_with_both_lines(make_folder, name, key, read):
    root = make_folder()
    set_cell(root, name, 8, key, "2")
    message = f"{name}, line 8, column {key}: 2 given, which line 4 has already; remove one of the two lines"
    assert message in refusal(root)
    with pytest.raises(DataError, match=message):
        read(open_folder(root))


def test_a_video_told_in_two_parts_is_named_with_both_files(make_folder):
    root = make_folder("27k")
    set_cell(root, "video_features_statistic_27k_part3.csv", 5, "video_id", "11")
    there = "part3.csv, line 5, column video_id: 11 given, which line 3 of video_features_statistic_27k_part2.csv has"
    assert there in refusal(root)


@given(ids=st.lists(st.integers(0, 8), min_size=1, max_size=8))
def test_the_first_repeat_is_found_wherever_it_is(make_folder, tmp_path_factory, ids):
    root = _copy(make_folder, tmp_path_factory)
    file = root / "data" / USERS
    whole = file.read_text()
    header, row = whole.splitlines()[:2]
    file.write_text("\n".join([header, *(row.replace("0", str(one), 1) for one in ids)]) + "\n")
    message = complaint(root)
    file.write_text(whole)
    repeats = [at for at, one in enumerate(ids) if one in ids[:at]]
    if not repeats:
        assert not message
    else:
        at = repeats[0]
        assert f"line {at + 2}, column user_id: {ids[at]} given, which line {ids.index(ids[at]) + 2} has" in message


def test_repeats_in_columns_that_are_not_asked_for_are_not_looked_for(make_folder):
    root = make_folder()
    set_cell(root, USERS, 3, "user_id", "0")
    assert len(open_folder(root).users(["register_days"])) == 10


def test_missing_files_are_all_named_at_once(make_folder):
    root = make_folder("27k")
    gone = ("log_standard_4_08_to_4_21_27k_part2.csv", "user_features_27k.csv")
    for name in gone:
        (root / "data" / name).unlink()
    assert f"{', '.join(gone)} missing; unpack the KuaiRand-27k archive again" in refusal(root)


def test_other_folders_are_refused(make_folder, tmp_path):
    assert "no such folder" in refusal(tmp_path / "nowhere")
    assert "no KuaiRand file here or in data/" in refusal(tmp_path)
    root = make_folder()
    shutil.copytree(make_folder("1k") / "data", root / "data", dirs_exist_ok=True)
    assert "keep one variant" in refusal(root)
    assert "no such folder" in refusal(root / "data" / LOG)


def test_a_file_that_cannot_be_read_is_refused(make_folder):
    root = make_folder()
    folder = open_folder(root)
    (root / "data" / LOG).unlink()
    with pytest.raises(DataError, match=rf"{LOG}: cannot be read \(No such file"):
        folder.standard()


@pytest.mark.parametrize("n_rows", ["the header", "the rows", "their number"])
def test_a_file_that_may_not_be_read_is_refused(make_folder, monkeypatch, n_rows):
    """Root may read everything, so the refusal of the operating system is made up."""
    root = make_folder()
    folder = open_folder(root)

    def refused(path, *words, **more):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(reading.arrow_csv, "open_csv", refused)
    asked = {"the header": lambda: open_folder(root), "the rows": folder.users, "their number": folder.n_rows}
    with pytest.raises(DataError, match=r"\.csv: cannot be read \(Permission denied\); make it readable"):
        asked[n_rows]()


def test_a_folder_that_may_not_be_read_is_refused(make_folder, monkeypatch):
    root = make_folder()

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refused)
    assert f"{root}: cannot be read (Permission denied); give a folder that you may read" in refusal(root)


def test_a_name_too_long_for_a_folder_is_refused():
    assert "cannot be read (File name too long)" in refusal("x" * 300)


@settings(max_examples=150)
@given(data=st.data())
def test_random_damage_is_read_or_refused_in_one_line(make_folder, data, tmp_path_factory):
    root = _copy(make_folder, tmp_path_factory)
    file = data.draw(st.sampled_from(sorted((root / "data").iterdir())))
    kept = file.read_bytes()
    at = data.draw(st.integers(0, len(kept) - 1))
    cut = data.draw(st.integers(0, 40))
    junk = data.draw(st.binary(max_size=12))
    file.write_bytes(kept[:at] + junk + kept[at + cut :])
    said = complaint(root)
    file.write_bytes(kept)
    assert "\n" not in said
    assert not said or file.name in said


COLUMNS = (
    Whole("x", "a flag", high=1, code=-124),
    Whole("x", "a count"),
    Real("x", "a mean", high=10.0),
    Level("x", "a label", ("0", "(0,10]")),
    Text("x", "a list", r"-?[0-9]+(,-?[0-9]+)*", "a list"),
    DateColumn("x", "a day"),
    DayNumber("x", "a day", 20220429, 20220502),
)
CELLS = ["0", "1", "-124", "7", "1.0", "11", "", "(0,10]", "3,4", "2022-04-30", "2022-04-31", "20220430", "20220431"]
CELLS += ["nan", "-1", "1e0", "9" * 19, "9" * 25, "abc", "20220503", "-0.0", "NULL", "é"]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: f"{type(column).__name__} {column.meaning}")
@pytest.mark.parametrize("text", CELLS)
def test_batches_and_cells_are_judged_alike(column, text, tmp_path):
    table = TableSchema((column, Whole("y", "beside it")))
    path = tmp_path / "one.csv"
    path.write_text(f'x,y\n"{text}",1\n', encoding="utf-8")
    if column.reads(text):
        assert sum(batch.num_rows for batch in read(DataFile(path, table), ("x", "y"))) == 1
    else:
        with pytest.raises(DataError, match="line 2, column x"):
            list(read(DataFile(path, table), ("x", "y")))


_made = {}


def _copy(make_folder, tmp_path_factory):
    """One folder that the examples damage and mend in turn."""
    if not _made:
        _made["root"] = make_folder(n_rows=6)
    return _made["root"]
