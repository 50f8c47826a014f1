"""One step of a run for one shard of the users; every engine calls this."""

from dataclasses import dataclass, field, fields, replace
from itertools import accumulate, pairwise
from typing import Final, final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from policies.base import Feedback, LearningPolicy, Policy
from policies.simple.random import RandomPolicy
from simulator.assignment import hash_share
from simulator.errors import RunFolderError
from simulator.experiment.engine import AnswerWeights, RunContext, Shard
from simulator.experiment.schedule import SimulationStep
from simulator.experiment.setup import MIXED, PreparedExperiment
from simulator.rollout.answer_bins import bin_table
from simulator.rollout.answer_model import AnswerModel
from simulator.rollout.catalogue import RolloutSettings, day_ring
from simulator.rollout.day import Timeline, canonical, end_day, play_rounds
from simulator.rollout.history_buffer import HistoryBuffer
from simulator.rollout.population import Block
from simulator.rollout.request import BlockDay, LoggingScope, Totals
from simulator.rollout.trace import trace_table
from simulator.rollout.user_day_table import user_day_table
from simulator.runs.checkpoint import FOLDER, StoredFile
from user_models.dynamics.state import UserState

_EVERYBODY: Final = 2**62
"""Larger than any user id."""


@final
@dataclass(frozen=True)
class ShardState:
    """State of a shard: its user blocks, and the totals of the day so far (both change in place)."""

    blocks: list[Block]
    totals: list[Totals]

    @staticmethod
    def fresh(blocks: list[Block]) -> "ShardState":
        """Make the state of users at the start of a day."""
        return ShardState(blocks, [Totals.zero(len(block.user_id)) for block in blocks])

    def copy(self) -> "ShardState":
        """Copy the users between two days."""
        return ShardState.fresh([block.copy() for block in self.blocks])

    def pack(self) -> bytes:
        """Encode states, histories and totals as safetensors."""
        named = {f"state.{name}": [getattr(block.state, name) for block in self.blocks] for name in UserState._fields}
        named |= {
            f"past.{f.name}": [getattr(block.past, f.name) for block in self.blocks] for f in fields(HistoryBuffer)
        }
        named |= {f"day.{f.name}": [getattr(totals, f.name) for totals in self.totals] for f in fields(Totals)}
        return save({name: np.concatenate(arrays) for name, arrays in named.items()})

    @staticmethod
    def unpack(blocks: list[Block], data: bytes) -> "ShardState":
        """Decode users written by `pack`; `blocks` gives their ids and is not changed.

        Raises:
            RunFolderError: The data are damaged or belong to other users.
        """
        ends = accumulate((len(block.user_id) for block in blocks), initial=0)
        cuts = [slice(a, b) for a, b in pairwise(ends)]
        try:
            arrays = load(data)
            return ShardState(
                [_restored(block, arrays, cut) for block, cut in zip(blocks, cuts, strict=True)],
                [Totals.restored(**{f.name: arrays[f"day.{f.name}"][cut] for f in fields(Totals)}) for cut in cuts],
            )
        except (SafetensorError, KeyError, ValueError) as error:
            remedy = f"delete {FOLDER} in the run's folder, and `--resume` starts the run anew"
            raise RunFolderError(f"users of the checkpoint: damaged ({error}); {remedy}") from None


@final
@dataclass(frozen=True)
class ShardResult:
    """Files of one shard, and feedback for `LearningPolicy.update`, by user and time."""

    feedback: Feedback | None = None
    states: StoredFile | None = None
    log: StoredFile | None = None
    tables: tuple[StoredFile, ...] = field(default=())


@final
@dataclass(frozen=True)
class LivePolicies:
    """Policies of a timeline, ready to rank, and the answer model."""

    policies: tuple[Policy, ...]
    answer_model: AnswerWeights


def play_shard(
    context: RunContext, step: SimulationStep, live: LivePolicies, shard: Shard, states: ShardState
) -> ShardResult:
    """Simulate a step for the users of a shard, and store tables, log and users; `states` changes in place."""
    setting = context.setting
    rollout = _rollout_settings(setting, live.answer_model)
    timeline = _timeline(setting, step, live, states.blocks)
    days = [BlockDay(totals) for totals in states.totals]
    scope = _logging_scope(setting, step, states.blocks)
    catalogue = day_ring(rollout, step.day)
    for block_day in enumerate(days):
        play_rounds(rollout, timeline, catalogue, step.day, list(step.rounds), scope, block_day)
    if step.ends_day:
        for block, totals in zip(states.blocks, states.totals, strict=True):
            end_day(rollout, block)
            totals.counts[:, 0] = block.state.session
    tables = _store_tables(context, step, shard, timeline, days)
    log = [views for block_day in days for views in block_day.log]
    if step.ends_day:
        states.totals[:] = ShardState.fresh(states.blocks).totals
    return ShardResult(
        feedback=canonical(log) if step.learns and log else None,
        states=_store_users(context, step, shard, states),
        log=_store_log(context, step, shard, log),
        tables=tables,
    )


