"""Run folders as .zip files: packed for somebody else, unpacked only if every entry is what a run folder holds."""

import io
import lzma
import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, final

from simulator.reports.report import RunFolderError, load_report
from simulator.runs.lock import LOCK
from simulator.runs.state import read_keys

MOST_FILES: Final = 20_000
MOST_BYTES: Final = 2**30
"""Of all files together, unpacked."""
LARGEST_UPLOAD_MB: Final = 512
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,79}")
_NEEDED: Final = ("spec.toml", "report.json")
_CHUNK: Final = 2**20
_DAMAGE: Final = (zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, zlib.error, lzma.LZMAError)
"""What a damaged archive ends in, beside the built-in errors."""


@final
class ArchiveError(ValueError):
    """An archive or a folder that is refused: says which entry and what was wanted."""


def weigh(run: Path) -> None:
    """Check that a run is small enough to be packed.

    Raises:
        ArchiveError: Too many files, or too large ones.
    """
    sizes = [path.stat().st_size for path in _files(run)]
    if len(sizes) > MOST_FILES or sum(sizes) > MOST_BYTES:
        held = f"{len(sizes):,} files, {sum(sizes) / 2**20:,.0f} MB"
        raise ArchiveError(f"{run.name}: {held}, want at most {_limits()}; pack the folder with a tool of its own")


def pack(run: Path) -> bytes:
    """A run folder as the bytes of a .zip with one folder in it, named as the run; locks and half files stay behind.

    Raises:
        ArchiveError: See `weigh`.
    """
    weigh(run)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in _files(run):
            archive.write(path, f"{run.name}/{path.relative_to(run).as_posix()}")
    return buffer.getvalue()


def unpack(upload: io.BytesIO, file_name: str, folder: Path) -> Path:
    """Unpack a run from a .zip into a folder of runs; it is there whole or not at all.

    Args:
        upload: The archive: files of one run, at its top or in one folder.
        file_name: Names the run where they are at the top.
        folder: Where the run is to lie.

    Returns:
        The run's folder.

    Raises:
        ArchiveError: No .zip, an entry that would leave the folder or is no plain file, too much, a name that is
            taken, or no run.
    """
    try:
        with zipfile.ZipFile(upload) as archive:
            entries = _checked(archive)
            top = _top(entries)
            run = folder / _run_name(top or PurePosixPath(file_name).stem)
            if run.exists():
                raise ArchiveError(f"{run.name}: a run of that name is there already; rename one of them")
            with tempfile.TemporaryDirectory(prefix=".import-", dir=folder) as aside:
                unpacked = Path(aside) / run.name
                _extract(archive, entries, top, unpacked)
                _check_run(unpacked)
                os.rename(unpacked, run)  # noqa: PTH104 (fails on a folder that holds something)
    except ArchiveError:
        raise
    except (*_DAMAGE, EOFError, IndexError, RuntimeError, ValueError) as error:
        raise ArchiveError(f"{file_name}: not a .zip that can be read ({error}); export the run anew") from None
    except OSError as error:
        raise ArchiveError(f"{file_name}: cannot be unpacked: {error.strerror or error}") from None
    return run


def _checked(archive: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The files of an archive by path, folders left out; every one a plain file inside it."""
    files = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(files) > MOST_FILES or sum(entry.file_size for entry in files) > MOST_BYTES:
        raise ArchiveError(f"the archive holds more than {_limits()}")
    entries: dict[PurePosixPath, zipfile.ZipInfo] = {}
    names: set[str] = set()
    for entry in files:
        path = PurePosixPath(entry.filename)
        name = repr(entry.filename[:80])
        if (
            not path.parts
            or path.is_absolute()
            or ".." in path.parts
            or re.search(r"[\\:\x00-\x1f]", entry.orig_filename)
        ):
            raise ArchiveError(f"{name}: leaves the run's folder; want paths inside it")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ArchiveError(f"{name}: is no plain file; links and devices are not unpacked")
        if entry.flag_bits & 1:
            raise ArchiveError(f"{name}: is encrypted; want an archive without password")
        if path.as_posix().lower() in names:
            raise ArchiveError(f"{name}: is in the archive twice")
        names.add(path.as_posix().lower())
        entries[path] = entry
    return entries


def _top(entries: dict[PurePosixPath, zipfile.ZipInfo]) -> str:
    """The one folder that holds everything; empty where the files lie at the top."""
    names = {path.parts[0] for path in entries}
    inside = all(len(path.parts) > 1 for path in entries)
    return names.pop() if inside and len(names) == 1 else ""


def _run_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ArchiveError(f"{name[:80]!r}: no name for a run; want letters, digits, '.', '-', '_', at most 80")
    return name


def _extract(archive: zipfile.ZipFile, entries: dict[PurePosixPath, zipfile.ZipInfo], top: str, to: Path) -> None:
    """Write the files below a folder; stops once there is more than the archive's own list admits."""
    left = MOST_BYTES
    for path, entry in entries.items():
        target = to / (path.relative_to(top) if top else path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, target.open("xb") as file:
            while chunk := source.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise ArchiveError(f"the archive holds more than {_limits()}")
                file.write(chunk)


def _check_run(run: Path) -> None:
    """Whether the unpacked files are a finished run."""
    missing = next((name for name in _NEEDED if not (run / name).is_file()), None)
    if missing is not None:
        raise ArchiveError(f"the archive holds no {missing}; want a finished run, as the dashboard exports it")
    (run / LOCK).unlink(missing_ok=True)
    try:
        read_keys(run)
        load_report(run)
    except RunFolderError as error:
        raise ArchiveError(str(error).replace(f"{run}/", "")) from None


def _files(run: Path) -> Iterator[Path]:
    """What is packed, in order: plain files, without the lock and what a killed run left half written."""
    for path in sorted(run.rglob("*")):
        half = path.name.startswith(".") and path.suffix == ".part"
        if path.is_file() and not path.is_symlink() and path.name != LOCK and not half:
            yield path


def _limits() -> str:
    return f"{MOST_FILES:,} files and {MOST_BYTES / 2**20:,.0f} MB"
