"""Strengths set by the stand-in ranker, on the bundled world."""

import numpy as np
import pytest

from user_models.fit.by_duration import shape_by_duration
from user_models.fit.calibrate import draw_crowd, figures
from user_models.fit.expected import expected_watching
from user_models.fit.selector import Selector, selected_crowd
from user_models.fit.strengths import tune_sessions, tune_strengths, view_cost
from user_models.ladder import CLICK_RUNG
from user_models.published import (
    DURATION_EDGES,
    RANDOM_BY_DURATION,
    RANDOM_CLICK_RATE_SPREAD,
    REGIMES,
    SESSIONS_PER_DAY,
    VIEWS_PER_DAY,
)
from user_models.store import load_world
from user_models.world import World


@pytest.fixture(scope="module")
def bundled() -> World:
    return load_world("kuairand-pure")


def test_sessions_keep_their_published_length_under_the_stand_in(bundled):
    world = tune_sessions(bundled, Selector())
    crowd = selected_crowd(world, 2_000, Selector(), seed=5)
    watching = expected_watching(crowd.users, crowd.videos, crowd.slates, world.rules(1.0))
    cost = world.value("leaving.cost_scale") * view_cost(world, watching)
    views = crowd.users.views_per_session / cost + 0.5
    sessions = 1 / crowd.users.views_per_session  # users are drawn by sessions * views: undone for a mean over users
    assert (sessions * views).sum() / sessions.sum() == pytest.approx(VIEWS_PER_DAY / SESSIONS_PER_DAY, rel=0.08)


@pytest.mark.slow
def test_random_exposures_by_duration_are_as_published(bundled):
    world = shape_by_duration(bundled)
    crowd = draw_crowd(world, 20_000, 4)
    watching = expected_watching(crowd.users, crowd.videos, crowd.slates, world.rules(1.0))
    kind = np.searchsorted(DURATION_EDGES, crowd.videos.duration_s)[crowd.slates]
    clicks = watching.stages[:, :, CLICK_RUNG + 1 :].sum(axis=2)
    found = [clicks[kind == each].mean() for each in range(5)]
    assert found == pytest.approx(RANDOM_BY_DURATION["click"], rel=0.05)


@pytest.mark.slow
def test_the_stand_in_reaches_the_standard_figures(bundled):
    """Of watching within a quarter, as the real ranker is not the stand-in; users differ about as published."""
    world = tune_strengths(bundled, Selector())
    crowd = selected_crowd(world, 10_000, Selector(), seed=5)
    found = figures(world, crowd)
    for name in ("click", "long_view", "complete", "watch_s", "like", "profile_enter"):
        assert found[name] == pytest.approx(REGIMES["base"][name], rel=0.25)
    random = draw_crowd(world, 2_000, 60)
    rates = expected_watching(random.users, random.videos, random.slates, world.rules(1.0)).passing(CLICK_RUNG)
    assert rates.std() == pytest.approx(0.84 * RANDOM_CLICK_RATE_SPREAD, rel=0.1)
