"""Days of a few users, played by the engine that runs use: policies are objects, users any blocks."""

from dataclasses import dataclass, field

import numpy as np

from policies.base import Feedback, top_k
from simulator.experiment.engine import RunContext, ServingPolicies, cut_shards
from simulator.experiment.local_engine import LocalEngine
from simulator.experiment.runner import MemoryStore
from simulator.experiment.schedule import day_steps
from simulator.experiment.setup import PreparedExperiment
from simulator.experiment.training import read_logs
from simulator.rollout.answer_model import constant_model
from simulator.rollout.catalogue import RolloutSettings, draw_platform
from simulator.rollout.population import make_blocks
from simulator.rollout.user_day_table import Buckets
from simulator.runs.checkpoint import Checkpoint
from simulator.spec.experiment import ArmSpec, ExperimentSpec
from simulator.user_days import COUNTS, SUMS


class Noisy:
    """Ranks at random, from its noise."""

    def rank(self, obs, k, noise):
        return top_k(obs, noise.uniform("test", obs.candidates.shape[1]), k)


class Learner(Noisy):
    """Keeps the feedback that it is given; the engine's copies of it are itself."""

    def __init__(self):
        self.updates: list[Feedback] = []

    def update(self, feedback):
        self.updates.append(feedback)

    def fit(self, log, seed): ...

    def save(self, folder): ...

    @classmethod
    def load(cls, folder): ...

    def __deepcopy__(self, memo):
        return self


@dataclass
class Days:
    """What was played: per day, user-days and trace as frames; the log for training."""

    user_days: list = field(default_factory=list)
    traces: list = field(default_factory=list)
    log: Feedback | None = None

    def write_parquet(self, name, table):
        if name.startswith("user_days/"):
            self.user_days.append(table.to_pandas())
        if name.startswith("trace/"):
            self.traces.append(table.to_pandas())

    @property
    def totals(self):
        """All totals, one row per day and user."""
        return np.stack([frame.reindex(columns=[*COUNTS, *SUMS], fill_value=0).to_numpy() for frame in self.user_days])


def prepared(world, size, policies, arm_of=None, seed=0, slate_size=6, rounds=2, block_users=None, **keys):
    """An experiment on 20 candidates whose arms `a` and `b` are served by these policies."""
    platform, people = draw_platform(world, size, seed)
    names = ("a", "b")
    spec = ExperimentSpec(
        name="days",
        users=size.users,
        rounds_per_day=rounds,
        arms=tuple(ArmSpec(name=name, policy="random") for name in names),
        **keys,
    )
    nobody = np.zeros(size.users, np.int32)
    buckets = Buckets(names, nobody if arm_of is None else arm_of, ("all",), nobody)
    settings = RolloutSettings(platform, seed, slate_size, 20, constant_model())
    blocks = make_blocks(people, rounds, platform.rules, block_users)
    return PreparedExperiment(spec, settings, blocks, buckets, tuple(policies), policies[0])


def play(setting, timeline="all:a", days=(0, 1), workers=1):
    """Play some days of a timeline; the users of `setting` are changed by it."""
    out, engine = Days(), LocalEngine(workers)
    context = RunContext(setting, MemoryStore(out, len(cut_shards(setting.blocks))))
    serving = ServingPolicies(tuple(() for _ in setting.built(timeline)), ())
    logs = ()
    try:
        engine.open(context)
        engine.load_users(timeline, ())
        for step in (step for day in days for step in day_steps(setting, timeline, "days", day)):
            result = engine.play(step, serving)
            serving = ServingPolicies(result.policies, ())
            logs += result.logs
            context.store.write_checkpoint(Checkpoint(logs=logs))
        out.log = read_logs(context, logs) if logs else None
    finally:
        engine.close()
    return out
