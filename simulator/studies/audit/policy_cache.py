"""Policies that are taught once, by the first test of an audit, and serve all tests after it as they are."""

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
Taught = tuple[tuple[PackedPolicy, ...], AnswerWeights]


@final
class PolicyCache:
    """What was taught, in files `policies/<who>.safetensors` of a folder."""

    def __init__(self, folder: RunFolder) -> None:
        """Look for files there."""
        self._folder = folder

    def recall(self, who: str, n: int) -> Taught | None:
        """What was taught to these `n` policies, or None if nothing was.

        Raises:
            RunFolderError: A damaged file.
        """
        path = self._path(who)
        try:
            with suppress(FileNotFoundError):
                return _unpack(path.read_bytes(), n)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise RunFolderError(f"{path}: damaged ({error}); delete it and the replications, and begin anew") from None
        return None

    def keep(self, who: str, taught: Taught) -> None:
        """Write down what was taught."""
        weights, answers = taught
        arrays = {_ANSWERS: np.array(answers, np.float64)}
        for index, files in enumerate(weights):
            arrays |= {f"{index}/{name}": np.frombuffer(data, np.uint8) for name, data in files}
        self._folder.put(self._path(who).relative_to(self._folder.path).as_posix(), save(arrays))

    def _path(self, who: str) -> Path:
        """The file of one lesson."""
        return self._folder.path / "policies" / f"{who}.safetensors"


def _unpack(data: bytes, n: int) -> Taught:
    """What `PolicyCache.keep` wrote."""
    arrays = load(data)
    answers = tuple(float(value) for value in arrays.pop(_ANSWERS))
    weights: list[list[tuple[str, bytes]]] = [[] for _ in range(n)]
    for name in sorted(arrays):
        index, _, file = name.partition("/")
        weights[int(index)].append((file, arrays[name].tobytes()))
    return tuple(tuple(files) for files in weights), answers


@final
class CachedTrainingEngine:
    """An engine that teaches nothing which its school knows."""

    def __init__(self, engine: Engine, school: PolicyCache) -> None:
        """Let `engine` do the rest."""
        self._engine = engine
        self._school = school

    def open(self, context: RunContext) -> None:
        """See `Engine.open`."""
        self._context = context
        self._engine.open(context)

    def load_users(self, timeline: str, states: tuple[StoredFile, ...]) -> None:
        """See `Engine.load_users`."""
        self._engine.load_users(timeline, states)

    def fork(self, source: str, lines: Sequence[str]) -> None:
        """See `Engine.fork`."""
        self._engine.fork(source, lines)

    def play(self, step: SimulationStep, serving: ServingPolicies) -> StepResult:
        """See `Engine.play`."""
        return self._engine.play(step, serving)

    def train(self, step: TrainingStep, logs: tuple[StoredFile, ...]) -> Taught:
        """See `Engine.train`; a lesson is given once."""
        setting = self._context.setting
        known = self._school.recall(step.who, 1 if step.who == "pre" else len(setting.policies))
        if known is not None:
            return known
        taught = self._engine.train(step, logs)
        self._school.keep(step.who, taught)
        return taught

    def close(self) -> None:
        """See `Engine.close`."""
        self._engine.close()
