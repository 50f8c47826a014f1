"""The run folder: what a run leaves behind, each file written aside and moved into place."""

import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, final

import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from simulator.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from simulator.errors import RunFolderError
from simulator.line import Line
from simulator.spec import ExperimentSpec, load_spec

_PACKAGES: Final = (
    "askew",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "statsmodels",
    "tea-tasting",
    "torch",
)


@final
@dataclass(frozen=True)
class RunFolder:
    """Where a run writes."""

    path: Path

    @staticmethod
    def create(path: Path, spec: ExperimentSpec) -> "RunFolder":
        """Make the folder and write down the spec and the versions it is run with.

        Raises:
            RunFolderError: The folder holds something already, or cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            taken = next(path.iterdir(), None)
        except OSError as error:
            raise RunFolderError(f"{path}: cannot be made: {error.strerror}; give another --out") from None
        if taken is not None:
            message = f"{path}: holds {taken.name} already; give an empty or new folder as --out, or --resume"
            raise RunFolderError(message)
        folder = RunFolder(path)
        keys = spec.model_dump(mode="json")
        folder.write("spec.toml", lambda to: to.write_text(tomli_w.dumps(keys), encoding="utf-8"))
        versions = {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()}
        folder.write("versions.json", lambda to: to.write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8"))
        return folder

    @staticmethod
    def reopen(path: Path, spec: ExperimentSpec) -> "RunFolder":
        """Go on in the folder of an earlier try.

        Raises:
            RunFolderError: No run there, or one of another spec.
        """
        stored = path / "spec.toml"
        if not stored.is_file():
            raise RunFolderError(f"{path}: holds no run to resume; leave out --resume to begin one")
        if load_spec(str(stored)) != spec:
            raise RunFolderError(f"{stored}: differs from the spec given; resume with the same spec and seed")
        return RunFolder(path)

    def write(self, name: str, writer: Callable[[Path], object]) -> None:
        """Write a file aside, sync it and move it into place, so that no reader ever sees half of it.

        Raises:
            RunFolderError: The disk is full or the folder is gone; what was there before is untouched.
        """
        final_path = self.path / name
        aside = final_path.with_name(f".{final_path.name}.part")
        try:
            final_path.parent.mkdir(exist_ok=True)
            writer(aside)
            with aside.open("rb+") as file:
                os.fsync(file.fileno())
            aside.replace(final_path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise RunFolderError(
                f"{final_path}: cannot be written: {error.strerror or error}; make room and run again"
            ) from None

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Write a table; see `write`."""
        self.write(name, lambda to: pq.write_table(table, to, compression="zstd"))

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """See `simulator.checkpoint.write_checkpoint`."""
        write_checkpoint(self.path, checkpoint)

    def read_checkpoint(self, lines: list[Line]) -> Checkpoint | None:
        """See `simulator.checkpoint.read_checkpoint`."""
        return read_checkpoint(self.path, lines)
