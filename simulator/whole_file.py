"""Files that are there whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Where to write a file that is moved into place once it is whole, and removed if it never is.

    Args:
        path: Where it goes, in a folder that is there.

    Raises:
        OSError: It cannot be moved.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part").absolute()
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
