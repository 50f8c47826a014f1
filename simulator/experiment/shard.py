"""One part of the users through one scene: the function that every engine runs, here or on another machine."""

from dataclasses import dataclass, field, fields, replace
from itertools import accumulate, pairwise
from typing import Final, final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from policies.base import Feedback, LearningPolicy, Policy
from policies.simple.random import RandomPolicy
from simulator.errors import RunFolderError
from simulator.experiment.assignment import hash_share
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
from user_models.dynamics.kernel import UserState

_EVERYBODY: Final = 2**62
"""More than any user id."""


@final
@dataclass(frozen=True)
class ShardState:
    """Where the users of a part stand: their blocks, and the totals of the day so far (both change in place)."""

    blocks: list[Block]
    totals: list[Totals]

    @staticmethod
    def fresh(blocks: list[Block]) -> "ShardState":
        """A new day begins."""
        return ShardState(blocks, [Totals.zero(len(block.user_id)) for block in blocks])

    def copy(self) -> "ShardState":
        """The same users at the same moment between two days, free to take another course."""
        return ShardState.fresh([block.copy() for block in self.blocks])

    def pack(self) -> bytes:
        """All that changes, as safetensors."""
        named = {f"state.{name}": [getattr(block.state, name) for block in self.blocks] for name in UserState._fields}
        named |= {
            f"past.{f.name}": [getattr(block.past, f.name) for block in self.blocks] for f in fields(HistoryBuffer)
        }
        named |= {f"day.{f.name}": [getattr(totals, f.name) for totals in self.totals] for f in fields(Totals)}
        return save({name: np.concatenate(arrays) for name, arrays in named.items()})

    @staticmethod
    def unpack(blocks: list[Block], data: bytes) -> "ShardState":
        """What `pack` gave, of the same users; `blocks` says who they are and stays as it is.

        Raises:
            RunFolderError: Something else.
        """
        ends = accumulate((len(block.user_id) for block in blocks), initial=0)
        cuts = [slice(a, b) for a, b in pairwise(ends)]
        try:
            arrays = load(data)
            return ShardState(
                [_as_kept(block, arrays, cut) for block, cut in zip(blocks, cuts, strict=True)],
                [Totals(**{f.name: arrays[f"day.{f.name}"][cut].copy() for f in fields(Totals)}) for cut in cuts],
            )
        except (SafetensorError, KeyError, ValueError) as error:
            remedy = f"delete {FOLDER} in the run's folder, and `--resume` starts the run anew"
            raise RunFolderError(f"users of the checkpoint: damaged ({error}); {remedy}") from None


@final
@dataclass(frozen=True)
class ShardResult:
    """What one part leaves behind; `feedback` is what learning policies are owed, in canonical order."""

    feedback: Feedback | None = None
    standing: StoredFile | None = None
    log: StoredFile | None = None
    tables: tuple[StoredFile, ...] = field(default=())


@final
@dataclass(frozen=True)
class LivePolicies:
    """Live policies of a line, and the answering model."""

    policies: tuple[Policy, ...]
    answer_model: AnswerWeights


def play_part(
    hall: RunContext, scene: SimulationStep, servers: LivePolicies, part: Shard, standing: ShardState
) -> ShardResult:
    """Play a scene with a part's users, who are changed by it, and keep what it leaves behind."""
    setting = hall.setting
    course = _course(setting, servers.answer_model)
    line = _line(setting, scene, servers, standing.blocks)
    days = [BlockDay(totals) for totals in standing.totals]
    wanted = _wanted(setting, scene, standing.blocks)
    ring = day_ring(course, scene.day)
    for block_day in enumerate(days):
        play_rounds(course, line, ring, scene.day, list(scene.rounds), wanted, block_day)
    if scene.ends_day:
        for block, totals in zip(standing.blocks, standing.totals, strict=True):
            end_day(course, block)
            totals.counts[:, 0] = block.state.session
    tables = _keep_tables(hall, scene, part, line, days)
    log = [piece for block_day in days for piece in block_day.log]
    if scene.ends_day:
        standing.totals[:] = ShardState.fresh(standing.blocks).totals
    return ShardResult(
        feedback=canonical(log) if scene.learns and log else None,
        standing=_keep_standing(hall, scene, part, standing),
        log=_keep_log(hall, scene, part, log),
        tables=tables,
    )


