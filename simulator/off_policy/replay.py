"""A run's log, played once more from its seed: what the log alone cannot tell, and the truth.

A log holds what was shown and what came of it. The evaluated policy's chances of the same slates need the policy,
trained as in the run, and what it would have seen of each user. Both come from the seed, so the test is played again
for some traced users. At each request the evaluated policy's own slate is lived through too, by a copy of the user:
that is the truth about the log's requests. And the evaluated policy is played alone, as in the run's own arm.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar, final

import numpy as np
import pyarrow as pa
from jaxtyping import Int16, Int64

from policies.base import Policy, Slates
from simulator.experiment.engine import PackedPolicy, RunContext, ServingPolicies, cut_shards
from simulator.experiment.local_engine import LocalEngine
from simulator.experiment.runner import MemoryStore, Progress
from simulator.experiment.schedule import SimulationStep, TrainingStep, plan_steps
from simulator.experiment.setup import PRE, PreparedExperiment
from simulator.experiment.training import unpack_policy
from simulator.off_policy.choices import choices_of
from simulator.off_policy.features import FeatureMap
from simulator.off_policy.log import Logged, Shown, join_logged, join_shown
from simulator.rollout.catalogue import DailyCatalogue, RolloutSettings, day_ring
from simulator.rollout.day import begin_day, end_day, request_batches
from simulator.rollout.population import Block
from simulator.rollout.ranking import rank_checked, rank_traced
from simulator.rollout.request import observe, respond, simulate
from simulator.runs.checkpoint import Checkpoint, StoredFile
from user_models.dynamics.state import Response, UserState

Some: TypeAlias = tuple[Block, Int64[np.ndarray, " users"]]
"""Users of a block, by their rows."""
T = TypeVar("T")
_WAIT: Final = "playing the log again"


@final
@dataclass(frozen=True)
class Contestants:
    """The two trained policies, and the users on the eve of the test.

    Attributes:
        setting: With the logging policy as its first arm and the evaluated one as its second; its users have lived
            through the days before the test.
        logging: Trained.
        target: The evaluated one, trained.
        name: Of the evaluated policy in messages.
        features: For reward models.
    """

    setting: PreparedExperiment
    logging: Policy
    target: Policy
    name: str
    features: FeatureMap


@final
@dataclass(frozen=True)
class _Nobody:
    """Receiver of tables that nobody wants."""

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Drop a table."""


@final
@dataclass(frozen=True)
class _Day:
    """A day of the test under way."""

    contestants: Contestants
    ring: DailyCatalogue
    day: int

    @property
    def rollout(self) -> RolloutSettings:
        """Settings of the rollout."""
        return self.contestants.setting.rollout

    def log(self, some: Some) -> list[Logged]:
        """Users served by the logging policy, request by request."""
        return self._play(some, self._log)

    def own(self, some: Some) -> list[Shown]:
        """Users served by the evaluated policy, request by request."""
        return self._play(some, self._serve)

    def _play(self, some: Some, serve: Callable[[Block, Int64[np.ndarray, " rows"]], T]) -> list[T]:
        """Play the day."""
        block, users = some
        begin_day(self.rollout, block, self.day)
        rounds = range(self.contestants.setting.spec.rounds_per_day)
        batches = request_batches(self.rollout, block, self.day, rounds, users)
        parts = [serve(block, rows) for rows in batches]
        end_day(self.rollout, block)
        return parts

    def _log(self, block: Block, rows: Int64[np.ndarray, " rows"]) -> Logged:
        """Requests served by the logging policy, with the evaluated policy beside it."""
        both = self.contestants
        obs = observe(self.rollout, block, self.ring, self.day, rows)
        slates, log_propensity = rank_traced(self.rollout, block, both.logging, obs, rows)
        target = choices_of(both.target, both.name, obs, slates)
        features, at = both.features.of(obs), target.places(obs, slates)
        place_propensity = choices_of(both.logging, both.name, obs, slates).at_place
        truth = self._branch(block, rows, rank_checked(self.rollout, block, both.target, obs, rows))
        shown = self._live(block, rows, slates)  # last: what the policies see of a user changes with it
        return Logged(
            shown=shown,
            log_propensity=log_propensity,
            place_propensity=place_propensity,
            choice=np.take_along_axis(target.of_candidates, at[:, :, None], axis=2)[:, :, 0],
            place_choice=target.at_place,
            features=np.take_along_axis(features, at[:, :, None], axis=1),
            choice_features=target.of_candidates.astype(np.float32) @ features,
            truth=truth,
        )

    def _serve(self, block: Block, rows: Int64[np.ndarray, " rows"]) -> Shown:
        """Requests served by the evaluated policy."""
        obs = observe(self.rollout, block, self.ring, self.day, rows)
        return self._live(block, rows, rank_checked(self.rollout, block, self.contestants.target, obs, rows))

    def _live(self, block: Block, rows: Int64[np.ndarray, " rows"], slates: Slates) -> Shown:
        """Let users live through slates."""
        times = (block.state.request[rows], block.state.session[rows])
        response = respond(self.rollout, block, self.ring, self.day, rows, slates)
        block.state.request[rows] += 1
        return self._shown(block.user_id[rows], times, slates, response)

    def _branch(self, block: Block, rows: Int64[np.ndarray, " rows"], slates: Slates) -> Shown:
        """Let copies of users live through slates."""
        copies = UserState(*(array.copy() for array in block.state))
        response = simulate(self.rollout, block, self.ring, self.day, rows, slates, copies)
        times = (block.state.request[rows], block.state.session[rows])
        return self._shown(block.user_id[rows], times, slates, response)

    def _shown(
        self,
        user_id: Int64[np.ndarray, " rows"],
        times: tuple[Int16[np.ndarray, " rows"], Int16[np.ndarray, " rows"]],
        slates: Slates,
        response: Response,
    ) -> Shown:
        """What came of slates."""
        seen = response.viewed
        watch_s, events = np.where(seen, response.watch_s, np.float32(0)), np.where(seen, response.events, np.uint16(0))
        days = np.full(len(user_id), self.day, np.int16)
        return Shown(user_id, days, *times, slates.astype(np.int32), seen, watch_s, events)


