"""Every shipped policy, the oracle and a plug-in keep the contract; and the contract's test catches who does not."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from policies.base import top_k
from policies.noise import KeyedNoise
from policies.registry import POLICIES, build_policy
from policies.simple.oracle import OraclePolicy
from policies.simple.popular import PopularPolicy
from policies.testing.conformance import check_policy


# The fifteen lines of a plug-in.
@dataclass(frozen=True)
class EpsilonShort:
    """Shortest videos first; with chance `epsilon` a random slate."""

    epsilon: float = 0.1

    def rank(self, obs, k, noise):
        scores = -obs.videos.duration_s[obs.candidates]
        explore = noise.uniform("explore", 1) < self.epsilon
        shuffled = noise.uniform("shuffle", scores.shape[1])
        return top_k(obs, np.where(explore, shuffled, scores), k)


ELSEWHERE = ("agent", "onnx", "http")
"""Policies that need a folder, a graph or a server; their own tests check the contract."""


@pytest.mark.parametrize("name", [name for name in POLICIES if name not in ELSEWHERE])
def test_every_policy_keeps_the_contract_and_says_whether_it_draws(name, monkeypatch):
    drawn = []
    uniform = KeyedNoise.uniform
    monkeypatch.setattr(KeyedNoise, "uniform", lambda noise, *what: drawn.append(what) or uniform(noise, *what))
    check_policy(lambda: build_policy(name, {}))
    assert bool(drawn) == POLICIES[name].draws


def test_the_oracle_keeps_the_contract():
    check_policy(lambda: OraclePolicy(lambda user_id, candidates: (candidates % 7).astype(np.float32)))


def test_a_plug_in_keeps_the_contract():
    check_policy(EpsilonShort)


class Repeats:
    def rank(self, obs, k, noise):
        return np.repeat(obs.candidates[:, :1], k, axis=1)


class Stranger:
    def rank(self, obs, k, noise):
        return np.tile(np.arange(1000, 1000 + k), (len(obs.user_id), 1))


class WrongShape:
    def rank(self, obs, k, noise):
        return obs.candidates


class LooksAtOthers:
    """A candidate's score depends on how many requests are served together."""

    def rank(self, obs, k, noise):
        return top_k(obs, ((obs.candidates * len(obs.user_id)) % 7).astype(np.float32), k)


class OwnNoise:
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def rank(self, obs, k, noise):
        return top_k(obs, self.rng.random(obs.candidates.shape).astype(np.float32), k)


class Scribbler:
    def rank(self, obs, k, noise):
        obs.position[:] += 1
        return obs.candidates[:, :k]


class Psychic:
    def rank(self, obs, k, noise):
        return top_k(obs, obs.satisfaction, k)


class NotAPolicy:
    pass


class Forgetful:
    """Popular, but what was fitted is lost in its folder."""

    def __init__(self):
        self.inner = PopularPolicy()

    def rank(self, obs, k, noise):
        return self.inner.rank(obs, k, noise)

    def fit(self, log, seed):
        self.inner.fit(log, seed)

    def save(self, folder):
        self.inner.save(folder)

    @classmethod
    def load(cls, folder):
        loaded = cls()
        loaded.inner = PopularPolicy.load(folder)
        loaded.inner._scores = -loaded.inner._scores
        return loaded


class NeedsAnswers(Forgetful):
    def fit(self, log, seed):
        if not log.feedback.answer.any():
            raise RuntimeError("no answers")
        super().fit(log, seed)


class Unseeded(Forgetful):
    def fit(self, log, seed):
        noisy = np.random.default_rng().normal(30, 20, len(log.feedback)).astype(np.float32)
        super().fit(replace(log, feedback=replace(log.feedback, watch_s=np.abs(noisy))), seed)


class Trusting(Forgetful):
    """Loads whatever it finds."""

    @classmethod
    def load(cls, folder):
        try:
            return PopularPolicy.load(folder)
        except ValueError:
            return cls()


class NearTies:
    """Scores that differ in the last digits with the batch, as sums of floats do."""

    def scores(self, obs):
        jitter = ((obs.candidates * len(obs.user_id)) % 7).astype(np.float32) * np.float32(1e-7)
        return (obs.candidates % 3).astype(np.float32) + jitter

    def rank(self, obs, k, noise):
        return top_k(obs, self.scores(obs), k)


def test_near_ties_may_come_out_in_any_order_where_scores_are_shown():
    check_policy(NearTies)


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        (Repeats, "repeats a video"),
        (Stranger, "not among that user's candidates"),
        (WrongShape, "slates of shape"),
        (LooksAtOthers, "rank each row from that row alone"),
        (OwnNoise, "draw from noise alone"),
        (Scribbler, "changes obs.position"),
        (Psychic, "obs.satisfaction"),
        (NotAPolicy, "has no rank"),
        (Forgetful, "loaded from its folder"),
        (Trusting, "loaded as if nothing were wrong"),
        (NeedsAnswers, "fitted on a log of .* it fails: RuntimeError: no answers"),
        (Unseeded, "seed all of fit"),
    ],
)
def test_the_contract_names_the_fault(policy, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_policy(policy)
