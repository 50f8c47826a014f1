"""Folder of an evaluation: the protocol as run, and one file per policy and seed, so that nothing is computed twice."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, final
from urllib.parse import quote
from zlib import crc32

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.errors import OfflineError, RunFolderError
from simulator.offline.protocol import Task
from simulator.offline.ranking import RankingResult
from simulator.runs.folder import RunFolder

PROTOCOL: Final = "protocol.json"
_ANSWERS: Final = "answers"


class _FrozenModel(BaseModel):
    """Shared settings: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class Protocol(_FrozenModel):
    """Protocol fields that must be equal for results to be comparable.

    Attributes:
        data: Name of the data.
        core: See `ProtocolRules`.
        negatives: See `ProtocolRules`.
        max_users: See `ProtocolRules`.
        users: Number of tested users.
        videos: Number of videos of the core.
        views: Number of training views.
        content: Checksum of training log, tests and tables.
    """

    data: str
    core: int
    negatives: int
    max_users: int | None
    users: int
    videos: int
    views: int
    content: str

    @staticmethod
    def of(task: Task) -> "Protocol":
        """Make the protocol of a task."""
        feedback, tests = task.train.feedback, task.tests
        content = sha256()
        for arrays in (vars(feedback), vars(tests), vars(task.train.users), vars(task.train.videos)):
            for array in arrays.values():
                content.update(np.ascontiguousarray(array).tobytes() if isinstance(array, np.ndarray) else b"")
        return Protocol(
            data=task.name,
            **vars(task.rules),
            users=len(tests.video_id),
            videos=len(task.train.videos.duration_s),
            views=len(feedback),
            content=content.hexdigest(),
        )


@final
class _StoredResult(_FrozenModel):
    """Stored result of a policy and seed."""

    policy: str
    seed: int
    rank: list[Annotated[int, Field(ge=1)]]
    true_gain: float | None


@final
@dataclass(frozen=True)
class ResultStore:
    """Stored results of one protocol."""

    folder: RunFolder

    @staticmethod
    def open(path: Path, protocol: Protocol) -> "ResultStore":
        """Open a new or empty folder, or one of the same protocol.

        Raises:
            OfflineError: The folder holds results of another protocol, or other files.
            RunFolderError: The folder cannot be written to.
        """
        protocol_file = path / PROTOCOL
        folder = RunFolder(path)
        if not protocol_file.is_file():
            folder = RunFolder.create(path, resumable=False)
            folder.put(PROTOCOL, (protocol.model_dump_json(indent=1) + "\n").encode())
        _check_protocol(protocol_file, protocol)
        return ResultStore(folder)

    def read(self, policy: str, seed: int) -> RankingResult | None:
        """Read the stored result of a policy and seed; None if there is none.

        Raises:
            RunFolderError: The stored result is damaged.
        """
        path = self.folder.path / _name(policy, seed)
        try:
            stored = _StoredResult.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise RunFolderError(f"{path}: cannot be read ({reason}); delete it, and it is computed anew") from None
        if (stored.policy, stored.seed) != (policy, seed):
            raise RunFolderError(f"{path}: holds an answer of {stored.policy!r}; delete it, and it is computed anew")
        return RankingResult(np.array(stored.rank, np.int64), stored.true_gain)

    def write(self, policy: str, seed: int, answer: RankingResult) -> None:
        """Store a result.

        Raises:
            RunFolderError: The disk is full or the folder is gone.
        """
        stored = _StoredResult(policy=policy, seed=seed, rank=answer.rank.tolist(), true_gain=answer.true_gain)
        self.folder.put(_name(policy, seed), (stored.model_dump_json() + "\n").encode())


def _check_protocol(path: Path, protocol: Protocol) -> None:
    """Check that stored results have the same protocol."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        Protocol.model_validate(stored)
    except (OSError, ValueError, RecursionError) as error:
        raise OfflineError(f"{path}: cannot be read ({str(error).splitlines()[0]}); give another --out") from None
    for name, value in protocol.model_dump().items():
        if stored[name] != value:
            stored_text, current_text = (str(setting)[:60] for setting in (stored[name], value))
            raise OfflineError(
                f"{path}: {name} is {stored_text} there, but {current_text} now; "
                "give another --out, or the same options"
            )


def label_of(policy: str) -> str:
    """Return a policy's name as part of a path; a checksum separates names that file systems do not."""
    return f"{quote(policy, safe='')[:80]}-{crc32(policy.encode()):08x}"


def _name(policy: str, seed: int) -> str:
    """Name of the file of a policy and seed."""
    return f"{_ANSWERS}/{label_of(policy)}-{seed}.json"