def train(setting: PreparedExperiment, name: str, workers: int, progress: Progress) -> Contestants:
    """Play the days before the test and train the policies of both arms, as a run does; changes the users.

    Args:
        setting: Of two arms, the logging policy first.
        name: Of the evaluated policy in messages.
        workers: Threads.
        progress: Told how far it is.
    """
    context = RunContext(setting, MemoryStore(_Nobody(), len(cut_shards(setting.blocks))))
    engine = LocalEngine(workers)
    weights: tuple[PackedPolicy, ...] = ((),)
    logs: tuple[StoredFile, ...] = ()
    try:
        engine.open(context)
        engine.load_users(PRE, ())
        steps = plan_steps(setting)
        before = steps[: steps.index(TrainingStep("arms")) + 1]
        for index, step in enumerate(before):
            progress("before the test", index, len(before))
            if isinstance(step, SimulationStep):
                result = engine.play(step, ServingPolicies(weights, ()))
                weights, logs = result.policies, (*logs, *result.logs)
                context.store.write_checkpoint(Checkpoint(logs=logs))
            else:
                weights, _ = engine.train(step, logs)
    finally:
        engine.close()
    logging, target = (unpack_policy(built, w) for built, w in zip(setting.policies, weights, strict=True))
    stage = setting.rollout.platform
    return Contestants(
        setting, logging, target, name, FeatureMap.build(stage.video_table, stage.user_table, (logging, target))
    )


def replay(
    contestants: Contestants, user_id: Int64[np.ndarray, " traced"], workers: int, progress: Progress
) -> tuple[Logged, Shown]:
    """Play the test for some users under the logging policy, and once more under the evaluated one.

    Returns:
        The log with the truth about its requests, and the evaluated policy's own course of events.

    Raises:
        OfflineError: The evaluated policy draws, but tells no chances.
    """
    days, setting = contestants.setting.spec.days, contestants.setting
    some = [(block, np.flatnonzero(np.isin(block.user_id, user_id))) for block in setting.blocks]
    some = [(block, rows) for block, rows in some if len(rows)]
    others = [(block.copy(), rows) for block, rows in some]
    logged, own = list[Logged](), list[Shown]()
    with ThreadPoolExecutor(workers) as pool:
        for day in range(days):
            progress(_WAIT, day, days)
            today = _Day(contestants, day_ring(setting.rollout, day), day)
            for parts in pool.map(today.log, some):
                logged.extend(parts)
            for shown in pool.map(today.own, others):
                own.extend(shown)
    return join_logged(logged), join_shown(own)
