"""Explorers: the chances they tell are those of the slates they draw, for any scores."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.base import ExploringPolicy, FixedHistory, LearningPolicy, RankingError, top_k
from policies.exploration.epsilon import EpsilonPolicy
from policies.exploration.softmax import SoftmaxPolicy
from policies.noise import KeyedNoise, mix
from policies.registry import build_policy
from policies.simple.random import RandomPolicy
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen

RNG = np.random.default_rng(3)
LOG = draw_log(make_specimen(24, 60, RNG), SyntheticLogPlan(n_requests=4), RNG)
OBS = draw_requests(LOG, np.array([0]), 6, 10, RNG)
K = 3


class Given:
    """Scores of each candidate by its place on offer; the rest of a ranker is not needed here."""

    def __init__(self, scores=(0.0,)):
        self.values = np.asarray(scores, np.float32)

    def scores(self, obs):
        return np.tile(self.values, (len(obs.candidates), 1))

    def rank(self, obs, k, noise):
        return top_k(obs, self.scores(obs), k)


def explorer(kind, scores, knob):
    ranker, options = f"{__name__}:Given", {"scores": scores}
    if kind == "softmax":
        return SoftmaxPolicy(ranker, temperature=knob, options=options)
    return EpsilonPolicy(ranker, epsilon=knob, options=options)


def requests(n_users, n):
    """The same offer to many users."""
    fixed = FixedHistory(OBS.history)
    of_user = {"hour": np.zeros(n_users, np.int8), "position": np.zeros(n_users, np.int32)}
    ids = np.zeros(n_users, np.int32)
    offer = np.tile(OBS.candidates[:1, :n], (n_users, 1))
    return replace(OBS, user_id=ids, candidates=offer, read_history=fixed, **of_user)


def slate_chances(policy, n, k=K):
    """Every slate of a small offer, as places of candidates, with its chance."""
    orders = np.array(list(permutations(range(n), k)))
    obs = requests(len(orders), n)
    slates = np.take_along_axis(obs.candidates, orders, axis=1)
    choices = policy.choice_propensity(obs, slates)
    return orders, np.take_along_axis(choices, orders[:, :, None], axis=2)[:, :, 0], policy, obs, slates


scores_of_five = st.lists(st.floats(-30, 30, width=32), min_size=5, max_size=5)
kinds = st.sampled_from([("softmax", 0.3), ("softmax", 5.0), ("epsilon", 0.05), ("epsilon", 1.0)])


@settings(deadline=None, max_examples=60)
@given(scores=scores_of_five, kind=kinds, k=st.integers(1, 5))
def test_chances_of_all_slates_add_up_to_one(scores, kind, k):
    _, chances, policy, obs, slates = slate_chances(explorer(kind[0], scores, kind[1]), 5, k)
    assert chances.prod(axis=1).sum() == pytest.approx(1, abs=1e-9)
    assert np.allclose(policy.choice_propensity(obs, slates).sum(axis=2), 1, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(scores=scores_of_five, kind=kinds)
def test_chances_of_places_are_sums_over_all_slates(scores, kind):
    orders, chances, policy, obs, slates = slate_chances(explorer(kind[0], scores, kind[1]), 5)
    whole, places = chances.prod(axis=1), policy.place_propensity(obs, slates)
    for j in range(K):
        marginal = np.bincount(orders[:, j], weights=whole, minlength=5)
        assert np.allclose(places[:, j], marginal[orders[:, j]], atol=1e-8)


@pytest.mark.parametrize(("kind", "knob"), [("softmax", 0.7), ("epsilon", 0.4)])
def test_frequencies_agree_with_propensities(kind, knob):
    orders, chances, policy, _, slates = slate_chances(explorer(kind, [0.3, -0.5, 1.0, 0.0], knob), 4)
    whole, n = chances.prod(axis=1), 40_000
    noise = KeyedNoise(mix(np.arange(n, dtype=np.uint64)))
    drawn, told = policy.rank_with_propensity(requests(n, 4), K, noise)
    which = (drawn[:, None] == slates[None]).all(axis=2).argmax(axis=1)
    share = np.bincount(which, minlength=len(orders)) / n
    error = (share - whole) / np.sqrt(whole * (1 - whole) / n)
    assert np.abs(error).max() < 4  # 24 slates: a chance of 0.0015 under the propensities told
    assert np.allclose(told, np.log(chances)[which], atol=1e-9)


def test_a_slate_by_softmax_has_the_chance_worked_out_by_hand():
    policy = explorer("softmax", np.log([1.0, 2.0, 3.0]).tolist(), 1.0)
    obs = requests(1, 3)
    slate = obs.candidates[:, [2, 0]]
    choices = policy.choice_propensity(obs, slate)
    assert np.allclose(choices, [[[1 / 6, 2 / 6, 3 / 6], [1 / 3, 2 / 3, 0]]], atol=1e-6)
    assert np.allclose(policy.place_propensity(obs, slate), [[3 / 6, 2 / 6 * 1 / 4 + 3 / 6 * 1 / 3]], atol=1e-6)


def test_a_slate_by_epsilon_has_the_chance_worked_out_by_hand():
    policy, obs = explorer("epsilon", [1.0, 2.0, 3.0], 0.3), requests(1, 3)
    choices = policy.choice_propensity(obs, obs.candidates[:, [2, 0]])
    assert np.allclose(choices, [[[0.1, 0.1, 0.8], [0.15, 0.85, 0]]])


def test_a_low_temperature_keeps_the_rankers_order():
    policy, obs = explorer("softmax", [0.1, 0.4, 0.2, 0.3], 1e-6), requests(50, 4)
    slates, told = policy.rank_with_propensity(obs, K, KeyedNoise(mix(np.arange(50, dtype=np.uint64))))
    assert np.array_equal(slates, top_k(obs, policy.scores(obs), K))
    assert np.allclose(told, 0)


def test_random_slates_tell_their_chances():
    obs = requests(1, 5)
    slates, told = RandomPolicy().rank_with_propensity(obs, 2, KeyedNoise(np.zeros(1, np.uint64)))
    assert isinstance(RandomPolicy(), ExploringPolicy)
    assert np.allclose(np.exp(told), [[1 / 5, 1 / 4]])
    assert np.allclose(RandomPolicy().choice_propensity(obs, slates).sum(axis=2), 1)


def test_an_explorer_learns_only_where_its_ranker_does():
    assert isinstance(build_policy("softmax", {"ranker": "popular"}), LearningPolicy)
    assert not isinstance(build_policy("softmax", {"ranker": "base"}), LearningPolicy)


def test_an_explorer_of_a_learner_keeps_what_it_learned(tmp_path):
    policy = SoftmaxPolicy("popular")
    policy.fit(LOG, 0)
    policy.update(LOG.feedback)
    policy.save(tmp_path / "policy")
    assert np.array_equal(SoftmaxPolicy.load(tmp_path / "policy").scores(OBS), policy.scores(OBS))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("softmax", {"temperature": 0.0}, "temperature=0.0 given"),
        ("epsilon", {"epsilon": 0.0}, "epsilon=0.0 given"),
        ("epsilon", {"epsilon": 1.5}, "epsilon=1.5 given"),
        ("softmax", {"ranker": "random"}, "ranker='random' given, want a policy that has scores"),
        ("softmax", {"ranker": "bsae"}, "did you mean 'base'"),
        ("softmax", {"options": {"epoch": 3}}, "did you mean 'epochs'"),
    ],
)
def test_wrong_options_are_refused_in_one_line(name, options, message):
    with pytest.raises(ValueError, match=message) as error:
        build_policy(name, options)
    assert "\n" not in str(error.value)


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(RankingError, match="one finite number"):
        explorer("softmax", [0.0, np.inf], 1.0).scores(requests(1, 2))