def learn(setting: PreparedExperiment, line: str, policies: tuple[Policy, ...], feedback: list[Feedback]) -> None:
    """Give every learning policy a round's feedback from the users that it is owed; one log per part, in order.

    Those are the users that it served, or with pooled data everybody (arXiv 2309.07107: arms that learn from one log).
    """
    if not feedback:
        return
    log = Feedback.concatenate(feedback)
    served_by = setting.buckets.arm_of[log.user_id] if line == MIXED else np.zeros(len(log), np.int32)
    for index, policy in enumerate(policies):
        if isinstance(policy, LearningPolicy):
            policy.update(log if setting.is_pooled(policy) else log.take(served_by == index))


def unpack_log(data: bytes) -> Feedback:
    """A log as it was kept."""
    arrays = load(data)
    return Feedback(**{f.name: arrays[f.name] for f in fields(Feedback)})


def _course(setting: PreparedExperiment, answer_model: AnswerWeights) -> RolloutSettings:
    """The course of events, with the answering model once it is fitted."""
    if not answer_model:
        return setting.course
    return replace(setting.course, answer_model=AnswerModel.unpacked(answer_model))


def _line(setting: PreparedExperiment, scene: SimulationStep, servers: LivePolicies, blocks: list[Block]) -> Timeline:
    """A part's users under who serves them."""
    policies = (RandomPolicy(),) if scene.launch else servers.policies
    return Timeline(scene.line, policies, [setting.served_by(scene.line, block) for block in blocks], blocks)


def _wanted(setting: PreparedExperiment, scene: SimulationStep, blocks: list[Block]) -> LoggingScope:
    """What is logged of a part: everybody where policies learn, the first users before the test; traces in the test."""
    user_id = np.concatenate([block.user_id for block in blocks])
    trace = setting.spec.trace if scene.day >= 0 else 0.0
    traced = user_id[hash_share(user_id, "trace") < trace] if trace > 0 else None
    if scene.learns:
        return LoggingScope(_EVERYBODY, traced)
    return LoggingScope(setting.spec.training_users if scene.day < 0 else 0, traced)


def _keep_tables(
    hall: RunContext, scene: SimulationStep, part: Shard, line: Timeline, days: list[BlockDay]
) -> tuple[StoredFile, ...]:
    """User-days of a day that is over, except those of the launch; the trace and questionnaires of these rounds."""
    kept: list[StoredFile] = []
    if scene.ends_day and not scene.launch:
        served = hall.setting.served(scene.line)
        table = user_day_table(line, days, scene.day, served, hall.setting.buckets)
        kept.append(hall.store.put_table(f"user_days/{scene.name}-{part.index:04d}.parquet", table))
    name = f"{scene.name}{f'-{scene.rounds[0]}' if scene.learns else ''}-{part.index:04d}.parquet"
    asked = [views for block_day in days for views in block_day.asked]
    if asked and scene.day >= 0:
        kept.append(hall.store.put_table(f"answering/{name}", bin_table(asked, line.name, scene.day)))
    traces = [trace for block_day in days for trace in block_day.trace]
    if traces:
        kept.append(hall.store.put_table(f"trace/{name}", trace_table(traces, line.name)))
    return tuple(kept)


def _keep_standing(hall: RunContext, scene: SimulationStep, part: Shard, standing: ShardState) -> StoredFile | None:
    """The users, for whoever goes on from here."""
    if not hall.store.durable:
        return None
    return hall.store.put(_kept_name("users", scene, part), standing.pack())


def _keep_log(hall: RunContext, scene: SimulationStep, part: Shard, log: list[Feedback]) -> StoredFile | None:
    """What policies will be trained on: views before the test of the first users."""
    if scene.day >= 0 or not log:
        return None
    everybody = canonical(log)
    mine = everybody.take(everybody.user_id < hall.setting.spec.training_users)
    if not len(mine):
        return None
    return hall.store.put(_kept_name("log", scene, part), save({f.name: getattr(mine, f.name) for f in fields(mine)}))


def _kept_name(what: str, scene: SimulationStep, part: Shard) -> str:
    """A file of the checkpoint."""
    return f"{FOLDER}/{what}-{scene.name}-{scene.rounds[-1]}-{part.index:04d}.safetensors"


def _as_kept(block: Block, arrays: dict[str, np.ndarray], cut: slice) -> Block:
    """A block as it was kept."""

    def then(now: np.ndarray, name: str) -> np.ndarray:
        kept = arrays[name][cut]
        if now.shape != kept.shape or now.dtype != kept.dtype:
            raise ValueError(f"{name} is {kept.dtype}{kept.shape}, want {now.dtype}{now.shape}")
        return kept.copy()

    state = UserState(*(then(getattr(block.state, name), f"state.{name}") for name in UserState._fields))
    past = HistoryBuffer(**{f.name: then(getattr(block.past, f.name), f"past.{f.name}") for f in fields(HistoryBuffer)})
    return replace(block, state=state, past=past)
