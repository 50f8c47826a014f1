"""Checkpoints of a run: the number of finished steps, and the files that hold users, policies and logs.

`checkpoints/now` is JSON and its checksum. It names every needed file, with size and checksum. Files are written first,
then `now` is replaced, then files that it no longer names are deleted. So a killed run can be resumed after its last
finished step.
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
        name: Path relative to the run folder.
        size: Number of bytes.
        crc: CRC-32 of the bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: int
    crc: int


@final
class TimelineCheckpoint(BaseModel):
    """The stored users and policies of one timeline.

    Attributes:
        standing: Files of the users' states, one per shard; empty while users are in their initial state.
        policies: Files of each policy; empty for a policy that was not trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    standing: tuple[StoredFile, ...] = ()
    policies: tuple[tuple[StoredFile, ...], ...] = ()


@final
class Checkpoint(BaseModel):
    """State of a run after a step.

    Attributes:
        done: Number of finished steps.
        steps: Number of all steps; 0 in checkpoints of earlier versions.
        answer_model: Coefficients of the fitted answering model; empty before it is fitted.
        logs: Files that policies will be trained on, in order of time.
        tables: Files of user-days and traces written so far.
        lines: Checkpoints of the timelines, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    done: int = 0
    steps: int = 0
    answer_model: tuple[float, ...] = ()
    logs: tuple[StoredFile, ...] = ()
    tables: tuple[StoredFile, ...] = ()
    lines: dict[str, TimelineCheckpoint] = {}

    def files(self) -> Iterator[StoredFile]:
        """Files of the checkpoint, without tables."""
        yield from self.logs
        for timeline in self.lines.values():
            yield from timeline.standing
            for policy in timeline.policies:
                yield from policy

    def with_timeline(self, timeline: str, checkpoint: TimelineCheckpoint) -> "Checkpoint":
        """Replace the checkpoint of one timeline."""
        return self.model_copy(update={"lines": {**self.lines, timeline: checkpoint}})

    def with_files(self, tables: tuple[StoredFile, ...], logs: tuple[StoredFile, ...]) -> "Checkpoint":
        """Add tables and logs."""
        return self.model_copy(update={"tables": (*self.tables, *tables), "logs": (*self.logs, *logs)})


def pack(checkpoint: Checkpoint) -> bytes:
    """Encode a checkpoint: JSON, a line end, and the checksum of the JSON in hexadecimal digits."""
    body = checkpoint.model_dump_json().encode()
    return body + b"\n" + _sum_of(body)


def unpack(data: bytes) -> Checkpoint:
    """Decode a checkpoint.

    Raises:
        ValueError: The data were changed, or are of another version.
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
