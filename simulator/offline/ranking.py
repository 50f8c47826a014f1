"""Offline ranking: fit a policy and rank every user's candidates through the public policy interface.

Axes: `users` kept users, `n` candidates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, final

import numpy as np
from jaxtyping import Float64, Int32, Int64

from policies.base import Observation, Policy, Slates, TrainablePolicy
from policies.histories import gather_history
from policies.noise import KeyedNoise
from policies.registry import build_policy
from simulator.errors import OfflineError
from simulator.noise import row_keys, seed_word
from simulator.offline.protocol import Task, draw_candidates
from simulator.reports.offline import TRUTH
from simulator.rollout.history_buffer import HISTORY
from simulator.rollout.loop_kernel import first_bad_slate

BEST_OF: Final = 10
"""Number of top positions whose true satisfaction counts."""
_TOGETHER: Final = 1024
_SHARED: Final = {"teaching": "catalogue"}
EXTRA_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    **dict.fromkeys(
        ("stamp", "caser", "hgn", "narm", "gru4rec", "sasrec", "fmlprec", "dipn", "dmt", "dfn", "feedrec"), _SHARED
    ),
    **dict.fromkeys(("gru4rec_m", "sasrec_m", "fmlprec_m"), _SHARED),
    "saqrec": {
        **_SHARED, "variant": "code", "clicks": 50, "base_epochs": 4, "epochs": 8, "learning_rate": 0.01,
        "unlabelled": True,
    },
    "inf": {"unshown": "uniform"},
}  # fmt: skip
"""Options other than defaults: all rankers of SAQRec's comparison learn by the same samples and loss.

A feed asks which of some videos is best once shown; this protocol asks which of a whole catalogue was met and clicked.
SAQRec's comparison likewise teaches all its rankers by sampled negatives; its are popular ones, these are even. SAQRec
reads its 12 epochs in two parts, the recommender that is trained first and the main model.
"""


@final
@dataclass(frozen=True)
class RankingResult:
    """Ranks of the held-out videos under one policy.

    Attributes:
        rank: Rank of each user's test, from 1.
        true_gain: Share of the possible true satisfaction in the first ten positions; None without truth.
    """

    rank: Int64[np.ndarray, " users"]
    true_gain: float | None


def rank_held_out(task: Task, name: str, seed: int) -> RankingResult:
    """Build, fit and evaluate a policy; the name `TRUTH` ranks by true satisfaction.

    Raises:
        OfflineError: The policy cannot be built or fitted, or breaks its contract.
    """
    candidates = draw_candidates(task, seed)
    if name == TRUTH:
        slates = _by_truth(task, candidates)
    else:
        try:
            slates = _rank_all(task, fitted(task, name, seed), candidates, seed)
        except ValueError as error:
            raise OfflineError(f"policy {name!r}: {' '.join(str(error).split())}") from error
    rank = (slates == task.tests.video_id[:, None]).argmax(axis=1) + 1
    return RankingResult(rank.astype(np.int64), _true_gain(task, candidates, slates))


def fitted(task: Task, name: str, seed: int) -> Policy:
    """Build a policy, and fit it if it is trainable."""
    policy = build_policy(name, EXTRA_OPTIONS.get(name, {}))
    if isinstance(policy, TrainablePolicy):
        policy.fit(task.train, seed)
    return policy


def observe(task: Task, candidates: Int32[np.ndarray, "users n"], users: Int64[np.ndarray, " some"]) -> Observation:
    """Build the requests of users on one day."""
    tests, feedback = task.tests, task.train.feedback
    now_h = 24 * tests.day[users].astype(np.int32) + tests.hour[users].astype(np.int32)
    first = np.searchsorted(feedback.user_id, users)
    end = np.searchsorted(feedback.user_id, users, side="right")
    return Observation(
        user_id=users.astype(np.int32),
        candidates=candidates[users],
        day=int(tests.day[users[0]]),
        hour=tests.hour[users],
        position=tests.position[users],
        videos=task.train.videos,
        users=task.train.users,
        read_history=partial(gather_history, feedback, np.maximum(first, end - HISTORY), end, now_h, HISTORY),
    )


def _rank_all(task: Task, policy: Policy, candidates: Int32[np.ndarray, "users n"], seed: int) -> Slates:
    """Rank all candidates of every user by the policy."""
    slates = np.empty_like(candidates)
    for day in np.unique(task.tests.day):
        users = np.flatnonzero(task.tests.day == day)
        for start in range(0, len(users), _TOGETHER):
            batch = users[start : start + _TOGETHER]
            slates[batch] = _checked_slates(policy, observe(task, candidates, batch), seed)
    return slates


def _checked_slates(policy: Policy, obs: Observation, seed: int) -> Slates:
    """Let the policy rank all candidates, and check its slates."""
    users, n = obs.candidates.shape
    keys = row_keys(seed_word(seed, "policy"), obs.user_id.astype(np.int64), obs.day, np.zeros(users, np.int32))
    slates = np.ascontiguousarray(policy.rank(obs, n, KeyedNoise(keys)), np.int32)
    if slates.shape != obs.candidates.shape:
        raise OfflineError(f"slates of shape {slates.shape} returned, want {obs.candidates.shape}")
    if (bad_row := first_bad_slate(slates, obs.candidates)) >= 0:
        raise OfflineError(f"slate of user {obs.user_id[bad_row]} repeats a video or holds one that was not on offer")
    return slates


def _by_truth(task: Task, candidates: Int32[np.ndarray, "users n"]) -> Slates:
    """Rank candidates by true satisfaction, best first."""
    order = np.argsort(-_true_satisfaction(task, candidates), axis=1, kind="stable")
    return np.take_along_axis(candidates, order, axis=1)


def _true_satisfaction(task: Task, videos: Int32[np.ndarray, "users n"]) -> Float64[np.ndarray, "users n"]:
    """True satisfaction of every user with the given videos."""
    if task.satisfaction is None:
        raise OfflineError(f"{task.name}: nobody knows true satisfaction here; it is known in simulated logs only")
    return task.satisfaction(np.arange(len(videos)), videos).astype(np.float64)


def _true_gain(task: Task, candidates: Int32[np.ndarray, "users n"], slates: Slates) -> float | None:
    """Mean satisfaction of the first ten less that of all, relative to the best ten: 1 is perfect, 0 is chance."""
    if task.satisfaction is None:
        return None
    ranked, by_truth = _true_satisfaction(task, slates), np.sort(_true_satisfaction(task, candidates), axis=1)
    mean_satisfaction = by_truth.mean()
    return float((ranked[:, :BEST_OF].mean() - mean_satisfaction) / (by_truth[:, -BEST_OF:].mean() - mean_satisfaction))
