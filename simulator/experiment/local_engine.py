"""The engine of one machine: shards on threads; the compiled kernels run outside Python's lock."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import final

from policies.base import Policy
from simulator.experiment.engine import (
    AnswerWeights,
    PackedPolicy,
    RunContext,
    ServingPolicies,
    Shard,
    StepResult,
    cut_shards,
)
from simulator.experiment.schedule import SimulationStep, TrainingStep
from simulator.experiment.shard import LivePolicies, ShardResult, ShardState, learn, play_shard
from simulator.experiment.training import answer_weights, pack_policy, read_logs, train_policy, unpack_policy
from simulator.runs.checkpoint import StoredFile


@final
class LocalEngine:
    """Holds users in this process."""

    def __init__(self, workers: int) -> None:
        """Start `workers` threads."""
        _calm_torch()
        self._pool = ThreadPoolExecutor(workers)
        self._states: dict[str, list[ShardState]] = {}
        self._live: dict[str, tuple[tuple[PackedPolicy, ...], tuple[Policy, ...]]] = {}

    def open(self, context: RunContext) -> None:
        """Cut the users into shards."""
        self._context = context
        self._shards = cut_shards(context.setting.blocks)

    def load_users(self, timeline: str, states: tuple[StoredFile, ...]) -> None:
        """Load a timeline's user states from storage; start from the initial population if none is stored."""
        if states:
            self._states[timeline] = list(self._pool.map(self._restore, self._shards, states))
        else:
            blocks = self._context.setting.blocks
            self._states[timeline] = [ShardState.fresh(blocks[shard.first : shard.last]) for shard in self._shards]

    def fork(self, source: str, timelines: Sequence[str]) -> None:
        """Start timelines from copies of the current state of `source`, which is dropped."""
        states = self._states.pop(source)
        for timeline in timelines[:-1]:
            self._states[timeline] = [shard.copy() for shard in states]
        self._states[timelines[-1]] = states

    def play(self, step: SimulationStep, serving: ServingPolicies) -> StepResult:
        """Simulate one step of a timeline on all shards."""
        policies = self._policies(step.timeline, serving.policies)
        live = LivePolicies(policies, serving.answer_model)

        def play(shard: Shard, states: ShardState) -> ShardResult:
            return play_shard(self._context, step, live, shard, states)

        results = list(self._pool.map(play, self._shards, self._states[step.timeline]))
        weights = serving.policies
        if step.learns:
            learn(
                self._context.setting, step.timeline, policies, [p.feedback for p in results if p.feedback is not None]
            )
            weights = tuple(pack_policy(policy) for policy in policies)
            self._live[step.timeline] = (weights, policies)
        return collect_results(results, weights)

    def train(self, step: TrainingStep, logs: tuple[StoredFile, ...]) -> tuple[tuple[PackedPolicy, ...], AnswerWeights]:
        """Train the policies of a step on logs."""
        setting = self._context.setting
        log = read_logs(self._context, logs)
        if step.who == "pre":
            return (train_policy(self._context, None, log),), ()
        weights = tuple(self._pool.map(partial(train_policy, self._context, log=log), range(len(setting.policies))))
        return weights, answer_weights(self._context, log)

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _restore(self, shard: Shard, stored: StoredFile) -> ShardState:
        """Load a shard's users."""
        blocks = self._context.setting.blocks[shard.first : shard.last]
        return ShardState.unpack(blocks, self._context.store.get(stored))

    def _policies(self, timeline: str, weights: tuple[PackedPolicy, ...]) -> tuple[Policy, ...]:
        """Unpack the policies of a timeline, unless they have the same weights as before."""
        cached = self._live.get(timeline)
        if cached is not None and cached[0] is weights:
            return cached[1]
        built = self._context.setting.built(timeline)
        live = tuple(unpack_policy(policy, w) for policy, w in zip(built, weights, strict=True))
        self._live[timeline] = (weights, live)
        _calm_torch()
        return live


def _calm_torch() -> None:
    """Limit torch, if it is loaded, to one thread: sums of floats depend on the number of threads."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def collect_results(results: Sequence[ShardResult], policies: tuple[PackedPolicy, ...]) -> StepResult:
    """Join the results of all shards, in order."""
    return StepResult(
        states=tuple(shard.states for shard in results if shard.states is not None),
        tables=tuple(stored for shard in results for stored in shard.tables),
        logs=tuple(shard.log for shard in results if shard.log is not None),
        policies=policies,
    )
