"""Where a run stands after each day: every user's state and every policy, so that it can go on from there.

A checkpoint is a folder `checkpoints/day-NNNN` (NNNN: the next day to play) with `state.safetensors` and one folder
per stored policy. It is made aside and renamed, so a reader meets a whole one or none; then older ones go.
"""

import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from policies.base import TrainablePolicy
from simulator.crowd import Block, Past
from simulator.errors import RunFolderError
from simulator.line import Line
from simulator.propensity import AnswerModel
from user_models.kernel import State

_FOLDER: Final = "checkpoints"


@final
@dataclass(frozen=True)
class Checkpoint:
    """A stored moment: the next day to play, the lines as they stood, and the fitted answering model."""

    day: int
    lines: list[Line]
    answer_model: AnswerModel


def write_checkpoint(run: Path, checkpoint: Checkpoint) -> None:
    """Store a moment and remove older ones.

    Raises:
        RunFolderError: It cannot be written; the one before is untouched.
    """
    folder = run / _FOLDER
    target = folder / f"day-{checkpoint.day:04d}"
    aside = folder / f".{target.name}.part"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        save_file(_arrays(checkpoint), aside / "state.safetensors")
        for index, line in enumerate(checkpoint.lines):
            for number, policy in enumerate(line.policies):
                if isinstance(policy, TrainablePolicy):
                    policy.save(aside / f"policy-{index}-{number}")
        shutil.rmtree(target, ignore_errors=True)
        aside.rename(target)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise RunFolderError(f"{target}: cannot be written: {error}; make room and go on with --resume") from None
    for older in folder.glob("day-*"):
        if older != target:
            shutil.rmtree(older)


def read_checkpoint(run: Path, lines: list[Line]) -> Checkpoint | None:
    """The newest stored moment, or None.

    Args:
        run: The run folder.
        lines: Freshly prepared lines of the same spec; their users and policies are replaced.

    Raises:
        RunFolderError: A damaged checkpoint.
    """
    stored = sorted((run / _FOLDER).glob("day-*"))
    if not stored:
        return None
    folder = stored[-1]
    try:
        arrays = load_file(folder / "state.safetensors")
        restored = [_restore(line, index, folder, arrays) for index, line in enumerate(lines)]
        return Checkpoint(int(folder.name[-4:]), restored, AnswerModel(arrays["answer_model"]))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        message = f"{folder}: damaged checkpoint ({error}); delete it, and `--resume` starts the run anew"
        raise RunFolderError(message) from None


def _arrays(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """All state by name, users of all blocks in one array."""
    named = {"answer_model": checkpoint.answer_model.coefficients}
    for index, line in enumerate(checkpoint.lines):
        for name in State._fields:
            named[f"{index}.state.{name}"] = np.concatenate([getattr(block.state, name) for block in line.blocks])
        for name in (f.name for f in fields(Past)):
            named[f"{index}.past.{name}"] = np.concatenate([getattr(block.past, name) for block in line.blocks])
    return named


def _restore(line: Line, index: int, folder: Path, arrays: dict[str, np.ndarray]) -> Line:
    """A line with its users and policies as they were stored."""
    policies = tuple(
        type(policy).load(folder / f"policy-{index}-{number}") if isinstance(policy, TrainablePolicy) else policy
        for number, policy in enumerate(line.policies)
    )
    blocks = [_restore_block(block, int(line.blocks[0].user_id[0]), index, arrays) for block in line.blocks]
    return Line(line.name, policies, line.served_by, blocks)


def _restore_block(block: Block, first_id: int, index: int, arrays: dict[str, np.ndarray]) -> Block:
    """A block cut out of the stored arrays."""
    rows = slice(block.user_id[0] - first_id, block.user_id[-1] + 1 - first_id)

    def cut(now: np.ndarray, name: str) -> np.ndarray:
        then = arrays[f"{index}.{name}"][rows]
        if now.shape != then.shape or now.dtype != then.dtype:
            raise ValueError(f"{name} is {then.dtype}{then.shape}, want {now.dtype}{now.shape}")
        return then.copy()

    state = State(*(cut(getattr(block.state, name), f"state.{name}") for name in State._fields))
    past = Past(**{f.name: cut(getattr(block.past, f.name), f"past.{f.name}") for f in fields(Past)})
    return Block(block.user_id, block.users, state, past)
