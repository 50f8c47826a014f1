"""Files that are never seen half written."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Give a path to write to; the file is moved into place at the end, and removed after an error.

    Args:
        path: Final path, in an existing folder.

    Raises:
        OSError: The file cannot be moved.
    """
    partial_path = path.with_name(f".{path.name}.{os.getpid()}.part").absolute()
    try:
        yield partial_path
        partial_path.replace(path)
    finally:
        partial_path.unlink(missing_ok=True)
