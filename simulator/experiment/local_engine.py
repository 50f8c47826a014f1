"""The engine of one machine: parts side by side on threads; the compiled kernels run outside Python's lock."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import final

from policies.base import Policy
from simulator.experiment.engine import (
    AnswerWeights,
    RunContext,
    ServingPolicies,
    Shard,
    StepResult,
    Weights,
    cut_parts,
)
from simulator.experiment.schedule import SimulationStep, TrainingStep
from simulator.experiment.shard import LivePolicies, ShardResult, ShardState, learn, play_part
from simulator.experiment.training import answer_weights, pack_policy, read_logs, train_policy, unpack_policy
from simulator.runs.checkpoint import StoredFile


@final
class LocalEngine:
    """Keeps users in this process."""

    def __init__(self, workers: int) -> None:
        """Start `workers` threads."""
        _calm_torch()
        self._pool = ThreadPoolExecutor(workers)
        self._standing: dict[str, list[ShardState]] = {}
        self._live: dict[str, tuple[tuple[Weights, ...], tuple[Policy, ...]]] = {}

    def open(self, hall: RunContext) -> None:
        """See `Engine.open`."""
        self._hall = hall
        self._parts = cut_parts(hall.setting.blocks)

    def load_users(self, line: str, standing: tuple[StoredFile, ...]) -> None:
        """See `Engine.load_users`."""
        if standing:
            self._standing[line] = list(self._pool.map(self._restore, self._parts, standing))
        else:
            blocks = self._hall.setting.blocks
            self._standing[line] = [ShardState.fresh(blocks[part.first : part.last]) for part in self._parts]

    def fork(self, source: str, lines: Sequence[str]) -> None:
        """See `Engine.fork`."""
        standing = self._standing.pop(source)
        for line in lines[:-1]:
            self._standing[line] = [part.copy() for part in standing]
        self._standing[lines[-1]] = standing

    def play(self, scene: SimulationStep, cast: ServingPolicies) -> StepResult:
        """See `Engine.play`."""
        policies = self._policies(scene.line, cast.policies)
        servers = LivePolicies(policies, cast.answer_model)

        def play(part: Shard, standing: ShardState) -> ShardResult:
            return play_part(self._hall, scene, servers, part, standing)

        played = list(self._pool.map(play, self._parts, self._standing[scene.line]))
        weights = cast.policies
        if scene.learns:
            learn(self._hall.setting, scene.line, policies, [p.feedback for p in played if p.feedback is not None])
            weights = tuple(pack_policy(policy) for policy in policies)
            self._live[scene.line] = (weights, policies)
        return gathered(played, weights)

    def train(self, lesson: TrainingStep, logs: tuple[StoredFile, ...]) -> tuple[tuple[Weights, ...], AnswerWeights]:
        """See `Engine.train`."""
        setting = self._hall.setting
        log = read_logs(self._hall, logs)
        if lesson.who == "pre":
            return (train_policy(self._hall, None, log),), ()
        weights = tuple(self._pool.map(partial(train_policy, self._hall, log=log), range(len(setting.policies))))
        return weights, answer_weights(self._hall, log)

    def close(self) -> None:
        """See `Engine.close`."""
        self._pool.shutdown(cancel_futures=True)

    def _restore(self, part: Shard, kept: StoredFile) -> ShardState:
        """A part's users as they were kept."""
        blocks = self._hall.setting.blocks[part.first : part.last]
        return ShardState.unpack(blocks, self._hall.store.get(kept))

    def _policies(self, line: str, weights: tuple[Weights, ...]) -> tuple[Policy, ...]:
        """Live policies of a line, unpacked anew only where other weights are wanted."""
        known = self._live.get(line)
        if known is not None and known[0] is weights:
            return known[1]
        built = self._hall.setting.built(line)
        live = tuple(unpack_policy(policy, w) for policy, w in zip(built, weights, strict=True))
        self._live[line] = (weights, live)
        _calm_torch()
        return live


def _calm_torch() -> None:
    """Keep torch, if a policy has loaded it, to one thread: sums of floats depend on how many there are."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def gathered(played: Sequence[ShardResult], policies: tuple[Weights, ...]) -> StepResult:
    """What all parts leave behind, in order."""
    return StepResult(
        standing=tuple(part.standing for part in played if part.standing is not None),
        tables=tuple(kept for part in played for kept in part.tables),
        logs=tuple(part.log for part in played if part.log is not None),
        policies=policies,
    )