def learn(setting: PreparedExperiment, timeline: str, policies: tuple[Policy, ...], feedback: list[Feedback]) -> None:
    """Update every learning policy with a round's feedback; `feedback` has one log per shard, in order.

    A policy gets the feedback of the users whom it served, or with pooled data that of all users (arXiv 2309.07107).
    """
    if not feedback:
        return
    log = Feedback.concatenate(feedback)
    served_by = setting.buckets.arm_of[log.user_id] if timeline == MIXED else np.zeros(len(log), np.int32)
    for index, policy in enumerate(policies):
        if isinstance(policy, LearningPolicy):
            policy.update(log if setting.is_pooled(policy) else log.take(served_by == index))


def unpack_log(data: bytes) -> Feedback:
    """Read a stored log."""
    arrays = load(data)
    return Feedback(**{f.name: arrays[f.name] for f in fields(Feedback)})


def _rollout_settings(setting: PreparedExperiment, answer_model: AnswerWeights) -> RolloutSettings:
    """Settings of the rollout, with the answer model once it is fitted."""
    if not answer_model:
        return setting.rollout
    return replace(setting.rollout, answer_model=AnswerModel.unpacked(answer_model))


def _timeline(setting: PreparedExperiment, step: SimulationStep, live: LivePolicies, blocks: list[Block]) -> Timeline:
    """Timeline of a shard's users and the policies that serve them."""
    policies = (RandomPolicy(),) if step.launch else live.policies
    return Timeline(step.timeline, policies, [setting.served_by(step.timeline, block) for block in blocks], blocks)


def _logging_scope(setting: PreparedExperiment, step: SimulationStep, blocks: list[Block]) -> LoggingScope:
    """Choose the users to log and trace: all users if policies learn, else the first users before the test."""
    user_id = np.concatenate([block.user_id for block in blocks])
    trace = setting.spec.trace if step.day >= 0 else 0.0
    traced = user_id[hash_share(user_id, "trace") < trace] if trace > 0 else None
    if step.learns:
        return LoggingScope(_EVERYBODY, traced)
    return LoggingScope(setting.spec.training_users if step.day < 0 else 0, traced)


def _store_tables(
    context: RunContext, step: SimulationStep, shard: Shard, timeline: Timeline, days: list[BlockDay]
) -> tuple[StoredFile, ...]:
    """Store user-days at the end of a day, except in the launch, and the trace and questionnaires of these rounds."""
    stored: list[StoredFile] = []
    strongly = context.setting.rollout.platform.world.asks_strongly
    if step.ends_day and not step.launch:
        served = context.setting.served(step.timeline)
        table = user_day_table(timeline, days, step.day, served, context.setting.buckets, asks_strongly=strongly)
        stored.append(context.store.put_table(f"user_days/{step.name}-{shard.index:04d}.parquet", table))
    name = f"{step.name}{f'-{step.rounds[0]}' if step.learns else ''}-{shard.index:04d}.parquet"
    asked = [views for block_day in days for views in block_day.asked]
    if asked and step.day >= 0:
        stored.append(context.store.put_table(f"answering/{name}", bin_table(asked, timeline.name, step.day)))
    traces = [trace for block_day in days for trace in block_day.trace]
    if traces:
        stored.append(
            context.store.put_table(f"trace/{name}", trace_table(traces, timeline.name, asks_strongly=strongly))
        )
    return tuple(stored)


def _store_users(context: RunContext, step: SimulationStep, shard: Shard, states: ShardState) -> StoredFile | None:
    """Store the users, if the store is durable."""
    if not context.store.durable:
        return None
    return context.store.put(_checkpoint_name("users", step, shard), states.pack())


def _store_log(context: RunContext, step: SimulationStep, shard: Shard, log: list[Feedback]) -> StoredFile | None:
    """Store the training log: views before the test of the first users."""
    if step.day >= 0 or not log:
        return None
    log_by_time = canonical(log)
    training_log = log_by_time.take(log_by_time.user_id < context.setting.spec.training_users)
    if not len(training_log):
        return None
    return context.store.put(
        _checkpoint_name("log", step, shard),
        save({f.name: getattr(training_log, f.name) for f in fields(training_log)}),
    )


def _checkpoint_name(kind: str, step: SimulationStep, shard: Shard) -> str:
    """Name a file of the checkpoint."""
    return f"{FOLDER}/{kind}-{step.name}-{step.rounds[-1]}-{shard.index:04d}.safetensors"


def _restored(block: Block, arrays: dict[str, np.ndarray], cut: slice) -> Block:
    """Make a block with its stored state and histories."""

    def stored_copy(now: np.ndarray, name: str) -> np.ndarray:
        stored = arrays[name][cut]
        if now.shape != stored.shape or now.dtype != stored.dtype:
            raise ValueError(f"{name} is {stored.dtype}{stored.shape}, want {now.dtype}{now.shape}")
        return stored.copy()

    state = UserState(*(stored_copy(getattr(block.state, name), f"state.{name}") for name in UserState._fields))
    past = HistoryBuffer(
        **{f.name: stored_copy(getattr(block.past, f.name), f"past.{f.name}") for f in fields(HistoryBuffer)}
    )
    return replace(block, state=state, past=past)
