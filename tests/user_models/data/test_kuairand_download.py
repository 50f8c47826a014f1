"""The archive comes from a server on the loopback address that can cut a connection, forget ranges and refuse."""

import errno
import gzip
import hashlib
import io
import shutil
import tarfile
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from user_models.data.archive import unpack
from user_models.data.download import ARCHIVES, ZENODO, download
from user_models.data.log import open_log
from user_models.errors import DataError, DownloadError

NAME = "KuaiRand-Pure.tar.gz"


class Server(HTTPServer):
    """Serves one body under every path.

    Attributes:
        body: What it serves.
        asked: The `Range` of each request, in order.
        cuts: Bytes after which the next connections break off; none for those that follow.
        ranges: Whether it honours `Range`.
        status: Answer to every request, if not 200.
    """

    def __init__(self, body):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.asked, self.cuts, self.ranges, self.status = body, [], [], True, 200

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Broken connections are the point."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        if server.status != 200:
            self.send_error(server.status)
        elif start >= len(server.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.body)}")
            self.end_headers()
        else:
            self.answer(server, start)

    def answer(self, server, start):
        rest = server.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        self.end_headers()
        self.wfile.write(rest[: server.cuts.pop(0)] if server.cuts else rest)


def packed(root, folder="KuaiRand-Pure", members=(), level=0):
    """An archive as the authors pack it, with further members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=level) as tar:
        tar.add(root, arcname=folder)
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture(scope="session")
def archive(make_folder):
    """The bytes of a whole archive of 80,010 log rows, larger than a few chunks."""
    root = make_folder(random=True)
    file = root / "data" / "log_standard_4_22_to_5_08_pure.csv"
    header, *rows = file.read_text().splitlines(keepends=True)
    file.write_text(header + "".join(rows) * 8_000)
    return packed(root)


@pytest.fixture
def server(archive):
    with Server(archive) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(server, to):
    """Download the archive that the server should have."""
    return download("kuairand-pure", to, server.url, known_hash(server.body))


def known_hash(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


def refused(server, to):
    with pytest.raises(DownloadError) as caught:
        fetch(server, to)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_download_opens_and_leaves_nothing_else(server, tmp_path):
    folder = fetch(server, tmp_path / "new" / "data sets")
    assert folder == tmp_path / "new" / "data sets" / "KuaiRand-Pure"
    assert open_log(folder).n_rows() == 80_010
    assert names(folder.parent) == ["KuaiRand-Pure"]
    assert server.asked == [None]


def test_a_download_goes_where_it_was_sent(server, tilde):
    (tilde.parent / "home").rmdir()
    (tilde.parent / "home").write_text("no folder")
    assert fetch(server, tilde) == tilde / "KuaiRand-Pure"
    assert names(tilde) == ["KuaiRand-Pure"]


def test_a_folder_that_is_there_is_not_fetched_again(server, tmp_path):
    assert fetch(server, tmp_path) == fetch(server, tmp_path)
    assert len(server.asked) == 1
    (tmp_path / "KuaiRand-Pure" / "data" / "user_features_pure.csv").unlink()
    with pytest.raises(DataError, match=r"user_features_pure\.csv missing"):
        fetch(server, tmp_path)


def test_a_lost_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.cuts = [200_000, 200_000]
    assert open_log(fetch(server, tmp_path)).n_rows() == 80_010
    first, second, third = server.asked
    assert first is None
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in (second, third)]
    assert 0 < starts[0] <= 200_000
    assert starts[0] < starts[1] <= starts[0] + 200_000


def test_a_part_of_an_earlier_call_is_resumed(server, tmp_path):
    server.cuts = [200_000, 0]
    message = refused(server, tmp_path)
    part = tmp_path / f"{NAME}.part"
    kept = part.stat().st_size
    assert "no connection" in message
    assert f"{kept:,} bytes are kept in {part}, run the same command again" in message
    assert 0 < kept <= 200_000
    fetch(server, tmp_path)
    assert server.asked[-1] == f"bytes={kept}-"
    assert names(tmp_path) == ["KuaiRand-Pure"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges = False
    (tmp_path / f"{NAME}.part").write_bytes(server.body[:1000])
    assert open_log(fetch(server, tmp_path)).n_rows() == 80_010


@pytest.mark.parametrize("beyond", [b"", b"left over from another file"])
def test_a_part_that_is_whole_or_too_long_is_settled(server, tmp_path, beyond):
    (tmp_path / f"{NAME}.part").write_bytes(server.body + beyond)
    assert open_log(fetch(server, tmp_path)).n_rows() == 80_010


def test_a_wrong_checksum_is_refused_and_removed(server, tmp_path):
    (tmp_path / f"{NAME}.part").write_bytes(b"x" * 1000)
    assert "not the archive whose checksum is sha256:" in refused(server, tmp_path)
    assert names(tmp_path) == []
    fetch(server, tmp_path)


def test_without_a_checksum_that_of_the_authors_is_wanted(server, tmp_path):
    with pytest.raises(DownloadError, match="md5:0820331067a3784d9691136f772b35a7"):
        download("kuairand-pure", tmp_path, server.url)


def test_no_network_is_one_line(server, tmp_path):
    server.server_close()
    assert "no connection (ConnectionError); 0 bytes are kept" in refused(server, tmp_path)


def test_a_refusal_of_the_server_is_one_line(server, tmp_path):
    server.status = 404
    assert f"{server.url}/{NAME}: the server answered 404 Not Found" in refused(server, tmp_path)


def test_an_interruption_keeps_the_part(server, tmp_path, monkeypatch):
    def interrupted(answer, size):
        yield answer.raw.read(1000)
        raise KeyboardInterrupt

    monkeypatch.setattr(requests.Response, "iter_content", interrupted)
    assert "interrupted; 1,000 bytes are kept" in refused(server, tmp_path)
    monkeypatch.undo()
    fetch(server, tmp_path)
    assert server.asked[-1] == "bytes=1000-"


def test_a_full_disk_is_one_line(server, tmp_path, monkeypatch):
    def full(answer, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(requests.Response, "iter_content", full)
    assert f"{tmp_path}: the disk is full; 0 bytes are kept" in refused(server, tmp_path)


def test_what_cannot_fit_is_not_begun(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 9 * 10**8, 10**8))
    assert "KuaiRand-Pure needs 0.2 GB, 0.1 GB are free; make room" in refused(server, tmp_path)
    assert server.asked == []


def test_a_place_that_is_no_folder_is_refused(server, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be made a folder" in refused(server, tmp_path / "file")


def test_an_unknown_name_gets_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="'kuairand-pur' given; did you mean 'kuairand-pure'"):
        download("kuairand-pur", tmp_path)
    with pytest.raises(ValueError, match="wanted one of kuairand-pure, kuairand-1k, kuairand-27k"):
        download("movielens", tmp_path)


def test_the_addresses_are_those_of_the_record():
    assert ZENODO == "https://zenodo.org/records/10439422/files"
    assert [archive.folder for archive in ARCHIVES.values()] == ["KuaiRand-Pure", "KuaiRand-1K", "KuaiRand-27K"]


def link(name, target):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../escaped"),
        tarfile.TarInfo("KuaiRand-Pure/../../escaped"),
        link("KuaiRand-Pure/data/way-out", "../../../.."),
        link("KuaiRand-Pure/data/passwords", "/etc/passwd"),
    ],
    ids=lambda member: member.linkname or member.name,
)
def test_a_member_that_points_outside_is_refused_and_nothing_is_left(make_folder, tmp_path, member):
    to = tmp_path / "to"
    to.mkdir()
    file = to / NAME
    file.write_bytes(packed(make_folder(), members=[(member, b"")]))
    with pytest.raises(DownloadError, match=r"refused, .*outside|refused, .*absolute"):
        unpack(file, to / "KuaiRand-Pure")
    assert names(to) == [NAME]
    assert names(tmp_path) == ["to"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda body: body[: len(body) // 2], "damaged"),
        (lambda body: b"<html>not found</html>", "damaged"),
        (lambda body: body[:300] + b"\0" * 50 + body[350:], "damaged"),
    ],
)
def test_a_damaged_archive_is_refused_and_nothing_is_left(make_folder, tmp_path, damage, message):
    file = tmp_path / NAME
    file.write_bytes(damage(packed(make_folder(), level=9)))
    with pytest.raises(DownloadError, match=message):
        unpack(file, tmp_path / "KuaiRand-Pure")
    assert names(tmp_path) == [NAME]


def test_zeros_that_end_the_archive_early_are_found_by_the_checksum(make_folder, tmp_path):
    plain = gzip.decompress(packed(make_folder()))
    whole = gzip.compress(plain)
    ends = 3 * tarfile.BLOCKSIZE  # the folder: an extended header, its text and the entry
    cut = gzip.compress(plain[:ends] + bytes(len(plain) - ends))
    file = tmp_path / NAME
    file.write_bytes(cut[:-8] + whole[-8:])
    with pytest.raises(DownloadError, match="damaged"):
        unpack(file, tmp_path / "KuaiRand-Pure")
    assert names(tmp_path) == [NAME]


def test_an_archive_of_something_else_is_refused(make_folder, tmp_path):
    file = tmp_path / NAME
    file.write_bytes(packed(make_folder(), folder="KuaiRec"))
    with pytest.raises(DownloadError, match="holds no folder KuaiRand-Pure"):
        unpack(file, tmp_path / "KuaiRand-Pure")


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"the disk is full; .* is kept"),
        (PermissionError(errno.EACCES, "Permission denied"), r"Permission denied; .* is kept"),
        (KeyboardInterrupt(), r"interrupted; it is kept"),
    ],
)
def test_a_failure_while_unpacking_keeps_the_archive(archive, tmp_path, monkeypatch, failure, message):
    def fail(*_, **__):
        raise failure

    file = tmp_path / NAME
    file.write_bytes(archive)
    monkeypatch.setattr(tarfile.TarFile, "extractall", fail)
    with pytest.raises(DownloadError, match=message):
        unpack(file, tmp_path / "KuaiRand-Pure")
    assert names(tmp_path) == [NAME]
