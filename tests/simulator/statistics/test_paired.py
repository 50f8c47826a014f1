import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.analysis.analyse import analyse
from simulator.metrics import METRICS, Ratio
from simulator.statistics.paired import paired_effect, paired_spread, true_effect


def worlds(n: int = 3_000, seed: int = 1) -> tuple[Ratio, Ratio]:
    """Users in two worlds with much in common; the treatment adds views for those who watch long."""
    rng = np.random.default_rng(seed)
    rate, taste = rng.lognormal(3, 1, n), rng.lognormal(2, 0.5, n)
    views = rng.poisson(rate).astype(float)
    more = views + rng.binomial(views.astype(int), 0.1 * taste / taste.max())
    return Ratio(views * taste, views), Ratio(more * taste * 1.01, more)


def test_a_lift_worked_by_hand():
    """R0 = 6/3, R1 = 9/3: lift .5; influences (n1 - 3 d1) / 1 / 2 - 1.5 (n0 - 2 d0) / 1 / 2."""
    control = Ratio(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0]))
    treatment = Ratio(np.array([2.0, 2.0, 5.0]), np.array([1.0, 1.0, 1.0]))
    effect = true_effect(control, treatment)
    influence = np.array([-1 / 2 + 1.5 / 2, -1 / 2, 2 / 2 - 1.5 / 2])
    assert (effect.control, effect.treatment, effect.relative_effect) == (2.0, 3.0, 0.5)
    assert effect.standard_error == pytest.approx(np.sqrt((influence**2).sum() / 2 / 3), rel=1e-12)


def test_equal_worlds_have_exactly_no_effect():
    control, _ = worlds()
    effect = true_effect(control, control)
    assert (effect.relative_effect, effect.standard_error) == (0.0, 0.0)


def test_the_standard_error_is_that_of_a_bootstrap_over_users():
    control, treatment = worlds()
    rng, n, n_resamples = np.random.default_rng(3), 3_000, 1_000
    weights = rng.poisson(1, (n_resamples, n)).astype(float)
    r0 = weights @ control.numerator / (weights @ control.denominator)
    r1 = weights @ treatment.numerator / (weights @ treatment.denominator)
    spread = (r1 / r0 - 1).std(ddof=1)
    tolerance = 3.29 / np.sqrt(2 * n_resamples)
    assert true_effect(control, treatment).standard_error == pytest.approx(spread, rel=tolerance)


def test_pairing_beats_independent_samples():
    control, treatment = worlds()
    frame = pd.DataFrame({"user_id": range(3_000), "arm": "a", "watch_s": control.numerator})
    other = pd.DataFrame({"user_id": range(3_000, 6_000), "arm": "b", "watch_s": treatment.numerator})
    both = pd.concat([frame.assign(views=control.denominator), other.assign(views=treatment.denominator)])
    row = analyse(both, [METRICS["AVT"]], "a", ["b"])[0]
    paired = true_effect(control, treatment)
    assert row.relative_effect == pytest.approx(paired.relative_effect, rel=1e-9)
    assert paired.standard_error < 0.2 * (row.ci_high - row.ci_low) / 3.92


def test_a_treatment_that_brings_nothing_is_a_true_loss_of_everything():
    control, _ = worlds()
    effect = true_effect(control, Ratio(np.zeros(3_000), control.denominator))
    assert effect.relative_effect == -1.0


@pytest.mark.parametrize(
    ("above", "below", "reason"), [(0.0, 1.0, "true control value is 0"), (1.0, 0.0, "denominator is 0")]
)
def test_a_lift_over_nothing_says_why(above: float, below: float, reason: str):
    nothing = Ratio(np.full(4, above), np.full(4, below))
    effect = true_effect(nothing, Ratio(np.ones(4), np.ones(4)))
    assert (effect.relative_effect, effect.standard_error) == (None, None)
    assert reason in effect.reason


@given(st.integers(0, 2**32), st.integers(2, 60))
def test_moments_and_rows_give_the_same_effect(seed, n):
    control, treatment = worlds(n, seed)
    rows, moments = true_effect(control, treatment), paired_effect(paired_spread(control, treatment))
    for name in ("control", "treatment", "relative_effect", "standard_error"):
        assert getattr(moments, name) == pytest.approx(getattr(rows, name), rel=1e-9, abs=1e-12, nan_ok=True)
    assert moments.reason == rows.reason
