"""From a spec to user-days: launch, pre-period, training, and the test under every arm.

Timeline, in days: random slates (`launch_days`), from which the pre-period's policy learns; the pre-period, in
which everybody meets that policy; then each arm's policy is trained on both logs, and day 0 begins.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, final, runtime_checkable

import numpy as np
import pyarrow as pa
import torch

from policies.base import Feedback, Log, Policy, TrainablePolicy
from policies.random import RandomPolicy
from policies.registry import build_policy
from simulator.assignment import assign, hash_share
from simulator.checkpoint import Checkpoint
from simulator.crowd import Block, Size, Stage, make_blocks, make_stage
from simulator.errors import SpecError
from simulator.line import BlockDay, Engine, Line, Wanted, canonical, play_day
from simulator.noise import seed_word
from simulator.oracle import hand_truth
from simulator.propensity import constant_model, fit_answer_model
from simulator.rollout import Course
from simulator.spec import ArmSpec, ExperimentSpec
from simulator.trace import trace_table
from simulator.user_day_table import Buckets, user_day_table
from user_models.kernel import Users
from user_models.parameters import PRESETS
from user_models.store import load_world
from user_models.world import World


@runtime_checkable
class Sink(Protocol):
    """Where tables and checkpoints go."""

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Keep a table under a relative file name."""
        ...

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep where the run stands."""
        ...

    def read_checkpoint(self, lines: list[Line]) -> Checkpoint | None:
        """Where an earlier try stood, or None to begin at the beginning."""
        ...


Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""


@final
@dataclass(frozen=True)
class Setting:
    """An experiment made ready: who is in which bucket, who serves, what all share."""

    spec: ExperimentSpec
    course: Course
    blocks: list[Block]
    buckets: Buckets
    policies: tuple[Policy, ...]
    pre_policy: Policy

    @property
    def zeros(self) -> list[np.ndarray]:
        """Everybody served by a line's only policy."""
        return [np.zeros(len(block.user_id), np.int32) for block in self.blocks]


def world_of(spec: ExperimentSpec) -> World:
    """The world that a spec asks for, with its presets and hand-set values.

    Raises:
        SpecError: An unknown world or parameter.
    """
    world = load_world(spec.world).with_values(PRESETS[spec.questionnaire])
    try:
        return world.with_values(spec.world_values)
    except KeyError as error:
        known = ", ".join(sorted(world.parameters))
        raise SpecError(f"world_values: unknown parameter {error.args[0]!r}; known: {known}") from None


def prepare(spec: ExperimentSpec, world: World) -> Setting:
    """Draw users and videos, build policies, split the users; nothing is played yet.

    Raises:
        SpecError: An unknown policy or option, or an arm that gets no user.
    """
    before = spec.launch_days + spec.pre_days
    size = Size(spec.users, spec.videos, spec.views_scale, first_day=-before, n_days=before + spec.days)
    stage, people = make_stage(world, size, spec.seed)
    course = Course(stage, spec.seed, spec.slate_size, spec.candidates, constant_model())
    policies = tuple(_build(arm, stage, people.latents) for arm in spec.arms)
    pre_policy = _build(ArmSpec(name="pre", policy=spec.pre_policy), stage, people.latents)
    shares = np.array([arm.share for arm in spec.arms])
    user_id = np.arange(spec.users, dtype=np.int64)
    arm_of = assign(user_id, shares, spec.salt)
    names = tuple(arm.name for arm in spec.arms)
    empty = [name for index, name in enumerate(names) if not (arm_of == index).any()]
    if empty:
        raise SpecError(f"users: {spec.users} given, but arm {empty[0]!r} gets none of them; want more users")
    column = stage.world.columns[0]
    buckets = Buckets(names, arm_of, column.levels, people.profile_code[:, 0].astype(np.int32))
    blocks = make_blocks(people, spec.rounds_per_day, stage.rules)
    return Setting(spec, course, blocks, buckets, policies, pre_policy)


def run_experiment(setting: Setting, sink: Sink, workers: int, progress: Progress) -> None:
    """Play an experiment, or the rest of it, and hand its tables to `sink`.

    Raises:
        RankedBadlyError: A policy broke its contract.
    """
    torch.set_num_threads(1)
    engine = Engine(workers)
    try:
        checkpoint = sink.read_checkpoint(_lines(setting))
        if checkpoint is None:
            setting = _before(setting, sink, engine, progress)
            checkpoint = Checkpoint(0, _lines(setting), setting.course.answer_model)
            sink.write_checkpoint(checkpoint)
        _test(setting, checkpoint, sink, engine, progress)
    finally:
        engine.close()


