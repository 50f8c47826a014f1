"""Simulated impressions: run both logging policies in a world, and sample views with their latents.

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

N_SAMPLED: Final = 100_000
"""Number of sampled views per policy."""


@final
@dataclass
class Sampler:
    """A sink that adds up user-days and samples traced views, by timeline."""

    rng: np.random.Generator
    days: DaySums = field(default_factory=DaySums)
    parts: dict[str, list[pa.Table]] = field(default_factory=dict[str, list[pa.Table]])

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Add a table's totals and keep a random sample of its traced views."""
        self.days.write_parquet(name, table)
        if name.startswith("trace/"):
            rows = self.rng.permutation(table.num_rows)[:N_SAMPLED]
            self.parts.setdefault(str(table["world"][0]).removeprefix("all:"), []).append(table.take(rows))


@final
@dataclass(frozen=True)
class PolicySample:
    """Impressions sampled under one policy, with the latents needed to evaluate them in another world.

    Attributes:
        spec: Spec of the simulation.
        user: User of each view.
        video: Video of each view.
        appeal: Appeal of each view in the kernel.
        satisfaction: True satisfaction.
        hour: Hour of day.
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
        """Compute the impressions as they would be in a world whose users differ from those of the simulated one."""
        users, played_users = (drawn_users(population, self.spec) for population in (world, played))
        match, played_match = (self._match(population) for population in (users, played_users))
        added_appeal = (users.latents.appeal - played_users.latents.appeal)[self.user]
        means = profile_means(world, self.spec)
        return SampledImpressions(
            duration_s=self.videos.duration_s[self.video],
            appeal=self.appeal + added_appeal + np.float32(world.value("watch.taste")) * (match - played_match),
            match=match,
            satisfaction=self.satisfaction + np.float32(world.value("satisfaction.taste")) * (match - played_match),
            appeal_residual=(users.latents.appeal - means.appeal)[self.user],
            action=means.action[self.user] + self.videos.action[self.video],
            action_spread=np.tile(means.action_spread, (len(self.user), 1)),
            group=users.profile_code[self.user, 0].astype(np.int64),
        )

    def _match(self, population: Population) -> Float32[np.ndarray, " n"]:
        """Return the products of the users' initial tastes and the topics of their videos."""
        return np.einsum("nd,nd->n", population.latents.taste[self.user], self.videos.topic[self.video])


def drawn_users(world: World, spec: ExperimentSpec) -> Population:
    """Draw the users of a simulated test."""
    return world.draw_users(np.arange(spec.users), int(seed_word(spec.seed, "users")))


def profile_means(world: World, spec: ExperimentSpec) -> ProfileMeans:
    """Compute the means of the profiles of the users of a simulated test."""
    return world.profile_means(np.arange(spec.users), int(seed_word(spec.seed, "users")))


@final
@dataclass(frozen=True)
class CalibrationStep:
    """One calibration step: the world, its simulated rates and the sampled impressions.

    Attributes:
        world: World of the simulation.
        regimes: Rates under both policies.
        days: Totals of all users.
        samples: Impressions by logging policy.
    """

    world: World
    regimes: Regimes
    days: DaySums
    samples: dict[str, PolicySample]


def play(world: World, seed: int, users: int, workers: int) -> CalibrationStep:
    """Simulate both logging policies, and sample views with their latents."""
    spec = regime_spec(users, seed).with_trace(1.0)
    setting = prepare(spec, world)
    sink = Sampler(np.random.default_rng(seed))
    run_experiment(setting, sink, workers, _silent)
    samples = {name: _sample(setting, pa.concat_tables(parts), sink.rng) for name, parts in sink.parts.items()}
    return CalibrationStep(world, regimes_of(sink.days, spec, world.targets), sink.days, samples)


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""


def _sample(setting: PreparedExperiment, trace: pa.Table, rng: np.random.Generator) -> PolicySample:
    """Sample traced views, in random order."""
    table = trace.take(rng.permutation(trace.num_rows)[:N_SAMPLED])
    user, video, hour = (np.asarray(table[name]).astype(np.int64) for name in ("user_id", "video_id", "hour"))
    appeal, satisfaction = (np.asarray(table[f"true_{name}"]) for name in ("appeal", "satisfaction"))
    platform = setting.rollout.platform
    tag = platform.video_table.tag[video].astype(np.int64)
    return PolicySample(setting.spec, user, video, appeal, satisfaction, hour, tag, platform.videos)
