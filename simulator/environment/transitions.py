"""Transitions for offline reinforcement learning from a run's trace: one per view, with logging propensities.

An episode is one user's day. The observation is what `policies.agents.flat_observation.Numbers.about` says of the user
when the slate was asked for, with the views of the trace as their history; the action is the row of
`Numbers.candidates` of the video that was shown; the reward is of one view.

Axes: `rows` views, by user, then time; `requests` slates asked for; `n` candidates of one; `c` numbers of a request;
`p` of a candidate.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from jaxtyping import Bool, Float32, Float64, Int, Int32, Int64

from policies.agents.flat_observation import numbers_of
from policies.base import Event, Feedback, FixedHistory, History, Observation
from policies.events import events_logged
from policies.histories import find_requests, gather_history
from policies.registry import propensity
from simulator.assignment import assign
from simulator.environment.rewards import REWARDS
from simulator.errors import RunFolderError, SpecError
from simulator.experiment.setup import stage_of, world_of
from simulator.reports.trace import trace_fault
from simulator.rollout.answer_model import constant_model
from simulator.rollout.catalogue import Platform, RolloutSettings, day_ring
from simulator.rollout.history_buffer import HISTORY
from simulator.rollout.request import on_offer
from simulator.spec.experiment import ExperimentSpec, load_spec

_TOGETHER: Final = 20_000
"""Views that are turned into numbers at once."""
_LOGGED: Final = ("user_id", "video_id", "day", "hour", "request", "position", "watch_s", "answer", "world")
TRUTH: Final = ("true_satisfaction", "true_appeal")


@final
@dataclass(frozen=True)
class Transitions:
    """Views in order, as numbers.

    Attributes:
        name: Of the test and the arm.
        observations: Of the request that each view belongs to.
        actions: Of the video shown.
        rewards: Of the view.
        timeouts: True at the last view of an episode: a day is over, the user is not, so nothing terminates.
        costs: 1 where the user hated the video.
        propensity: Chance with which the arm's policy would show this video at this place, given those above it; NaN
            where the policy cannot tell.
        offered: Candidates of each request, in the order on offer.
        request: Which request of `offered` each view belongs to.
        trace: The rows they come from, latents left out.
    """

    name: str
    observations: Float32[np.ndarray, "rows c"]
    actions: Float32[np.ndarray, "rows p"]
    rewards: Float64[np.ndarray, " rows"]
    timeouts: Bool[np.ndarray, " rows"]
    costs: Float64[np.ndarray, " rows"]
    propensity: Float64[np.ndarray, " rows"]
    offered: Int32[np.ndarray, "requests n"]
    request: Int64[np.ndarray, " rows"]
    trace: pd.DataFrame

    def __len__(self) -> int:
        return len(self.rewards)

    def candidates(self, rows: slice) -> Int32[np.ndarray, "some n"]:
        """The candidates of the request that each of some views belongs to."""
        return self.offered[self.request[rows]]

    def following(self) -> Int64[np.ndarray, " rows"]:
        """Return the row of the next observation, on the user's next day if need be; a user's last row is its own."""
        user_id = self.trace["user_id"].to_numpy()
        return np.arange(len(self)) + np.append(user_id[1:] == user_id[:-1], False)


def read_transitions(folder: Path, arm: str | None, reward: str) -> Transitions:
    """The traced views of one arm.

    Args:
        folder: A run folder with a trace.
        arm: Whose views: those of every traced user under that arm, or with `truth = false` those of its bucket; the
            control's if None.
        reward: A name from `simulator.environment.rewards.REWARDS`.

    Raises:
        RunFolderError: No trace, a damaged one, or one of another world than the spec's is now.
        SpecError: An unknown arm or reward, or a policy that tells no chances though it says so.
    """
    if reward not in REWARDS:
        raise SpecError(f"--reward: {reward!r} given, want one of {', '.join(REWARDS)}")
    spec = load_spec(str(folder / "spec.toml"))
    names = [each.name for each in spec.arms]
    arm = arm or spec.control.name
    if arm not in names:
        raise SpecError(f"--arm: {arm!r} given, want one of {', '.join(names)}")
    trace = _trace(folder, spec, arm)
    log = _feedback(trace)
    worth = REWARDS[reward](log)
    days = np.stack([log.user_id, log.day.astype(np.int32)])
    ends = np.append((np.diff(days) != 0).any(axis=0), True)
    policy = next(each.policy for each in spec.arms if each.name == arm)
    stage = stage_of(spec, world_of(spec))[0]
    if fault := _id_fault("video_id", log.video_id, len(stage.video_table.duration_s)):  # later days add videos
        raise RunFolderError(f"{folder / 'trace'}: {fault}; run the spec anew")
    offered, request = _offered(
        log, RolloutSettings(stage, spec.seed, spec.slate_size, spec.candidates, constant_model()), folder
    )
    observations, actions = _numbers(log, stage)
    chance = _propensity(policy, log, spec)
    costs = log.has(Event.HATE).astype(np.float64)
    name = f"{spec.name}-{arm}"
    return Transitions(name, observations, actions, worth, ends, costs, chance, offered, request, trace)


def _trace(folder: Path, spec: ExperimentSpec, arm: str) -> pd.DataFrame:
    """Traced views of an arm, by user, then time; latents left out."""
    line = f"all:{arm}" if spec.truth else "mixed"
    if not (folder / "trace").is_dir():
        raise RunFolderError(f"{folder}: holds no trace; run the spec with trace = 1.0, or a share of the users")
    try:
        table = ds.dataset((folder / "trace").absolute(), format="parquet").to_table(filter=ds.field("world") == line)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        first = str(error).partition("\n")[0]
        raise RunFolderError(f"{folder / 'trace'}: cannot be read: {first}; run the spec anew") from None
    if fault := _fault(table, spec):
        raise RunFolderError(f"{folder / 'trace'}: {fault}; run the spec anew")
    frame = table.drop_columns([name for name in (*TRUTH, "world") if name in table.column_names]).to_pandas()
    if not spec.truth:
        frame = frame[_in_bucket(frame["user_id"].to_numpy(np.int64), spec, arm)]
    if len(frame) == 0:
        raise RunFolderError(f"{folder / 'trace'}: holds no view of {arm!r}; trace a larger share of the users")
    return frame.sort_values(["user_id", "day", "request", "position"], kind="stable", ignore_index=True)


def _in_bucket(user_id: Int64[np.ndarray, " rows"], spec: ExperimentSpec, arm: str) -> Bool[np.ndarray, " rows"]:
    """Return whether an arm served each user in the mixed timeline."""
    served_by = assign(user_id, np.array([each.share for each in spec.arms]), spec.salt)
    return served_by == [each.name for each in spec.arms].index(arm)


def _fault(table: pa.Table, spec: ExperimentSpec) -> str:
    """Describe the first fault that keeps a trace from being one of this spec; empty without one."""
    columns = (*_LOGGED, *(str(event.name).lower() for event in events_logged(asks_strongly=False)))
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        return f"column {missing[0]} is missing"
    if fault := trace_fault(table):
        return fault
    return _id_fault("user_id", table["user_id"].to_numpy(), spec.users)


def _id_fault(name: str, ids: Int[np.ndarray, " rows"], n: int) -> str:
    """Describe the ids of a column that are not below `n`; empty if all are."""
    if len(ids) and not 0 <= ids.min() <= ids.max() < n:
        return f"{name} from {ids.min()} to {ids.max()} given, want 0 to {n - 1}"
    return ""


def _feedback(trace: pd.DataFrame) -> Feedback:
    """The rows as a platform's log."""
    events = np.zeros(len(trace), np.uint16)
    for event in events_logged(asks_strongly="asked_strongly" in trace):
        events |= np.where(trace[str(event.name).lower()].to_numpy(), event.value, 0).astype(np.uint16)
    plain = {"user_id": "i4", "video_id": "i4", "day": "i2", "hour": "i1", "request": "i2", "position": "i1"}
    columns = {name: trace[name].to_numpy().astype(kind) for name, kind in plain.items()}
    return Feedback(
        **columns,
        watch_s=trace["watch_s"].to_numpy(np.float32),
        events=events,
        answer=trace["answer"].to_numpy(np.int8),
    )


