"""The two-equation probit: integrals worked otherwise, and its own model's numbers solved back."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from simulator.statistics.selection_probit import TwoForms, both_below, fit_probit


def forms_of(cuts, d, rho):
    """What the model says is seen, exactly."""
    plain, strong, d, rho = map(np.array, np.broadcast_arrays(*cuts, d, rho))
    rates = np.asarray(ndtr(plain)), np.asarray(ndtr(strong))
    return TwoForms(rates, (both_below(plain, d, rho), both_below(strong, d, rho)))


@pytest.mark.parametrize("rho", [-0.99, -0.5, 0.0, 0.3, 0.995])
def test_a_quadrant_is_a_quarter_and_the_arc(rho):
    """P(U < 0, V < 0) = 1/4 + asin(rho) / (2 pi) (Sheppard 1899)."""
    zero = np.zeros(())
    assert both_below(zero, zero, np.array(rho)) == pytest.approx(0.25 + np.arcsin(rho) / (2 * np.pi), abs=1e-12)


@pytest.mark.parametrize(("h", "k", "rho"), [(-2.1, 0.4, 0.6), (0.3, -1.2, -0.95), (1.5, 1.4, 0.99), (-0.5, -2.0, 0.0)])
def test_probabilities_are_those_of_integrating_over_one_of_both(h, k, rho):
    wanted = quad(lambda v: norm.pdf(v) * norm.cdf((h - rho * v) / np.sqrt(1 - rho**2)), -12, k, epsabs=1e-12)[0]
    assert both_below(np.array(h), np.array(k), np.array(rho)) == pytest.approx(wanted, abs=1e-9)


@given(st.floats(-2.0, 0.5), st.floats(0.1, 2.0), st.floats(0.15, 0.85), st.floats(-0.7, 0.7))
@example(-2.0, 0.1, 0.85, 0.7)
def test_exact_shares_are_solved_back(plain_cut, gap, share, rho):
    fit = fit_probit(forms_of((plain_cut, plain_cut + gap), ndtri(share), rho))
    assert fit.share == pytest.approx(share, abs=1e-4)
    assert fit.correlation == pytest.approx(rho, abs=1e-3)


def test_solutions_do_not_depend_on_what_is_solved_beside_them():
    one = forms_of(([-0.3], [0.6]), 0.1, 0.3)
    many = forms_of(([-0.3, -1.0, 0.2], [0.6, 0.5, 0.9]), [0.1, -1.0, 0.5], [0.3, -0.6, 0.9])
    assert fit_probit(one).share[0] == pytest.approx(fit_probit(many).share[0], abs=1e-10)
    assert fit_probit(many).correlation == pytest.approx([0.3, -0.6, 0.9], abs=1e-6)


def test_selection_by_hand():
    """Half answer, of whom 2/3 are satisfied; strongly all but one in a thousand: rho and the share are 1/2."""
    fit = fit_probit(forms_of((0.0, ndtri(0.999)), 0.0, 0.5))
    assert both_below(np.zeros(()), np.zeros(()), np.array(0.5)) == pytest.approx(1 / 3)
    assert fit.share == pytest.approx(0.5, abs=1e-6)
    assert fit.correlation == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(
    ("answered", "satisfied"),
    [
        ((0.4, 0.4), (0.2, 0.2)),  # the form changes nothing
        ((0.4, 0.6), (0.3, 0.29)),  # fewer of more: no form can take answers away
        ((0.4, 0.6), (0.0, 0.2)),
        ((0.4, 0.6), (0.4, 0.5)),
        ((0.4, 1.0), (0.2, 0.5)),
        ((np.nan, 0.6), (np.nan, 0.3)),
    ],
)
def test_what_the_model_cannot_say_is_no_number(answered, satisfied):
    fit = fit_probit(TwoForms(tuple(map(np.array, answered)), tuple(map(np.array, satisfied))))
    assert np.isnan(fit.share)
    assert np.isnan(fit.correlation)
