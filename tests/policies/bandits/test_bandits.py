"""LinUCB and Thompson sampling: formulas by hand, regret that shrinks, and exploration that the noise decides."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from policies.bandits.linear import learn
from policies.bandits.linucb import LinUcbPolicy
from policies.bandits.thompson import ThompsonPolicy
from policies.base import Event, Feedback, Log, Observation, UserTable, VideoTable
from policies.noise import KeyedNoise
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen

N_USERS, N_VIDEOS = 40, 50


@pytest.fixture(scope="module")
def specimen_log() -> Log:
    rng = np.random.default_rng(3)
    return draw_log(make_specimen(N_USERS, N_VIDEOS, rng), SyntheticLogPlan(n_requests=4), rng)


def keys(n, seed=0) -> KeyedNoise:
    return KeyedNoise(np.random.default_rng(seed).integers(0, 2**63, n).astype(np.uint64))


def requests(log, users=N_USERS) -> Observation:
    return draw_requests(log, np.arange(users), 20, 10, np.random.default_rng(8))


def test_the_estimate_is_ridge_regression(specimen_log):
    known = learn(specimen_log, ridge=2.0, seed=0)
    x = known.pairs(specimen_log.feedback.user_id, specimen_log.feedback.video_id)
    y = specimen_log.feedback.has(Event.CLICK).astype(float)
    by_hand = np.linalg.inv(x.T @ x + 2 * np.eye(x.shape[1])) @ x.T @ y
    assert known.estimate == pytest.approx(by_hand)
    inverse = known.lower.T @ known.lower
    assert inverse == pytest.approx(np.linalg.inv(known.precision))


def test_scores_are_estimates_plus_standard_errors(specimen_log):
    obs = requests(specimen_log, 3)
    policy, plain = LinUcbPolicy(alpha=1.5), LinUcbPolicy(alpha=0)
    for each in (policy, plain):
        each.fit(specimen_log, 0)
    known = learn(specimen_log, ridge=1.0, seed=0)
    x = known.pairs(np.repeat(obs.user_id, 20), obs.candidates.ravel())
    width = np.sqrt(np.einsum("rd,de,re->r", x, np.linalg.inv(known.precision), x)).reshape(3, 20)
    assert plain.scores(obs) == pytest.approx((x @ known.estimate).reshape(3, 20), abs=1e-5)
    assert policy.scores(obs) - plain.scores(obs) == pytest.approx(1.5 * width, abs=1e-5)


def test_what_is_learned_by_rounds_is_what_is_learned_at_once(specimen_log):
    at_once = learn(specimen_log, ridge=1.0, seed=0)
    nothing = replace(at_once, precision=np.eye(len(at_once.moment)), moment=np.zeros_like(at_once.moment))
    half = len(specimen_log.feedback) // 2
    rounds = nothing
    for part in (slice(0, half), slice(half, None)):
        rounds = rounds.learned(specimen_log.feedback.take(part))
    assert rounds.precision == pytest.approx(at_once.precision)
    assert rounds.estimate == pytest.approx(at_once.estimate)


def planted_world(rng):
    """Users of two kinds, videos of four topics; each kind clicks one topic only half the time, others hardly."""
    kind, topic = np.arange(N_USERS) % 2, np.arange(N_VIDEOS) % 4
    users = UserTable(np.stack([kind, 1 - kind], axis=1).astype(np.float32), ("one", "other"))
    videos = VideoTable(
        np.full(N_VIDEOS, 30, np.float32), topic.astype(np.int32), np.zeros((N_VIDEOS, 1), np.float32), ("nothing",)
    )
    chance = np.where(topic[None] == kind[:, None], 0.5, 0.1)
    return users, videos, chance


def view(user_id, video_id, clicked) -> Feedback:
    n = len(user_id)
    zero = np.zeros(n, np.int16)
    return Feedback(
        user_id.astype(np.int32), video_id.astype(np.int32), zero, zero.astype(np.int8), zero, zero.astype(np.int8),
        np.where(clicked, 20, 1).astype(np.float32), np.where(clicked, np.uint16(Event.CLICK), np.uint16(Event.SKIP)),
        zero.astype(np.int8),
    )  # fmt: skip


def regrets(policy, n_rounds=40, seed=1):
    """Regret per view of each round: a slate of one for everybody, then learning."""
    rng = np.random.default_rng(seed)
    users, videos, chance = planted_world(rng)
    one = view(np.zeros(1, int), np.zeros(1, int), np.zeros(1, bool))
    log = Log(one, users, videos)
    policy.fit(log, 0)
    found = []
    for at in range(n_rounds):
        obs = replace(draw_requests(log, np.arange(N_USERS), 20, 5, rng))
        slate = policy.rank(obs, 1, keys(N_USERS, seed=at))[:, 0]
        best = np.take_along_axis(chance, obs.candidates, axis=1).max(axis=1)
        got = chance[np.arange(N_USERS), slate]
        found.append(float((best - got).mean()))
        policy.update(view(np.arange(N_USERS), slate, rng.random(N_USERS) < got))
    return np.array(found)


@pytest.mark.parametrize("make", [LinUcbPolicy, ThompsonPolicy])
def test_regret_shrinks_in_a_planted_linear_world(make):
    """At random the regret is 0.4 times three quarters = 0.3 per view; it begins about there and ends below a third."""
    found = regrets(make())
    assert found[-10:].mean() < 0.1
    assert found[-10:].mean() < found[:3].mean() / 2


def test_thompson_explores_with_the_noise_it_is_handed(specimen_log):
    obs, policy = requests(specimen_log), ThompsonPolicy(spread=3.0)
    policy.fit(specimen_log, 0)
    first, again, other = (policy.rank(obs, 5, keys(N_USERS, seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_draws_have_the_mean_and_covariance_of_what_is_known(specimen_log):
    policy = ThompsonPolicy(spread=2.0)
    policy.fit(specimen_log, 0)
    known = learn(specimen_log, ridge=1.0, seed=0)
    n = 20_000
    draws = policy.draw(keys(n))
    spread = 2 * np.sqrt(np.diag(np.linalg.inv(known.precision)))
    z = (draws.mean(axis=0) - known.estimate) / (spread / np.sqrt(n))
    bound = stats.norm.isf(0.0005 / len(z))
    assert np.abs(z).max() < bound
    assert draws.std(axis=0) / spread == pytest.approx(1, abs=bound / np.sqrt(2 * n))


def test_without_spread_nothing_is_left_to_chance(specimen_log):
    obs, policy = requests(specimen_log), ThompsonPolicy(spread=0)
    policy.fit(specimen_log, 0)
    assert np.array_equal(policy.rank(obs, 5, keys(N_USERS, 0)), policy.rank(obs, 5, keys(N_USERS, 1)))


@pytest.mark.parametrize("make", [LinUcbPolicy, ThompsonPolicy])
def test_what_is_learned_is_saved(make, specimen_log, tmp_path):
    policy = make()
    policy.fit(specimen_log, 0)
    policy.update(specimen_log.feedback)
    policy.save(tmp_path / "policy")
    loaded = make.load(tmp_path / "policy")
    obs = requests(specimen_log)
    for each in (policy, loaded):
        each.update(specimen_log.feedback.take(slice(0, 50)))
    assert np.array_equal(policy.rank(obs, 5, keys(N_USERS)), loaded.rank(obs, 5, keys(N_USERS)))


@pytest.mark.parametrize("make", [LinUcbPolicy, ThompsonPolicy])
def test_other_catalogues_and_unfitted_policies_are_refused(make, specimen_log):
    with pytest.raises(ValueError, match="not fitted yet; call fit or load"):
        make().rank(requests(specimen_log), 1, keys(N_USERS))
    policy = make()
    policy.fit(specimen_log, 0)
    rng = np.random.default_rng(0)
    other = draw_log(make_specimen(9, 40, rng), SyntheticLogPlan(n_requests=1), rng)
    with pytest.raises(ValueError, match="9 users and 40 videos given, but fitted on 40 and 50; fit anew"):
        policy.rank(requests(other, 9), 1, keys(9))


@pytest.mark.parametrize(("make", "options"), [(LinUcbPolicy, {"alpha": -1}), (ThompsonPolicy, {"ridge": 0})])
def test_options_out_of_range_are_refused(make, options):
    with pytest.raises(ValueError, match="want at least 0 and more than 0"):
        make(**options)
