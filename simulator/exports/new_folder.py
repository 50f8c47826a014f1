"""Folders that are never seen half written."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from simulator.errors import ExportError


@contextmanager
def new_folder(path: Path) -> Generator[Path]:
    """Give a folder to write to; it is moved to `path` at the end, and removed after an error.

    Args:
        path: Folder to create; may exist if it is empty.

    Raises:
        ExportError: The folder holds something, or cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise ExportError(f"{path}: is not empty; give another --out or remove it")
        with TemporaryDirectory(prefix=".export-", dir=path.parent) as parent:
            partial_folder = Path(parent) / path.name
            partial_folder.mkdir()
            yield partial_folder
            partial_folder.replace(path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror}; make room or give another --out") from None