def _numbers(log: Feedback, stage: Platform) -> tuple[Float32[np.ndarray, "rows c"], Float32[np.ndarray, "rows p"]]:
    """Each view's request and video as numbers."""
    requests = find_requests(log, HISTORY)
    position = _views_before(log)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for first in range(0, len(log), _TOGETHER):
        rows = np.arange(first, min(first + _TOGETHER, len(log)))
        of = requests.of_row[rows]
        past = gather_history(log, requests.first[of], requests.start[of], requests.clock_h[of], HISTORY)
        numbers = numbers_of(_seen(log, rows, stage, past, position[requests.start[of]]))
        parts.append((numbers.about, numbers.candidates[:, 0]))
    observations, actions = (np.concatenate(each) for each in zip(*parts, strict=True))
    return observations, actions


def _seen(
    log: Feedback,
    rows: Int64[np.ndarray, " some"],
    stage: Platform,
    past: History,
    position: Int32[np.ndarray, " some"],
) -> Observation:
    """The requests of some views, with the video that was shown as the only candidate."""
    return Observation(
        user_id=log.user_id[rows],
        candidates=log.video_id[rows][:, None],
        day=0,
        hour=log.hour[rows],
        position=position,
        videos=stage.video_table,
        users=stage.user_table,
        read_history=FixedHistory(past),
    )


def _views_before(log: Feedback) -> Int32[np.ndarray, " rows"]:
    """Count the user's views of that day before each one."""
    new = np.append(True, (np.diff(log.user_id) != 0) | (np.diff(log.day) != 0))
    start = np.flatnonzero(new)
    return (np.arange(len(log)) - np.repeat(start, np.diff(np.append(start, len(log))))).astype(np.int32)


def _offered(
    log: Feedback, course: RolloutSettings, folder: Path
) -> tuple[Int32[np.ndarray, "requests n"], Int64[np.ndarray, " rows"]]:
    """Return each request's candidates, and the request of each view; candidates are equal in all timelines."""
    key = np.stack([log.user_id, log.day, log.request]).astype(np.int64)
    new = np.append(True, (np.diff(key) != 0).any(axis=0))
    request = np.cumsum(new) - 1
    user_id, day, of_day = key[:, new]
    candidates = np.empty((len(day), course.n_candidates), np.int32)
    for today in np.unique(day).tolist():
        mine = day == today
        candidates[mine] = on_offer(
            course, day_ring(course, today), today, user_id[mine], of_day[mine].astype(np.int16)
        )
    for first in range(0, len(log), _TOGETHER):
        rows = slice(first, first + _TOGETHER)
        if not (candidates[request[rows]] == log.video_id[rows, None]).any(axis=1).all():
            raise RunFolderError(f"{folder / 'trace'}: is of another world than its spec's is now; run the spec anew")
    return candidates, request


def _propensity(policy: str, log: Feedback, spec: ExperimentSpec) -> Float64[np.ndarray, " rows"]:
    """Return the logging propensities of the shown videos; see `policies.registry.propensity`."""
    try:
        return propensity(policy, spec.candidates, log.position)
    except ValueError as error:
        raise SpecError(str(error)) from None