def _build(arm: ArmSpec, stage: Stage, users: Users) -> Policy:
    """An arm's policy; the oracle, and only the oracle, is handed the truth here."""
    try:
        if arm.policy == "oracle":
            return hand_truth(arm.options, stage, users)
        return build_policy(arm.policy, arm.options)
    except ValueError as error:
        raise SpecError(f"arm {arm.name!r}: {error}") from None


def _before(setting: Setting, sink: Sink, engine: Engine, progress: Progress) -> Setting:
    """Play launch and pre-period, and train every policy on their logs."""
    spec = setting.spec
    first = -spec.pre_days - spec.launch_days
    launch = _play_pre(setting, RandomPolicy(), range(first, -spec.pre_days), sink, engine, progress)
    _train([setting.pre_policy], launch, setting, engine, progress)
    pre = _play_pre(setting, setting.pre_policy, range(-spec.pre_days, 0), sink, engine, progress)
    log = canonical([launch, pre])
    _train(list(setting.policies), log, setting, engine, progress)
    model = fit_answer_model(log, setting.course.stage.videos.duration_s)
    return replace(setting, course=replace(setting.course, answer_model=model))


def _play_pre(
    setting: Setting, policy: Policy, days: range, sink: Sink, engine: Engine, progress: Progress
) -> Feedback:
    """Play days before the test with one policy for all; returns the log."""
    line = Line("pre", (policy,), setting.zeros, setting.blocks)
    log: list[Feedback] = []
    for done, day in enumerate(days):
        progress("before the test", done, len(days))
        block_days = _play(setting, line, day, Wanted(log_users=setting.spec.training_users), engine)
        log += [part for block_day in block_days for part in block_day.log]
        if day >= -setting.spec.pre_days:
            table = user_day_table(line, block_days, day, ("pre",), setting.buckets)
            sink.write_parquet(f"user_days/pre-{day + 1000:04d}.parquet", table)
    return canonical(log)


def _train(policies: list[Policy], log: Feedback, setting: Setting, engine: Engine, progress: Progress) -> None:
    """Fit the policies that can be fitted, side by side; equal seeds, so equal policies come out equal."""
    trainable = [policy for policy in policies if isinstance(policy, TrainablePolicy)]
    stage = setting.course.stage
    seed = int(seed_word(setting.spec.seed, "training") >> np.uint64(33))
    progress("training", 0, len(trainable))
    engine.map(lambda policy: policy.fit(Log(log, stage.user_table, stage.video_table), seed), trainable)


def _test(setting: Setting, start: Checkpoint, sink: Sink, engine: Engine, progress: Progress) -> None:
    """Play the test from where it stands, in every world that is wanted, day by day."""
    spec, lines = setting.spec, start.lines
    setting = replace(setting, course=replace(setting.course, answer_model=start.answer_model))
    user_id = np.arange(spec.users, dtype=np.int64)
    traced = user_id[hash_share(user_id, "trace") < spec.trace] if spec.trace > 0 else None
    for day in range(start.day, spec.days):
        for index, line in enumerate(lines):
            progress("the test", day * len(lines) + index, spec.days * len(lines))
            block_days = _play(setting, line, day, Wanted(trace=traced), engine)
            served = setting.buckets.arms if line.name == "mixed" else (line.name.removeprefix("all:"),)
            table = user_day_table(line, block_days, day, served, setting.buckets)
            sink.write_parquet(f"user_days/world{index}-{day:04d}.parquet", table)
            parts = [part for block_day in block_days for part in block_day.trace]
            if parts:
                sink.write_parquet(f"trace/world{index}-{day:04d}.parquet", trace_table(parts, line.name))
        sink.write_checkpoint(Checkpoint(day + 1, lines, start.answer_model))


def _lines(setting: Setting) -> list[Line]:
    """One line per arm for the truth, and the mixed one where it is not just a selection from those."""
    spec, policies = setting.spec, setting.policies
    arm_of = [setting.buckets.arm_of[block.user_id] for block in setting.blocks]
    mixed = Line("mixed", policies, arm_of, setting.blocks)
    if not spec.truth:
        return [mixed]
    lines = [
        Line(f"all:{arm.name}", (copy.deepcopy(policy),), setting.zeros, [block.copy() for block in setting.blocks])
        for arm, policy in zip(spec.arms, policies, strict=True)
    ]
    return [*lines, mixed] if mixed.learns else lines


def _play(setting: Setting, line: Line, day: int, wanted: Wanted, engine: Engine) -> list[BlockDay]:
    """One day of a line."""
    return play_day(setting.course, line, day, setting.spec.rounds_per_day, wanted, engine)
