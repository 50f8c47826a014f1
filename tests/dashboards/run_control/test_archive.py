"""Runs as .zip files: what goes out comes in again, and nothing else does."""

import io
import stat
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.run_control import archive
from dashboards.run_control.archive import ArchiveError, pack, unpack


def zipped(files: dict[str, bytes | str], mode: int = 0, packing: int = zipfile.ZIP_STORED) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            made.writestr(entry, data, packing)
    return buffer


@pytest.fixture
def whole(report) -> dict[str, bytes | str]:
    return {"in/spec.toml": 'name = "in"\n', "in/report.json": report.to_json()}


def refused(upload: io.BytesIO, folder, match: str) -> None:
    before = sorted(path.name for path in folder.rglob("*"))
    with pytest.raises(ArchiveError, match=match) as refusal:
        unpack(upload, "in.zip", folder)
    assert "\n" not in str(refusal.value)
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_a_run_survives_the_journey(runs, tmp_path_factory):
    (runs / "demo" / "user_days").mkdir()
    (runs / "demo" / "user_days" / "a.parquet").write_bytes(b"123")
    (runs / "demo" / ".lock").touch()
    (runs / "demo" / ".report.json.1.part").touch()
    there = tmp_path_factory.mktemp("there")
    run = unpack(io.BytesIO(pack(runs / "demo")), "any.zip", there)
    assert run == there / "demo"
    held = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    kept = ("spec.toml", "report.json", "user_days/a.parquet")
    assert held == {name: (runs / "demo" / name).read_bytes() for name in kept}
    assert list(there.iterdir()) == [run]


def test_files_at_the_top_take_the_archives_name(whole, tmp_path):
    assert unpack(zipped({k[3:]: v for k, v in whole.items()}), "mine.zip", tmp_path) == tmp_path / "mine"


@pytest.mark.parametrize("name", ["../out", "in/../../out", "/out", "in\\out", "C:out", "in/a\nb"])
def test_paths_that_leave_the_folder_are_refused(whole, tmp_path, name):
    refused(zipped({**whole, name: "x"}), tmp_path, "leaves the run's folder")
    assert not (tmp_path.parent / "out").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(whole, tmp_path, kind):
    refused(zipped(whole, kind | 0o777), tmp_path, "is no plain file")


def test_too_many_files_are_refused(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_FILES", 1)
    refused(zipped(whole), tmp_path, "more than 1 files")


def test_too_large_files_are_refused_on_both_ways(runs, whole, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 100)
    refused(zipped(whole), tmp_path_factory.mktemp("there"), "holds more than")
    with pytest.raises(ArchiveError, match="want at most"):
        pack(runs / "demo")


def test_an_archive_that_understates_its_size_is_refused(whole, tmp_path):
    data = zipped({**whole, "in/big": b"\0" * 5000}).getvalue()
    size, small = (5000).to_bytes(4, "little"), (50).to_bytes(4, "little")
    refused(io.BytesIO(data.replace(size, small)), tmp_path, r"not a \.zip that can be read")


def test_a_name_that_is_there_is_refused(runs, tmp_path_factory):
    data = io.BytesIO(pack(runs / "demo"))
    refused(data, runs, "a run of that name is there already")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"in/report.json": None}, "holds no report.json"),
        ({"in/spec.toml": None}, "holds no spec.toml"),
        ({"in/report.json": "{}"}, "not a report of format"),
        ({"in/spec.toml": "="}, "not a TOML file"),
        ({"in/REPORT.json": "{}"}, "twice"),
    ],
)
def test_what_is_no_run_is_refused(whole, tmp_path, change, match):
    files = {name: data for name, data in {**whole, **change}.items() if data is not None}
    refused(zipped(files), tmp_path, match)


def test_what_is_no_archive_is_refused(tmp_path):
    refused(io.BytesIO(b"no zip"), tmp_path, r"not a \.zip")
    refused(zipped({}), tmp_path, "holds no spec.toml")


def test_an_entry_without_a_name_is_refused(tmp_path):
    data = zipped({"a": b"x"}).getvalue()
    end = data.index(b"PK\x01\x02")
    refused(io.BytesIO(data[:end] + data[end:].replace(b"a", b"\0", 1)), tmp_path, "in.zip")


@settings(max_examples=150)
@given(
    at_the_end=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_bytes_are_unpacked_or_refused(report, tmp_path_factory, at_the_end, changes):
    """Anywhere: in what is packed, and in the list at the end, which says where to look and how it is packed."""
    whole = {"in/spec.toml": 'name = "in"\n', "in/report.json": report.to_json()}
    bytes_ = bytearray(zipped(whole, packing=zipfile.ZIP_DEFLATED).getvalue())
    n_places = 250 if at_the_end else len(bytes_)
    for place, value in changes:
        bytes_[-1 - place % n_places] = value
    folder = tmp_path_factory.mktemp("runs")
    try:
        unpack(io.BytesIO(bytes(bytes_)), "in.zip", folder)
    except ArchiveError as error:
        assert "\n" not in str(error)  # noqa: PT017 (what was drawn may do no harm)
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("where", "value"), [(42, b"\xff\xff\xff\x7f"), (16, b"\xff\xff\xff\x7f"), (10, b"\x0e\x00")])
def test_a_list_of_files_that_is_wrong_is_refused(whole, tmp_path, where, value):
    """Where a file begins, where the list does, how a file is packed (with LZMA)."""
    data = bytearray(zipped(whole).getvalue())
    entry = data.index(b"PK\x01\x02") if where != 16 else data.index(b"PK\x05\x06")
    data[entry + where : entry + where + len(value)] = value
    refused(io.BytesIO(bytes(data)), tmp_path, r"in\.zip: (not a \.zip that can be read|cannot be unpacked)")


def test_a_hidden_name_is_refused(whole, tmp_path):
    refused(zipped({k.replace("in/", ".in/"): v for k, v in whole.items()}), tmp_path, "no name for a run")
