"""Trials of a calibration: both regimes played in a world, and a sample of the views with what decided them.

Axes: `n` sampled views.
"""

from dataclasses import dataclass, field
from typing import Final, final

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64

from simulator.experiment.runner import PreparedExperiment, prepare, run_experiment
from simulator.noise import seed_word
from simulator.spec.experiment import ExperimentSpec
from simulator.validation.policy_rates import DaySums, Regimes, regime_spec, regimes_of
from user_models.dynamics.state import Videos
from user_models.fit.matching.expected_outcomes import SampledImpressions
from user_models.world.world import Population, ProfileMeans, World

MEETINGS: Final = 100_000
"""Views under each policy that are kept."""


@final
@dataclass
class Sampler:
    """A sink that adds up user-days and keeps a random part of the traced views, line by line."""

    rng: np.random.Generator
    days: DaySums = field(default_factory=DaySums)
    parts: dict[str, list[pa.Table]] = field(default_factory=dict[str, list[pa.Table]])

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Take what is wanted of a table, and let it go."""
        self.days.write_parquet(name, table)
        if name.startswith("trace/"):
            kept = self.rng.permutation(table.num_rows)[:MEETINGS]
            self.parts.setdefault(str(table["world"][0]).removeprefix("all:"), []).append(table.take(kept))


@final
@dataclass(frozen=True)
class PolicySample:
    """Sampled views under one policy, with what it takes to see them with other eyes.

    Attributes:
        spec: What was played.
        user: Who.
        video: What.
        appeal: As the kernel drew on it.
        satisfaction: True.
        hour: When.
        tag: Topic of the video.
        videos: Latents of the catalogue.
    """

    spec: ExperimentSpec
    user: Int64[np.ndarray, " n"]
    video: Int64[np.ndarray, " n"]
    appeal: Float32[np.ndarray, " n"]
    satisfaction: Float32[np.ndarray, " n"]
    hour: Int64[np.ndarray, " n"]
    tag: Int64[np.ndarray, " n"]
    videos: Videos

    def as_impressions_in(self, world: World, played: World) -> SampledImpressions:
        """The meetings as they would be in a world whose users differ from those of the one that was played."""
        now, then = (people(each, self.spec) for each in (world, played))
        match, before = (self._match(each) for each in (now, then))
        moved = (now.latents.appeal - then.latents.appeal)[self.user]
        alike = kin(world, self.spec)
        return SampledImpressions(
            duration_s=self.videos.duration_s[self.video],
            appeal=self.appeal + moved + np.float32(world.value("watch.taste")) * (match - before),
            match=match,
            satisfaction=self.satisfaction + np.float32(world.value("satisfaction.taste")) * (match - before),
            luck=(now.latents.appeal - alike.appeal)[self.user],
            action=alike.action[self.user] + self.videos.action[self.video],
            action_spread=np.tile(alike.action_spread, (len(self.user), 1)),
            group=now.profile_code[self.user, 0].astype(np.int64),
        )

    def _match(self, population: Population) -> Float32[np.ndarray, " n"]:
        """Products of the users' tastes, as they were at first, and the topics of what they saw."""
        return np.einsum("nd,nd->n", population.latents.taste[self.user], self.videos.topic[self.video])


def people(world: World, spec: ExperimentSpec) -> Population:
    """The users of a trial."""
    return world.draw_users(np.arange(spec.users), int(seed_word(spec.seed, "users")))


def kin(world: World, spec: ExperimentSpec) -> ProfileMeans:
    """What users like those of a trial are on average."""
    return world.profile_means(np.arange(spec.users), int(seed_word(spec.seed, "users")))


@final
@dataclass(frozen=True)
class CalibrationStep:
    """A world that was tried, and what came of it.

    Attributes:
        world: As it was played.
        regimes: Its figures.
        days: Everybody's totals.
        seen: Views by policy.
    """

    world: World
    regimes: Regimes
    days: DaySums
    seen: dict[str, PolicySample]


def play(world: World, seed: int, users: int, workers: int) -> CalibrationStep:
    """Play both regimes, and keep a sample of the views with their latents."""
    spec = regime_spec(users, seed).model_copy(update={"trace": 1.0})
    setting = prepare(spec, world)
    sink = Sampler(np.random.default_rng(seed))
    run_experiment(setting, sink, workers, _silent)
    seen = {name: _seen(setting, pa.concat_tables(parts), sink.rng) for name, parts in sink.parts.items()}
    return CalibrationStep(world, regimes_of(sink.days, spec), sink.days, seen)


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""


def _seen(setting: PreparedExperiment, trace: pa.Table, rng: np.random.Generator) -> PolicySample:
    """A sample of traced views, in random order."""
    table = trace.take(rng.permutation(trace.num_rows)[:MEETINGS])
    user, video, hour = (np.asarray(table[name]).astype(np.int64) for name in ("user_id", "video_id", "hour"))
    appeal, satisfaction = (np.asarray(table[f"true_{name}"]) for name in ("appeal", "satisfaction"))
    stage = setting.course.stage
    tag = stage.video_table.tag[video].astype(np.int64)
    return PolicySample(setting.spec, user, video, appeal, satisfaction, hour, tag, stage.videos)
