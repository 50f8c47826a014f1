"""The run folder; each file is written under another name first, then moved into place."""

import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, final
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from simulator.errors import RunFolderError
from simulator.runs.checkpoint import FOLDER, NOW, Checkpoint, StoredFile, pack, unpack
from simulator.runs.lock import LOCK
from simulator.spec.experiment import ExperimentSpec, load_spec

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
"""What a run's numbers depend on; torch is there where rankers are."""


@final
@dataclass(frozen=True)
class RunFolder:
    """Files of a run, in a folder."""

    path: Path

    @property
    def durable(self) -> bool:
        """See `Store.durable`."""
        return True

    @staticmethod
    def create(path: Path, *, resumable: bool = True) -> "RunFolder":
        """Make the folder, or take an empty one; `resumable` if its command has a --resume to advise.

        Raises:
            RunFolderError: The folder holds something already, or cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            names = sorted(entry.name for entry in path.iterdir() if entry.name != LOCK and not _is_partial(entry))
        except OSError as error:
            raise RunFolderError(f"{path}: cannot be made: {error.strerror}; give another --out") from None
        if names:
            resume_hint = ", or --resume" if resumable else ""
            raise RunFolderError(f"{path}: holds {names[0]} already; give an empty or new folder as --out{resume_hint}")
        return RunFolder(path)

    @staticmethod
    def reopen(path: Path, spec: ExperimentSpec) -> "RunFolder":
        """Open the folder of an interrupted run.

        Raises:
            RunFolderError: The folder has no run, or one of another spec.
        """
        stored = path / "spec.toml"
        if not stored.is_file():
            raise RunFolderError(f"{path}: holds no run to resume; leave out --resume to begin one")
        if load_spec(str(stored)) != spec:
            raise RunFolderError(f"{stored}: differs from the spec given; resume with the same spec and seed")
        return RunFolder(path)

    def begin(self, spec: ExperimentSpec) -> None:
        """Write the spec and the versions of packages if they are missing, and delete half-written files.

        Only the run that has locked the folder may call this.

        Raises:
            RunFolderError: A file cannot be written.
        """
        for partial_path in self.path.rglob(".*.part"):
            partial_path.unlink(missing_ok=True)
        if not (self.path / "spec.toml").is_file():
            self.put("spec.toml", tomli_w.dumps(spec.model_dump(mode="json")).encode())
        if not (self.path / "versions.json").is_file():
            versions = _installed_versions() | {"python": platform.python_version()}
            self.put("versions.json", (json.dumps(versions, indent=1) + "\n").encode())

    def put(self, name: str, data: bytes) -> StoredFile:
        """Write a file; see `write`."""
        self.write(name, lambda to: to.write_bytes(data))
        return StoredFile(name=name, size=len(data), crc=crc32(data))

    def put_table(self, name: str, table: pa.Table) -> StoredFile:
        """Write a table as Parquet; see `write`."""
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        return self.put(name, buffer.getvalue().to_pybytes())

    def get(self, stored: StoredFile) -> bytes:
        """Read a file and check its size and checksum.

        Raises:
            RunFolderError: The file is missing or was changed.
        """
        path = self.path / stored.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise self._damaged(stored, error.strerror or "cannot be read") from None
        if (len(data), crc32(data)) != (stored.size, stored.crc):
            raise self._damaged(
                stored, f"{len(data)} bytes, want {stored.size}" if len(data) != stored.size else "changed"
            )
        return data

    def read_checkpoint(self) -> Checkpoint | None:
        """Read the checkpoint, check the tables it names, and delete files that it does not need.

        Raises:
            RunFolderError: The checkpoint is damaged, or a table is missing or was changed.
        """
        path = self.path / NOW
        try:
            checkpoint = unpack(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunFolderError(f"{path}: damaged checkpoint ({error.strerror}); {self._remedy}") from None
        except ValueError as fault:
            raise RunFolderError(f"{path}: damaged checkpoint ({fault}); {self._remedy}") from None
        for stored in checkpoint.tables:
            self.get(stored)
        self._remove_all_but(checkpoint)  # a run killed while it did so left some
        return checkpoint

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then delete files that it does not need."""
        self.put(NOW, pack(checkpoint))
        self._remove_all_but(checkpoint)

    def _remove_all_but(self, checkpoint: Checkpoint) -> None:
        """Delete files of users, policies and logs that the checkpoint does not name."""
        needed = {self.path / NOW, *(self.path / stored.name for stored in checkpoint.files())}
        for path in (self.path / FOLDER).rglob("*"):
            if path.is_file() and path not in needed:
                path.unlink()
        for folder in (self.path / FOLDER).iterdir():
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    @property
    def _remedy(self) -> str:
        """Advice on a checkpoint that cannot be used."""
        return f"delete {self.path / FOLDER}, and `--resume` starts the run anew"

    def _damaged(self, stored: StoredFile, reason: str) -> RunFolderError:
        """Error on a file that is missing or was changed."""
        description = "damaged checkpoint" if stored.name.startswith(f"{FOLDER}/") else "damaged"
        return RunFolderError(f"{self.path / stored.name}: {description} ({reason}); {self._remedy}")

    def write(self, name: str, writer: Callable[[Path], object]) -> None:
        """Write a file under another name, sync it and move it into place, so that no reader sees half of it.

        Raises:
            RunFolderError: The file cannot be written; an earlier file of that name is unchanged.
        """
        final_path = self.path / name
        partial_path = final_path.with_name(f".{final_path.name}.{os.getpid()}.part")
        try:
            _make_folders(final_path.parent, self.path)
            writer(partial_path)
            _sync(partial_path)
            partial_path.replace(final_path)
            _sync(final_path.parent)
        except OSError as error:
            with suppress(OSError):
                partial_path.unlink(missing_ok=True)
            raise RunFolderError(
                f"{final_path}: cannot be written: {error.strerror or error}; make room and run it again, "
                "with --resume where there is one"
            ) from None


def _installed_versions() -> dict[str, str]:
    """Versions of those packages that are installed."""
    versions: dict[str, str] = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def _is_partial(path: Path) -> bool:
    """Whether a file was left half written by a killed run."""
    return path.name.startswith(".") and path.suffix == ".part"


def _make_folders(folder: Path, run: Path) -> None:
    """Make folders inside the run folder, but not the run folder itself if it was removed."""
    for relative in [*reversed(folder.relative_to(run).parents), folder.relative_to(run)][1:]:
        (run / relative).mkdir(exist_ok=True)


def _sync(path: Path) -> None:
    """Flush a file or the entries of a folder to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
