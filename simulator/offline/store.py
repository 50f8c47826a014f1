"""The folder of an evaluation: the protocol as run, and one file per policy and seed, so that nothing is done twice."""

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


class _Kept(BaseModel):
    """Shared settings: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class Protocol(_Kept):
    """Protocol fields that must be equal for results to be comparable.

    Attributes:
        data: Name of the data.
        core: As in `Rules`.
        negatives: As in `Rules`.
        max_users: As in `Rules`.
        users: Users asked about.
        videos: Videos of the core.
        views: Views learned from.
        content: Checksum of what is learned from and asked.
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
        """A task's protocol."""
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
class _Written(_Kept):
    """An answer on disk."""

    policy: str
    seed: int
    rank: list[Annotated[int, Field(ge=1)]]
    true_gain: float | None


@final
@dataclass(frozen=True)
class ResultStore:
    """Answers of one protocol on disk."""

    folder: RunFolder

    @staticmethod
    def open(path: Path, protocol: Protocol) -> "ResultStore":
        """Take a new or empty folder, or one of the same protocol.

        Raises:
            OfflineError: The folder holds answers of another protocol, or something else.
            RunFolderError: It cannot be written to.
        """
        protocol_file = path / PROTOCOL
        folder = RunFolder(path)
        if not protocol_file.is_file():
            folder = RunFolder.create(path, resumable=False)
            folder.put(PROTOCOL, (protocol.model_dump_json(indent=1) + "\n").encode())
        _same(protocol_file, protocol)
        return ResultStore(folder)

    def read(self, policy: str, seed: int) -> RankingResult | None:
        """Read the stored result of a policy and seed; None if there is none.

        Raises:
            RunFolderError: A damaged answer.
        """
        path = self.folder.path / _name(policy, seed)
        try:
            written = _Written.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise RunFolderError(f"{path}: cannot be read ({reason}); delete it, and it is computed anew") from None
        if (written.policy, written.seed) != (policy, seed):
            raise RunFolderError(f"{path}: holds an answer of {written.policy!r}; delete it, and it is computed anew")
        return RankingResult(np.array(written.rank, np.int64), written.true_gain)

    def write(self, policy: str, seed: int, answer: RankingResult) -> None:
        """Keep an answer.

        Raises:
            RunFolderError: The disk is full or the folder is gone.
        """
        written = _Written(policy=policy, seed=seed, rank=answer.rank.tolist(), true_gain=answer.true_gain)
        self.folder.put(_name(policy, seed), (written.model_dump_json() + "\n").encode())


def _same(path: Path, protocol: Protocol) -> None:
    """Refuse answers that cannot be compared."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        Protocol.model_validate(stored)
    except (OSError, ValueError, RecursionError) as error:
        raise OfflineError(f"{path}: cannot be read ({str(error).splitlines()[0]}); give another --out") from None
    for name, value in protocol.model_dump().items():
        if stored[name] != value:
            there, here = (str(each)[:60] for each in (stored[name], value))
            raise OfflineError(
                f"{path}: {name} is {there} there, but {here} now; give another --out, or the same options"
            )


def label_of(policy: str) -> str:
    """Return a policy's name as part of a path; a checksum separates names that file systems do not."""
    return f"{quote(policy, safe='')[:80]}-{crc32(policy.encode()):08x}"


def _name(policy: str, seed: int) -> str:
    """The file of a policy and seed."""
    return f"{_ANSWERS}/{label_of(policy)}-{seed}.json"
