"""Fetching KuaiRand from its public archive: resumable, checked against the authors' checksums, unpacked.

An interrupted archive stays as `NAME.tar.gz.part`; the next call asks the server for the rest only (HTTP Range,
RFC 9110, section 14).
"""

import shutil
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, cast, final

import pooch
import requests
from pooch.typing import Downloader
from tqdm import tqdm

from user_models.data.archive import no_room, unpack
from user_models.data.log import open_log
from user_models.errors import DownloadError

ZENODO: Final = "https://zenodo.org/records/10439422/files"
"""Where the authors keep the archives."""
_CHUNK_BYTES: Final = 1 << 16
_PATIENCE_S: Final = 60
_AGAIN: Final = "run the same command again to go on from there"


@final
@dataclass(frozen=True)
class KuaiRandArchive:
    """One archive of the record.

    Attributes:
        folder: The folder it unpacks to; the archive has the same name.
        known_hash: Published by the authors (https://github.com/chongminggao/KuaiRand).
        room_gb: Disk space for the archive and the folder together, in GB of 10^9 bytes.
    """

    folder: str
    known_hash: str
    room_gb: float


ARCHIVES: Final = {
    "kuairand-pure": KuaiRandArchive("KuaiRand-Pure", "md5:0820331067a3784d9691136f772b35a7", 0.25),
    "kuairand-1k": KuaiRandArchive("KuaiRand-1K", "md5:6b0b9c8222d67fcd4c676218edca3f1f", 5.8),
    "kuairand-27k": KuaiRandArchive("KuaiRand-27K", "md5:3e3c799a24e2d23a4d2c757fbf9adf59", 59.5),
}


def download(name: str, to: Path | str, base_url: str = ZENODO, known_hash: str | None = None) -> Path:
    """Fetch and unpack a variant of KuaiRand; the archive is removed once its folder is there.

    Does nothing if the folder is there already. Progress goes to standard error where that is a terminal.

    Args:
        name: "kuairand-pure", "kuairand-1k" or "kuairand-27k".
        to: Folder to put it in; made if need be.
        base_url: A mirror of the record's files.
        known_hash: Checksum of the archive, as "sha256:..." or "md5:..."; that of the authors by default.

    Returns:
        The folder, which `open_log` accepts.

    Raises:
        ValueError: Another name.
        DownloadError: No network, a refusal of the server, a wrong checksum, no room, or an interruption; what has
            come is kept where it can be of use.
        DataError: The folder is there already, but damaged.
    """
    archive, to = _named(name), Path(to)
    folder = to / archive.folder
    if folder.exists():
        open_log(folder)
        return folder
    _make_room(to, archive)
    packed = _fetch(f"{base_url}/{archive.folder}.tar.gz", to, known_hash or archive.known_hash)
    unpack(packed, folder)
    packed.unlink()
    return folder


@final
@dataclass(frozen=True)
class ResumingDownloader:
    """Downloader for `pooch` that stores received bytes in `part` and resumes from there.

    A lost connection is taken up again at once, as long as each attempt brings something.
    """

    part: Path

    def __call__(self, url: str, output_file: str, caller: object) -> None:
        """Fetch `url` to `part`, then move it to `output_file`.

        Args:
            url: Where the archive is.
            output_file: A temporary file of pooch's, which checks and renames it.
            caller: The `pooch.Pooch` that asks; not used.

        Raises:
            DownloadError: See `download`.
        """
        del caller
        while not self._attempt(url):
            pass
        self.part.replace(output_file)

    def _attempt(self, url: str) -> bool:
        """Download the missing bytes; return False if the connection was lost."""
        before = _size(self.part)
        try:
            self._fetch_rest(url, before)
        except requests.RequestException as error:
            if _size(self.part) <= before:
                raise DownloadError(f"{url}: no connection ({type(error).__name__}); {self._kept()}") from error
            return False
        except KeyboardInterrupt as error:
            raise DownloadError(f"{url}: interrupted; {self._kept()}") from error
        except OSError as error:
            reason = no_room(error, self.part.parent) or f"{self.part}: {error.strerror}"
            raise DownloadError(f"{reason}; {self._kept()}") from error
        return True

    def _fetch_rest(self, url: str, have: int) -> None:
        """Request the bytes from `have` on, and write the response."""
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=_PATIENCE_S) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                self._settle(url, answer, have)
                return
            if not answer.ok:
                said = f"{answer.status_code} {answer.reason}"
                raise DownloadError(f"{url}: the server answered {said}; check the address, or try again later")
            start = have if answer.status_code == requests.codes.partial_content else 0
            self._write(answer, start)

    def _settle(self, url: str, answer: requests.Response, have: int) -> None:
        """Nothing follows `have` bytes: either that is all there is, or the part is not of this file."""
        if answer.headers.get("Content-Range") == f"bytes */{have}":
            return
        self.part.unlink()
        self._fetch_rest(url, 0)

    def _write(self, answer: requests.Response, start: int) -> None:
        """Append the body to the first `start` bytes."""
        total = start + int(answer.headers.get("Content-Length", 0)) or None
        with (
            self.part.open("ab" if start else "wb") as out,
            tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=self.part.stem, disable=None) as bar,
        ):
            for chunk in answer.iter_content(_CHUNK_BYTES):
                out.write(chunk)
                bar.update(len(chunk))

    def _kept(self) -> str:
        """Describe the part of the archive that is already downloaded."""
        return f"{_size(self.part):,} bytes are kept in {self.part}, {_AGAIN}"


def _named(name: str) -> KuaiRandArchive:
    """The archive of that name."""
    if name in ARCHIVES:
        return ARCHIVES[name]
    near = get_close_matches(name, ARCHIVES, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"wanted one of {', '.join(ARCHIVES)}"
    raise ValueError(f"data set {name!r} given; {hint}")


def _make_room(to: Path, archive: KuaiRandArchive) -> None:
    """Create the folder; raise if the disk has too little space."""
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{to}: cannot be made a folder ({error.strerror}); give another") from error
    free_gb = shutil.disk_usage(to).free / 1e9
    wanted_gb = archive.room_gb - _size(_part(to, archive.folder)) / 1e9
    if free_gb < wanted_gb:
        raise DownloadError(f"{to}: {archive.folder} needs {wanted_gb:.1f} GB, {free_gb:.1f} GB are free; make room")


def _fetch(url: str, to: Path, known_hash: str) -> Path:
    """The archive, with the right checksum."""
    name = url.rsplit("/", 1)[-1]
    downloader = ResumingDownloader(_part(to, name.removesuffix(".tar.gz")))
    try:
        # pooch calls it with the address, the temporary file and itself, whatever its protocol calls these
        by = cast("Downloader", downloader)
        return Path(pooch.retrieve(url, known_hash, fname=name, path=to.absolute(), downloader=by))
    except ValueError as error:
        wanted = f"not the archive whose checksum is {known_hash}"
        raise DownloadError(f"{url}: {wanted}; what came was removed, run the same command again") from error


def _part(to: Path, folder: str) -> Path:
    return to / f"{folder}.tar.gz.part"


def _size(path: Path) -> int:
    """Bytes in a file that may not exist."""
    return path.stat().st_size if path.exists() else 0
