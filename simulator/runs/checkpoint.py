"""Where a run stands after each step: which steps are done, and which files hold users, policies and logs.

`checkpoints/now` is JSON and its checksum; it names every file that counts, with size and checksum. Files are written
first, then `now` is replaced, then files that it no longer names go: a killed run goes on from the last step done.
"""

from collections.abc import Iterator
from typing import Final, final
from zlib import crc32

from pydantic import BaseModel, ConfigDict, ValidationError

FOLDER: Final = "checkpoints"
NOW: Final = f"{FOLDER}/now"


@final
class StoredFile(BaseModel):
    """A file of a run folder as it was written.

    Attributes:
        name: Relative to the run folder.
        size: Bytes.
        crc: CRC-32 of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: int
    crc: int


@final
class TimelineCheckpoint(BaseModel):
    """The stored users and policies of one timeline.

    Attributes:
        standing: Its users, one file per shard; none while they are as drawn.
        policies: The files of each policy; none of those that are as built.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    standing: tuple[StoredFile, ...] = ()
    policies: tuple[tuple[StoredFile, ...], ...] = ()


@final
class Checkpoint(BaseModel):
    """A stored moment.

    Attributes:
        done: Steps done.
        steps: All steps of the run; 0 in checkpoints from before this was written down.
        answer_model: Coefficients of the fitted answering model; empty before it is fitted.
        logs: Files that policies will be trained on, in order of time.
        tables: Files of user-days and traces written so far.
        lines: Each timeline, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    done: int = 0
    steps: int = 0
    answer_model: tuple[float, ...] = ()
    logs: tuple[StoredFile, ...] = ()
    tables: tuple[StoredFile, ...] = ()
    lines: dict[str, TimelineCheckpoint] = {}

    def files(self) -> Iterator[StoredFile]:
        """Every file that it needs, tables left out."""
        yield from self.logs
        for timeline in self.lines.values():
            yield from timeline.standing
            for policy in timeline.policies:
                yield from policy

    def at(self, timeline: str, checkpoint: TimelineCheckpoint) -> dict[str, TimelineCheckpoint]:
        """All timelines, one of them replaced."""
        return {**self.lines, timeline: checkpoint}


def pack(checkpoint: Checkpoint) -> bytes:
    """The text of `checkpoints/now`: JSON, a line end, and the checksum of the JSON in hexadecimal digits."""
    body = checkpoint.model_dump_json().encode()
    return body + b"\n" + _sum_of(body)


def unpack(data: bytes) -> Checkpoint:
    """What `pack` wrote.

    Raises:
        ValueError: It has changed since, or is of another version.
    """
    body, _, checksum = data.rpartition(b"\n")
    if checksum != _sum_of(body):
        raise ValueError("changed")
    try:
        return Checkpoint.model_validate_json(body)
    except ValidationError:
        raise ValueError("of another version") from None


def _sum_of(body: bytes) -> bytes:
    return b"%08x" % crc32(body)
