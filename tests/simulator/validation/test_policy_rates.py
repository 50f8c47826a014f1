"""Both regimes of a world: the figures are those of its user-days."""

import pytest

from simulator.validation.policy_rates import RATES, RegimeRow, measure_regimes, regime_spec
from user_models.targets import KUAIRAND
from user_models.testing import toy_world


@pytest.fixture(scope="module")
def measured():
    spec = regime_spec(600, 3).model_copy(update={"pre_days": 2, "launch_days": 1, "videos": 500})
    return measure_regimes(toy_world(), spec, 2, lambda stage, done, total: None)


def test_every_figure_is_given_for_both_regimes(measured):
    assert [(row.regime, row.figure) for row in measured.rows] == [(r, f) for r in ("random", "base") for f in RATES]


def test_base_is_clicked_more_than_random(measured):
    click = {row.regime: row.simulated for row in measured.rows if row.figure == "click"}
    assert click["base"] > click["random"] + 0.03


def test_shares_are_nested(measured):
    for regime in ("random", "base"):
        rate = {row.figure: row.simulated for row in measured.rows if row.regime == regime}
        assert rate["complete"] <= rate["long_view"] <= rate["click"] <= 1


def test_activity_is_what_the_world_says(measured):
    assert 0.8 < measured.return_share < 1
    assert 200 < measured.views_per_user_day < 700


def test_ratio_is_simulated_over_real():
    assert RegimeRow("base", "click", 0.3, 0.4).ratio == pytest.approx(0.75)


def test_real_figures_cover_what_is_measured():
    assert {regime: set(figures) for regime, figures in KUAIRAND.regimes().items()} == {
        "random": set(RATES),
        "base": set(RATES),
    }
