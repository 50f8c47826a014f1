"""Frozen towers in a module say what the base ranker says, and help who reads them to tell candidates apart."""

import numpy as np
import pytest
import torch

from policies.inf.objectives import OBJECTIVES
from policies.inf.policy import InfPolicy
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen
from policies.torch_rankers.feature_tables import catalogue_of
from policies.torch_rankers.histories import read_requests
from policies.two_tower.base_policy import BasePolicy
from policies.two_tower.fit import Recipe, fit_towers
from policies.two_tower.frozen_towers import N_TOLD, TowerWeights
from policies.two_tower.serving import plain_fusion


@pytest.fixture(scope="module")
def ground():
    rng = np.random.default_rng(0)
    specimen = make_specimen(400, 120, rng)
    log = draw_log(specimen, SyntheticLogPlan(10), rng)
    return specimen, log, draw_requests(log, np.arange(0, 400, 8), 60, 50, rng)


def test_rates_and_scores_are_those_of_the_base_ranker(ground):
    _, log, obs = ground
    base, weights = BasePolicy(epochs=1), TowerWeights(catalogue_of(log))
    base.fit(log, 3)
    weights.fill(fit_towers(log, Recipe(epochs=1), 3))
    requests, candidates = read_requests(obs, 50), torch.from_numpy(obs.candidates).long()
    scores = weights.scores(requests, candidates, plain_fusion(1.0, 0.5)).numpy()
    assert np.array_equal(scores, base.scores(obs))
    told = weights.tower_features(requests, candidates)
    fused = torch.nn.functional.logsigmoid(told[..., 0]) + 0.5 * told[..., 1]
    assert told.shape == (*obs.candidates.shape, N_TOLD)
    np.testing.assert_allclose(fused.numpy(), scores, atol=1e-4)  # the kernel's logarithm is a table, good to 8e-6


def test_inf_tells_candidates_apart_better_with_the_rates_than_without(ground):
    specimen, log, obs = ground
    truth = specimen.appeal(obs.user_id, obs.candidates)
    found = {}
    for rates in (False, True):
        policy = InfPolicy(rates=rates, epochs=1, dropout=0.0)
        policy.fit(log, 0)
        module = policy.core.fitted_or_raise().module
        with torch.no_grad():
            z = module.net(read_requests(obs, 30), torch.from_numpy(obs.candidates).long())
        pairs = zip(-z[OBJECTIVES.index("skip")].numpy(), truth, strict=True)
        found[rates] = float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))
    assert found[True] > found[False] + 0.05


def test_towers_are_not_trained_with_their_reader(ground):
    _, log, _ = ground
    policy = InfPolicy(epochs=1, max_targets=2_000)
    policy.fit(log, 5)
    kept = policy.core.fitted_or_raise().module.net.rates.towers.towers()
    alone = fit_towers(log, Recipe(history=30), 5)
    assert all(np.array_equal(a, b) for a, b in zip(kept, alone, strict=True))
