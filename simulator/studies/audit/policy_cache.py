"""Policies that are trained once, in the first test of an audit, and serve all later tests unchanged."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from simulator.errors import RunFolderError
from simulator.experiment.engine import AnswerWeights, Engine, PackedPolicy, RunContext, ServingPolicies, StepResult
from simulator.experiment.schedule import SimulationStep, TrainingStep
from simulator.runs.checkpoint import StoredFile
from simulator.runs.folder import RunFolder

_ANSWERS: Final = "answers"
TrainedPolicies = tuple[tuple[PackedPolicy, ...], AnswerWeights]


@final
class PolicyCache:
    """Trained policies, in files `policies/<group>.safetensors` of a folder."""

    def __init__(self, folder: RunFolder) -> None:
        """Use the files of a folder."""
        self._folder = folder

    def recall(self, group: str, n: int) -> TrainedPolicies | None:
        """Read the `n` trained policies of a group; None if they are not stored.

        Raises:
            RunFolderError: The file is damaged.
        """
        path = self._path(group)
        try:
            with suppress(FileNotFoundError):
                return _unpack(path.read_bytes(), n)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise RunFolderError(f"{path}: damaged ({error}); delete it and the replications, and begin anew") from None
        return None

    def keep(self, group: str, trained: TrainedPolicies) -> None:
        """Store trained policies."""
        weights, answers = trained
        arrays = {_ANSWERS: np.array(answers, np.float64)}
        for index, files in enumerate(weights):
            arrays |= {f"{index}/{name}": np.frombuffer(data, np.uint8) for name, data in files}
        self._folder.put(self._path(group).relative_to(self._folder.path).as_posix(), save(arrays))

    def _path(self, group: str) -> Path:
        """Path of a group's file."""
        return self._folder.path / "policies" / f"{group}.safetensors"


def _unpack(data: bytes, n: int) -> TrainedPolicies:
    """Decode a file that `PolicyCache.keep` wrote."""
    arrays = load(data)
    answers = tuple(float(value) for value in arrays.pop(_ANSWERS))
    weights: list[list[tuple[str, bytes]]] = [[] for _ in range(n)]
    for name in sorted(arrays):
        index, _, file = name.partition("/")
        weights[int(index)].append((file, arrays[name].tobytes()))
    return tuple(tuple(files) for files in weights), answers


@final
class CachedTrainingEngine:
    """An engine that takes trained policies from a cache."""

    def __init__(self, engine: Engine, cache: PolicyCache) -> None:
        """Use `engine` for everything but cached training."""
        self._engine = engine
        self._school = cache

    def open(self, context: RunContext) -> None:
        """See `Engine.open`."""
        self._context = context
        self._engine.open(context)

    def load_users(self, timeline: str, states: tuple[StoredFile, ...]) -> None:
        """See `Engine.load_users`."""
        self._engine.load_users(timeline, states)

    def fork(self, source: str, timelines: Sequence[str]) -> None:
        """See `Engine.fork`."""
        self._engine.fork(source, timelines)

    def play(self, step: SimulationStep, serving: ServingPolicies) -> StepResult:
        """See `Engine.play`."""
        return self._engine.play(step, serving)

    def train(self, step: TrainingStep, logs: tuple[StoredFile, ...]) -> TrainedPolicies:
        """See `Engine.train`; a group of policies is trained once."""
        setting = self._context.setting
        cached = self._school.recall(step.who, 1 if step.who == "pre" else len(setting.policies))
        if cached is not None:
            return cached
        trained = self._engine.train(step, logs)
        self._school.keep(step.who, trained)
        return trained

    def close(self) -> None:
        """See `Engine.close`."""
        self._engine.close()
