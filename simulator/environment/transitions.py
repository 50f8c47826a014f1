"""Transitions for offline reinforcement learning from a run's trace: one per view, with logging propensities.

An episode is one user's day. The observation is `policies.agents.flat_observation.Numbers.about` at the time of the
request, with the views of the trace as the user's history. The action is the row of `Numbers.candidates` of the video
that was shown. The reward is that of one view.

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
from simulator.experiment.setup import platform_of, world_of
from simulator.reports.trace import trace_fault
from simulator.rollout.answer_model import constant_model
from simulator.rollout.catalogue import Platform, RolloutSettings, day_ring
from simulator.rollout.history_buffer import HISTORY
from simulator.rollout.request import on_offer
from simulator.spec.experiment import ExperimentSpec, load_spec

_TOGETHER: Final = 20_000
"""Views per batch."""
_LOGGED: Final = ("user_id", "video_id", "day", "hour", "request", "position", "watch_s", "answer", "world")
TRUTH: Final = ("true_satisfaction", "true_appeal")


@final
@dataclass(frozen=True)
class Transitions:
    """Views in order, as numbers.

    Attributes:
        name: Names of the test and the arm.
        observations: Observation of the request that each view belongs to.
        actions: Numbers of the video that was shown.
        rewards: Reward of each view.
        timeouts: True at the last view of an episode: the day ends but the user stays, so nothing terminates.
        costs: 1 where the user hated the video, else 0.
        propensity: Chance with which the arm's policy would show this video at this place, given those above it; NaN
            where the policy gives no propensity.
        offered: Candidates of each request, in their order in the request.
        request: Which request of `offered` each view belongs to.
        trace: Rows of the trace, without latents.
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
        """Candidates of the request that each of the views belongs to."""
        return self.offered[self.request[rows]]

    def following(self) -> Int64[np.ndarray, " rows"]:
        """Return the row of the next observation, on the user's next day if need be; a user's last row is its own."""
        user_id = self.trace["user_id"].to_numpy()
        return np.arange(len(self)) + np.append(user_id[1:] == user_id[:-1], False)


def read_transitions(folder: Path, arm: str | None, reward: str) -> Transitions:
    """Read the traced views of one arm.

    Args:
        folder: A run folder with a trace.
        arm: Name of the arm. With truth its views are those of every traced user, else those of its bucket; the
            control's if None.
        reward: A name from `simulator.environment.rewards.REWARDS`.

    Raises:
        RunFolderError: The trace is missing, damaged, or of another version of the spec's world.
        SpecError: The arm or reward is unknown, or the policy's propensities are invalid.
    """
    if reward not in REWARDS:
        raise SpecError(f"--reward: {reward!r} given, want one of {', '.join(REWARDS)}")
    spec = load_spec(str(folder / "spec.toml"))
    arm = arm or spec.control.name
    trace = read_trace(folder, spec, arm)
    log = _feedback(trace)
    rewards = REWARDS[reward](log)
    days = np.stack([log.user_id, log.day.astype(np.int32)])
    is_last_view = np.append((np.diff(days) != 0).any(axis=0), True)
    policy = next(each.policy for each in spec.arms if each.name == arm)
    platform = platform_of(spec, world_of(spec))[0]
    if fault := _id_fault("video_id", log.video_id, len(platform.video_table.duration_s)):  # later days add videos
        raise RunFolderError(f"{folder / 'trace'}: {fault}; run the spec anew")
    candidates, request = _candidates_of_requests(
        log, RolloutSettings(platform, spec.seed, spec.slate_size, spec.candidates, constant_model()), folder
    )
    observations, actions = _numbers(log, platform)
    propensities = _propensity(policy, log, trace, spec)
    costs = log.has(Event.HATE).astype(np.float64)
    name = f"{spec.name}-{arm}"
    return Transitions(
        name, observations, actions, rewards, is_last_view, costs, propensities, candidates, request, trace
    )


