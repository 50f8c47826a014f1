"""The conformance test of a policy: run it on your own ranker before you name it in a spec."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import permutations
from pathlib import Path
from typing import Final, TypeAlias, final

import numpy as np
from jaxtyping import Int64

from policies.base import (
    Event,
    ExploringPolicy,
    FixedHistory,
    History,
    LearningPolicy,
    Log,
    Observation,
    Policy,
    ScoringPolicy,
    Slates,
    TrainablePolicy,
)
from policies.noise import KeyedNoise
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen, without_events

MakePolicy: TypeAlias = Callable[[], object]
"""Builds the policy anew, unfitted: a class, or a function that calls it with options."""

_K: Final = 4
_FEW: Final = 5
"""Candidates of which all slates are looked at."""
_TIE: Final = 1e-5
_SEED: Final = 7


@final
class OverreachError(AssertionError):
    """A policy read a value that no platform has."""


@final
class WatchedObservation(Observation):
    """Observation that reports reads of attributes that an observation does not have."""

    def __getattr__(self, name: str) -> object:
        """Report the read of a missing attribute."""
        names = ", ".join(field.name for field in fields(Observation))
        raise OverreachError(f"the policy reads obs.{name}, want only what Observation holds: {names}, history")


@final
@dataclass(frozen=True)
class Case:
    """A log and requests that come after it."""

    log: Log
    obs: Observation

    @property
    def noise(self) -> KeyedNoise:
        """Noise keyed to the requests' rows."""
        return KeyedNoise(self.obs.user_id.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def check_policy(make_policy: MakePolicy) -> None:
    """Check that a policy keeps the contract of `policies.base`.

    Checks slates (shape, distinct ids from the row's candidates), independence of how rows are batched and ordered,
    noise from `noise` alone, no change to what it is handed, nothing read beyond `Observation`. For one that explores:
    that its chances add up and are those of its slates. For one that is fitted
    also: equal seeds give equal policies, logs without clicks, answers or a second user are enough, saving and loading
    keeps its slates. For one that learns: an update is accepted, and saved too.

    Args:
        make_policy: Builds the policy anew, unfitted.

    Raises:
        AssertionError: It breaks the contract; the message says how.
    """
    case = _case()
    policy = _fitted(make_policy, case.log)
    _check_slates(policy, case)
    _check_noise(policy, case)
    _check_batching(policy, case)
    _check_handed(policy, case)
    if isinstance(policy, ExploringPolicy):
        _check_propensity(policy, case)
    if isinstance(policy, TrainablePolicy):
        _check_seed(make_policy, case)
        _check_poor_logs(make_policy, case)
        _check_storage(policy, case)
    if isinstance(policy, LearningPolicy):
        _check_update(policy, case)


def _case() -> Case:
    """Twenty-four users, two of them not in the log, and sixty videos, some never shown."""
    rng = np.random.default_rng(_SEED)
    log = draw_log(make_specimen(24, 60, rng), SyntheticLogPlan(n_requests=5, answer_share=0.5), rng)
    some_views = log.feedback.take((log.feedback.user_id < 22) & (log.feedback.video_id < 55))
    log = replace(log, feedback=some_views)
    drawn = draw_requests(log, np.array([3, 23, 0, 11, 22, 7, 8]), 12, 10, rng)
    return Case(log, WatchedObservation(**{f.name: getattr(drawn, f.name) for f in fields(Observation)}))


def _fitted(make_policy: MakePolicy, log: Log, seed: int = _SEED) -> Policy:
    """A new policy, fitted if it can be."""
    policy = make_policy()
    if not isinstance(policy, Policy):
        raise AssertionError(f"{type(policy).__name__} has no rank(obs, k, noise); add that method")
    if isinstance(policy, TrainablePolicy):
        policy.fit(log, seed)
    return policy


def _want(holds: bool, otherwise: str) -> None:
    """Fail with a message."""
    if not holds:
        raise AssertionError(otherwise)


def _check_slates(policy: Policy, case: Case) -> None:
    """Every k from 1 to n: the right shape, integers, no repeats, nothing that was not on offer."""
    obs = case.obs
    users, n = obs.candidates.shape
    for k in (1, _K, n):
        slates = policy.rank(obs, k, case.noise)
        shape = getattr(slates, "shape", type(slates).__name__)
        _want(shape == (users, k), f"slates of shape {shape} returned, want a numpy array of {(users, k)}")
        _want(np.issubdtype(slates.dtype, np.integer), f"slates of {slates.dtype} returned, want integer video ids")
        for user, slate, offer in zip(obs.user_id, slates.tolist(), obs.candidates.tolist(), strict=True):
            _want(len(set(slate)) == k, f"slate {slate} of user {user} repeats a video, want {k} different ones")
            strange = sorted(set(slate) - set(offer))
            _want(not strange, f"slate of user {user} holds {strange}, which are not among that user's candidates")


def _check_batching(policy: Policy, case: Case) -> None:
    """Rows ranked together, one by one, and in another order: the same slates."""
    together = policy.rank(case.obs, _K, case.noise)
    rows = np.arange(len(together))
    orders = {
        "one by one": list(rows[:, None]),
        "in another order": [rows[::-1]],
        "in two batches": [rows[:2], rows[2:]],
    }
    for how, parts in orders.items():
        for part in parts:
            some = _rows(case, part)
            slates = policy.rank(some.obs, _K, some.noise)
            same = np.array_equal(slates, together[part]) or _tied(policy, some, slates, together[part])
            _want(same, f"rows ranked {how} get other slates than together; rank each row from that row alone")


def _tied(policy: Policy, case: Case, one: Slates, other: Slates) -> bool:
    """Return whether two sets of slates differ only among candidates with nearly equal scores."""
    if not isinstance(policy, ScoringPolicy):
        return False
    order = np.argsort(case.obs.candidates, axis=1)
    sorted_ids = np.take_along_axis(case.obs.candidates, order, axis=1)
    scores = np.take_along_axis(policy.scores(case.obs), order, axis=1)
    places = [
        np.array([np.searchsorted(ids, s) for ids, s in zip(sorted_ids, slate, strict=True)]) for slate in (one, other)
    ]
    first, second = (np.take_along_axis(scores, place, axis=1) for place in places)
    return bool(np.allclose(first, second, rtol=0, atol=_TIE))


def _rows(case: Case, rows: Int64[np.ndarray, " some"]) -> Case:
    """Some of a case's requests, in the order given."""
    obs = case.obs
    history = obs.history
    some = History(**{f.name: getattr(history, f.name)[rows] for f in fields(History)})
    by_row = {name: getattr(obs, name)[rows] for name in ("user_id", "candidates", "hour", "position")}
    return Case(case.log, replace(obs, **by_row, read_history=FixedHistory(some)))


def _check_noise(policy: Policy, case: Case) -> None:
    """Check that equal requests and noise give equal slates."""
    slates = [policy.rank(case.obs, _K, case.noise) for _ in range(3)]
    same = all(np.array_equal(slates[0], again) for again in slates[1:])
    _want(same, "the same requests and noise give other slates the second time; draw from noise alone")


def _check_propensity(policy: ExploringPolicy, case: Case) -> None:
    """Check that the chances of all slates add up to 1, and that `rank_with_propensity` tells those of `rank`'s."""
    slates, told = policy.rank_with_propensity(case.obs, _K, case.noise)
    same = np.array_equal(slates, policy.rank(case.obs, _K, case.noise))
    _want(same, "rank_with_propensity returns other slates than rank; draw both in the same way")
    known = _log_chances(policy, case.obs, slates)
    fits = told.shape == known.shape and np.allclose(told, known, rtol=1e-6, atol=1e-6)
    _want(fits, "rank_with_propensity tells other chances than choice_propensity; want log-chances given those above")
    few = replace(case.obs, candidates=np.ascontiguousarray(case.obs.candidates[:, :_FEW]))
    total, first = np.zeros(len(few.user_id)), np.zeros((len(few.user_id), _FEW))
    for order in permutations(range(_FEW), 2):
        slates = few.candidates[:, list(order)]
        chance = np.exp(_log_chances(policy, few, slates).sum(axis=1))
        total += chance
        first[:, order[1]] += chance
    _want(np.allclose(total, 1, atol=1e-6), f"chances of all slates add up to {total.tolist()}, want 1")
    second = [policy.place_propensity(few, few.candidates[:, [(c + 1) % _FEW, c]])[:, 1] for c in range(_FEW)]
    marginal = np.allclose(np.stack(second, axis=1), first, atol=1e-6)
    _want(marginal, "place_propensity is not the sum of the chances of all slates with the video there")


def _log_chances(policy: ExploringPolicy, obs: Observation, slates: Slates) -> np.ndarray:
    """Log-chances of slates by `choice_propensity`."""
    place = (obs.candidates[:, None, :] == slates[:, :, None]).argmax(axis=2)
    with np.errstate(divide="ignore"):
        return np.log(np.take_along_axis(policy.choice_propensity(obs, slates), place[:, :, None], axis=2)[:, :, 0])


def _check_handed(policy: Policy, case: Case) -> None:
    """Check that `rank` does not change its observation."""
    obs = case.obs
    arrays = {
        "user_id": obs.user_id,
        "candidates": obs.candidates,
        "hour": obs.hour,
        "position": obs.position,
        "videos.features": obs.videos.features,
        "users.features": obs.users.features,
    } | {f"history.{f.name}": getattr(obs.history, f.name) for f in fields(History)}
    before = {name: array.copy() for name, array in arrays.items()}
    policy.rank(obs, _K, case.noise)
    changed = [name for name, array in arrays.items() if not np.array_equal(array, before[name])]
    _want(not changed, f"rank changes obs.{', obs.'.join(changed)}; work on a copy")


def _check_seed(make_policy: MakePolicy, case: Case) -> None:
    """Check that one log and seed give one policy."""
    first, second = (_fitted(make_policy, case.log).rank(case.obs, _K, case.noise) for _ in range(2))
    _want(
        np.array_equal(first, second), "two policies fitted on one log with one seed rank differently; seed all of fit"
    )


def _check_poor_logs(make_policy: MakePolicy, case: Case) -> None:
    """Logs that lack something can be learned from."""
    feedback = case.log.feedback
    click = Event.CLICK | Event.LONG_VIEW | Event.COMPLETE
    silent = replace(feedback, answer=np.zeros_like(feedback.answer))
    answering = Event.ASKED | Event.ANSWERED | Event.SATISFIED | Event.DISSATISFIED
    poor = {
        "without clicks": without_events(case.log, click),
        "of one user": replace(case.log, feedback=feedback.take(feedback.user_id == 3)),
        "of one view": replace(case.log, feedback=feedback.take(slice(0, 1))),
        "without answers": without_events(replace(case.log, feedback=silent), answering),
    }
    for how, log in poor.items():
        try:
            policy = _fitted(make_policy, log)
            _check_slates(policy, case)
        except Exception as error:
            raise AssertionError(f"fitted on a log {how}, it fails: {type(error).__name__}: {error}") from error


def _check_storage(policy: Policy, case: Case) -> None:
    """Saved and loaded, it ranks the same; a damaged folder is refused in one line."""
    if not isinstance(policy, TrainablePolicy):
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "policy"
        policy.save(folder)
        loaded = type(policy).load(folder)
        same = np.array_equal(loaded.rank(case.obs, _K, case.noise), policy.rank(case.obs, _K, case.noise))
        _want(same, "loaded from its folder, it ranks differently; save all that fit learns")
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        try:
            type(policy).load(folder)
        except ValueError as error:
            _want("\n" not in str(error), f"a damaged folder is refused in several lines, want one: {error}")
        else:
            raise AssertionError("a damaged folder is loaded as if nothing were wrong; want a ValueError of one line")


def _check_update(policy: LearningPolicy, case: Case) -> None:
    """Check that `update` accepts feedback, also empty, and that the result is saved."""
    feedback = case.log.feedback
    later = replace(feedback, day=(feedback.day + 10).astype(np.int16))
    policy.update(later)
    policy.update(later.take(slice(0, 0)))
    _check_slates(policy, case)
    _check_storage(policy, case)
