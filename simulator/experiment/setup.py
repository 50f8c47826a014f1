"""Preparation of an experiment: draw users and videos, build policies, split users."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Int32

from policies.base import CountingPolicy, LearningPolicy, Policy
from policies.registry import build_policy
from simulator.assignment import assign
from simulator.errors import SpecError
from simulator.noise import seed_word
from simulator.rollout.answer_model import constant_model
from simulator.rollout.catalogue import Platform, RolloutSettings, Size, draw_platform
from simulator.rollout.oracle import build_oracle
from simulator.rollout.population import Block, make_blocks
from simulator.rollout.user_day_table import Buckets
from simulator.runs.user_profiles import check_segments
from simulator.spec.experiment import ArmSpec, ExperimentSpec
from user_models.dynamics.state import Users
from user_models.world.parameters import PRESETS, faults
from user_models.world.store import load_world
from user_models.world.world import Population, World

PRE: Final = "pre"
MIXED: Final = "mixed"


@final
@dataclass(frozen=True)
class PreparedExperiment:
    """Experiment ready to run: buckets, serving policies, and shared inputs."""

    spec: ExperimentSpec
    rollout: RolloutSettings
    blocks: list[Block]
    buckets: Buckets
    policies: tuple[Policy, ...]
    pre_policy: Policy

    @property
    def timelines(self) -> tuple[str, ...]:
        """Timelines of the test: one per arm for the truth, and the mixed one if it is not a selection from those."""
        if not self.spec.truth:
            return (MIXED,)
        arms = tuple(f"all:{arm}" for arm in self.buckets.arms)
        return (*arms, MIXED) if any(isinstance(policy, LearningPolicy) for policy in self.policies) else arms

    def served(self, timeline: str) -> tuple[str, ...]:
        """Return the names of a timeline's policies."""
        return self.buckets.arms if timeline == MIXED else (timeline.removeprefix("all:"),)

    def built(self, timeline: str) -> tuple[Policy, ...]:
        """A timeline's policies, not trained."""
        if timeline == PRE:
            return (self.pre_policy,)
        return tuple(self.policies[self.buckets.arms.index(name)] for name in self.served(timeline))

    def training_seed(self, arm: int | None) -> int:
        """Return the training seed of an arm's or the pre-period's policy; arms share it unless one sets its own."""
        arm_seed = 0 if arm is None else self.spec.arms[arm].training_seed
        return int(seed_word(self.spec.seed, f"training {arm_seed}" if arm_seed else "training") >> np.uint64(33))

    def served_by(self, timeline: str, block: Block) -> Int32[np.ndarray, " users"]:
        """Return the index of the policy that serves each user of a block."""
        if timeline == MIXED:
            return self.buckets.arm_of[block.user_id]
        return np.zeros(len(block.user_id), np.int32)

    def is_pooled(self, policy: Policy) -> bool:
        """Return whether a policy learns from all buckets of the mixed timeline instead of its own."""
        counts = isinstance(policy, CountingPolicy) and self.spec.popularity == "pooled"
        return counts or self.spec.learning == "pooled"


def world_of(spec: ExperimentSpec) -> World:
    """Load a spec's world and apply its presets and overrides.

    Raises:
        SpecError: The world or a parameter is unknown, or a value is invalid.
    """
    if messages := faults(spec.world_values):
        raise SpecError(f"world_values: {messages[0]}")
    world = load_world(spec.world).with_values(PRESETS[spec.questionnaire])
    try:
        return world.with_values(spec.world_values)
    except KeyError as error:
        names = ", ".join(sorted(world.parameters))
        raise SpecError(f"world_values: unknown parameter {error.args[0]!r}; known: {names}") from None


def prepare(spec: ExperimentSpec, world: World, catalogue_seed: int | None = None) -> PreparedExperiment:
    """Draw users and videos, build policies and split the users; nothing is simulated yet.

    Args:
        spec: Spec of the experiment.
        world: World of the users and videos.
        catalogue_seed: Seed of the videos, so that other users get the same ones; the spec's seed by default.

    Raises:
        SpecError: A policy, option or feature of users is unknown, or an arm gets no user.
    """
    platform, population = platform_of(spec, world, catalogue_seed)
    check_segments(spec.segments, platform.user_table.names)
    settings = RolloutSettings(platform, spec.seed, spec.slate_size, spec.candidates, constant_model())
    policies = tuple(_build(arm, platform, population.latents) for arm in spec.arms)
    pre_policy = _build(ArmSpec(name=PRE, policy=spec.pre_policy), platform, population.latents)
    shares = np.array([arm.share for arm in spec.arms])
    user_id = np.arange(spec.users, dtype=np.int64)
    arm_of = assign(user_id, shares, spec.salt)
    names = tuple(arm.name for arm in spec.arms)
    empty = [name for index, name in enumerate(names) if not (arm_of == index).any()]
    if empty:
        raise SpecError(f"users: {spec.users} given, but arm {empty[0]!r} gets none of them; want more users")
    column = platform.world.columns[0]
    buckets = Buckets(names, arm_of, column.levels, population.profile_code[:, 0].astype(np.int32))
    blocks = make_blocks(population, spec.rounds_per_day, platform.rules)
    return PreparedExperiment(spec, settings, blocks, buckets, policies, pre_policy)


def platform_of(spec: ExperimentSpec, world: World, catalogue_seed: int | None = None) -> tuple[Platform, Population]:
    """Draw the videos and users of an experiment; for `catalogue_seed` see `prepare`."""
    days_before = spec.launch_days + spec.pre_days
    size = Size(spec.users, spec.videos, spec.views_scale, first_day=-days_before, n_days=days_before + spec.days)
    return draw_platform(world, size, spec.seed, catalogue_seed)


def _build(arm: ArmSpec, platform: Platform, users: Users) -> Policy:
    """Build an arm's policy; only the oracle gets the truth."""
    try:
        if arm.policy == "oracle":
            return build_oracle(arm.options, platform, users)
        return build_policy(arm.policy, arm.options)
    except ValueError as error:
        raise SpecError(f"arm {arm.name!r}: {error}") from None
