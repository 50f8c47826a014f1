"""Unpacking a KuaiRand archive: all of it or nothing, and never outside its folder."""

import errno
import gzip
import tarfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast

from tqdm import tqdm

from user_models.data.log import open_log
from user_models.errors import DownloadError


def unpack(archive: Path, folder: Path) -> None:
    """Unpack `archive`, whose one folder has the name of `folder`, and move it to `folder` once it opens.

    What was unpacked before a failure is removed.

    Raises:
        DownloadError: A damaged archive, a member that points outside, another folder in it, or no room on the disk.
        DataError: The folder in it is no whole KuaiRand folder.
    """
    with TemporaryDirectory(dir=folder.parent, prefix=".unpacking-", ignore_cleanup_errors=True) as scratch:
        _extract(archive, Path(scratch))
        unpacked = Path(scratch) / folder.name
        if not unpacked.is_dir():
            raise DownloadError(f"{archive}: holds no folder {folder.name}; remove it and download it again")
        open_log(unpacked)
        unpacked.rename(folder)


def _extract(archive: Path, to: Path) -> None:
    """Extract the members that are plain files and folders below `to`; anything else is refused."""
    try:
        with (
            archive.open("rb") as source,
            tqdm.wrapattr(
                source, "read", total=archive.stat().st_size, desc=f"unpacking {archive.name}", disable=None
            ) as shown,
            gzip.open(cast("IO[bytes]", shown)) as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            tar.extractall(to, filter="data")
            # A block of zeros ends a tar early, so read on to the checksum.
            while plain.read(1 << 20):
                pass
    except tarfile.FilterError as error:
        raise DownloadError(f"{archive}: refused, {error}; remove it and download it again") from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DownloadError(f"{archive}: damaged ({error}); remove it and download it again") from error
    except KeyboardInterrupt as error:
        raise DownloadError(f"{archive}: interrupted; it is kept, run the same command again to unpack it") from error
    except OSError as error:
        reason = no_room(error, to.parent) or f"{to.parent}: {error.strerror}"
        raise DownloadError(f"{reason}; {archive} is kept, run the same command again") from error


def no_room(error: OSError, to: Path) -> str:
    """The reason in words if the disk is full, else nothing."""
    return f"{to}: the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
