"""Strengths set by the stand-in ranker, on the bundled world."""

import numpy as np
import pytest

from user_models.dynamics.watch_thresholds import CLICK_THRESHOLD
from user_models.fit.matching.by_duration import shape_by_duration
from user_models.fit.matching.expected_outcomes import expected_watching
from user_models.fit.matching.random_exposure import draw_crowd, figures
from user_models.fit.matching.standin_ranker import Selector, selected_crowd
from user_models.fit.matching.taste_strength import tune_strengths
from user_models.targets import DURATION_EDGES, KUAIRAND
from user_models.world.store import load_world
from user_models.world.world import World


@pytest.fixture(scope="module")
def bundled() -> World:
    return load_world("kuairand-pure")


@pytest.mark.slow
def test_random_exposures_by_duration_are_as_published(bundled):
    world = shape_by_duration(bundled)
    crowd = draw_crowd(world, 20_000, 4)
    watching = expected_watching(crowd.users, crowd.videos, crowd.slates, world.rules(1.0))
    kind = np.searchsorted(DURATION_EDGES, crowd.videos.duration_s)[crowd.slates]
    clicks = watching.stages[:, :, CLICK_THRESHOLD + 1 :].sum(axis=2)
    found = [clicks[kind == each].mean() for each in range(5)]
    assert found == pytest.approx(KUAIRAND.random_by_duration.click, rel=0.05)


@pytest.mark.slow
def test_the_stand_in_reaches_the_standard_figures(bundled):
    """Of watching, within a quarter, as the real ranker is not the stand-in."""
    world = tune_strengths(bundled, Selector())
    crowd = selected_crowd(world, 10_000, Selector(), seed=5)
    found = figures(world, crowd)
    for name in ("click", "long_view", "complete", "watch_s"):
        assert found[name] == pytest.approx(KUAIRAND.base.figures()[name], rel=0.25)


@pytest.mark.slow
@pytest.mark.xfail(reason="11.5% too narrow in the bundled world as it is now; the calibration sets the spread anew")
def test_the_stand_in_spreads_users_as_published(bundled):
    world = tune_strengths(bundled, Selector())
    random = draw_crowd(world, 2_000, 60)
    rates = expected_watching(random.users, random.videos, random.slates, world.rules(1.0)).passing(CLICK_THRESHOLD)
    assert rates.std() == pytest.approx(0.84 * KUAIRAND.random_click_spread, rel=0.1)
