"""The joint test of segments: statsmodels' own, calibrated, powerful; and its multiplicity control."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.multitest import multipletests

from simulator.statistics.heterogeneity import adjusted, joint_test
from simulator.statistics.moments import Moments


def users_of(rng, n, gains=(0.0, 0.0, 0.0, 0.0)):
    """Heavy-tailed users in four segments; `gains` are each segment's lift under treatment."""
    segment, treated = rng.integers(0, 4, n), rng.integers(0, 2, n)
    views = 1.0 + rng.poisson(8, n)
    watch_s = views * rng.lognormal(2 + 0.2 * segment, 0.5, n) * (1 + treated * np.array(gains)[segment])
    return pd.DataFrame({"segment": segment, "treated": treated, "views": views, "watch_s": watch_s})


def cells_of(users, ratio):
    def spread(segment, treated):
        mine = users[(users["segment"] == segment) & (users["treated"] == treated)]
        below = mine["views"].to_numpy() if ratio else np.ones(len(mine))
        return Moments.of((mine["watch_s"].to_numpy(), below))

    return {str(s): (spread(s, 0), spread(s, 1)) for s in range(4)}


@pytest.mark.parametrize("ratio", [False, True])
def test_it_is_the_wald_test_of_all_interactions(ratio):
    users = users_of(np.random.default_rng(1), 600, (0.0, 0.1, 0.2, 0.0))
    formula = "y ~ treated * C(segment)"
    if ratio:
        model = smf.wls(formula, users.assign(y=users["watch_s"] / users["views"]), weights=users["views"])
    else:
        model = smf.ols(formula, users.assign(y=users["watch_s"]))
    fit = model.fit(cov_type="HC1", use_t=True)
    terms = ", ".join(f"treated:C(segment)[T.{i}] = 0" for i in (1, 2, 3))
    wald = fit.wald_test(terms, use_f=True, scalar=True)
    found = joint_test(cells_of(users, ratio))
    assert found.statistic == pytest.approx(wald.statistic, rel=1e-7)
    assert found.p_value == pytest.approx(wald.pvalue, rel=1e-7)


def rejected(n_panels, n_users, gains, seed):
    rng = np.random.default_rng(seed)
    p_values = [joint_test(cells_of(users_of(rng, n_users, gains), ratio=True)).p_value for _ in range(n_panels)]
    return float((np.array(p_values) < 0.05).mean())


def test_equal_effects_are_taken_for_equal():
    """A common lift of nothing; the bound is that of the acceptance table."""
    assert abs(rejected(200, 1_500, (0, 0, 0, 0), seed=2) - 0.05) <= 3.29 * np.sqrt(0.05 * 0.95 / 200) + 0.005


def test_unequal_effects_are_found():
    assert rejected(20, 3_000, (0, 0, 0.1, 0.2), seed=3) > 0.8


@pytest.mark.slow
def test_rates_over_many_panels():
    assert abs(rejected(600, 3_000, (0, 0, 0, 0), seed=4) - 0.05) <= 3.29 * np.sqrt(0.05 * 0.95 / 600) + 0.005
    assert rejected(60, 3_000, (0, 0, 0.1, 0.2), seed=5) > 0.8


def test_one_segment_or_one_that_does_not_vary_says_nothing():
    cells = cells_of(users_of(np.random.default_rng(6), 200), ratio=True)
    assert joint_test({"0": cells["0"]}) is None
    still = Moments.of((np.zeros(9), np.ones(9)))
    nobody = Moments.of((np.zeros(0), np.zeros(0)))
    assert joint_test(cells | {"still": (still, still)}) is None
    assert joint_test(cells | {"nobody": (nobody, still)}) is None


def test_adjusted_p_values_are_benjamini_and_hochbergs():
    p_values = [0.001, 0.04, 0.03, 0.5, 0.02]
    assert adjusted(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1].tolist(), rel=1e-12)
    assert adjusted([None, None]) == [None, None]