def read_trace(folder: Path, spec: ExperimentSpec, arm: str) -> pd.DataFrame:
    """Read the traced views of an arm, by user, then time, without latents.

    Raises:
        RunFolderError: There is no trace, or it is damaged.
        SpecError: The arm is unknown.
    """
    arm_names = [each.name for each in spec.arms]
    if arm not in arm_names:
        raise SpecError(f"--arm: {arm!r} given, want one of {', '.join(arm_names)}")
    timeline = f"all:{arm}" if spec.truth else "mixed"
    if not (folder / "trace").is_dir():
        raise RunFolderError(f"{folder}: holds no trace; run the spec with trace = 1.0, or a share of the users")
    try:
        table = ds.dataset((folder / "trace").absolute(), format="parquet").to_table(
            filter=ds.field("world") == timeline
        )
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise RunFolderError(f"{folder / 'trace'}: cannot be read: {reason}; run the spec anew") from None
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
    """Turn the rows into a platform's log."""
    events = np.zeros(len(trace), np.uint16)
    for event in events_logged(asks_strongly="asked_strongly" in trace):
        events |= np.where(trace[str(event.name).lower()].to_numpy(), event.value, 0).astype(np.uint16)
    type_by_column = {"user_id": "i4", "video_id": "i4", "day": "i2", "hour": "i1", "request": "i2", "position": "i1"}
    columns = {name: trace[name].to_numpy().astype(dtype) for name, dtype in type_by_column.items()}
    return Feedback(
        **columns,
        watch_s=trace["watch_s"].to_numpy(np.float32),
        events=events,
        answer=trace["answer"].to_numpy(np.int8),
    )


def _numbers(log: Feedback, platform: Platform) -> tuple[Float32[np.ndarray, "rows c"], Float32[np.ndarray, "rows p"]]:
    """Encode each view's request and video as numbers."""
    requests = find_requests(log, HISTORY)
    position = _views_before(log)
    arrays: list[tuple[np.ndarray, np.ndarray]] = []
    for first in range(0, len(log), _TOGETHER):
        rows = np.arange(first, min(first + _TOGETHER, len(log)))
        request_of_row = requests.of_row[rows]
        history = gather_history(
            log,
            requests.first[request_of_row],
            requests.start[request_of_row],
            requests.clock_h[request_of_row],
            HISTORY,
        )
        numbers = numbers_of(_requests_of_views(log, rows, platform, history, position[requests.start[request_of_row]]))
        arrays.append((numbers.about, numbers.candidates[:, 0]))
    observations, actions = (np.concatenate(column) for column in zip(*arrays, strict=True))
    return observations, actions


def _requests_of_views(
    log: Feedback,
    rows: Int64[np.ndarray, " some"],
    platform: Platform,
    past: History,
    position: Int32[np.ndarray, " some"],
) -> Observation:
    """Rebuild the requests of views, with the video that was shown as the only candidate."""
    return Observation(
        user_id=log.user_id[rows],
        candidates=log.video_id[rows][:, None],
        day=0,
        hour=log.hour[rows],
        position=position,
        videos=platform.video_table,
        users=platform.user_table,
        read_history=FixedHistory(past),
    )


def _views_before(log: Feedback) -> Int32[np.ndarray, " rows"]:
    """Count the user's views of that day before each one."""
    is_new_day = np.append(True, (np.diff(log.user_id) != 0) | (np.diff(log.day) != 0))
    start = np.flatnonzero(is_new_day)
    return (np.arange(len(log)) - np.repeat(start, np.diff(np.append(start, len(log))))).astype(np.int32)


def _candidates_of_requests(
    log: Feedback, settings: RolloutSettings, folder: Path
) -> tuple[Int32[np.ndarray, "requests n"], Int64[np.ndarray, " rows"]]:
    """Return each request's candidates, and the request of each view; candidates are equal in all timelines."""
    key = np.stack([log.user_id, log.day, log.request]).astype(np.int64)
    is_new_request = np.append(True, (np.diff(key) != 0).any(axis=0))
    request = np.cumsum(is_new_request) - 1
    user_id, day, request_of_day = key[:, is_new_request]
    candidates = np.empty((len(day), settings.n_candidates), np.int32)
    for today in np.unique(day).tolist():
        is_today = day == today
        candidates[is_today] = on_offer(
            settings, day_ring(settings, today), today, user_id[is_today], request_of_day[is_today].astype(np.int16)
        )
    for first in range(0, len(log), _TOGETHER):
        rows = slice(first, first + _TOGETHER)
        if not (candidates[request[rows]] == log.video_id[rows, None]).any(axis=1).all():
            raise RunFolderError(f"{folder / 'trace'}: is of another world than its spec's is now; run the spec anew")
    return candidates, request


def _propensity(policy: str, log: Feedback, trace: pd.DataFrame, spec: ExperimentSpec) -> Float64[np.ndarray, " rows"]:
    """Return the logging propensities of the shown videos: by the policy's name, else those that the trace keeps."""
    try:
        chances = propensity(policy, spec.candidates, log.position)
    except ValueError as error:
        raise SpecError(str(error)) from None
    if np.isnan(chances).any() and "log_propensity" in trace:
        return np.exp(trace["log_propensity"].to_numpy(np.float64))
    return chances
