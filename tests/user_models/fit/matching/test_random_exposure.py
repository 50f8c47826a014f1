"""Expected figures against simulation, and calibration against its targets."""

from dataclasses import replace

import numpy as np
import pytest

from user_models.dynamics import kernel
from user_models.dynamics.state import Response, UserState
from user_models.dynamics.watch_thresholds import CLICK_THRESHOLD
from user_models.fit.matching.expected_outcomes import expected_watching
from user_models.fit.matching.random_exposure import (
    RandomTargets,
    calibrate_random,
    calibrate_watching,
    draw_crowd,
    figures,
    random_figures,
)
from user_models.fit.matching.standin_ranker import Selector, selected_crowd
from user_models.testing import toy_world
from user_models.world.tables import ACTIONS
from user_models.world.world import World

FORGETFUL = {"satiation.strength": 0.0, "drift.gain": 0.0, "habituation.strength": 0.0}
REACHABLE = RandomTargets(
    click=0.3, long_view=0.2, complete=0.1, watch_s=20.0, action=(0.01, 0.002, 0.003, 0.001, 0.002, 0.01)
)


def simulated(world, n_users: int, k: int) -> tuple[Response, object]:
    """The kernel's responses of rested users to random slates."""
    crowd = draw_crowd(world, n_users, k)
    rules = world.rules(1.0)
    f32, i16 = np.float32, np.int16
    ints, floats = np.zeros(n_users, i16), np.zeros(n_users, f32)
    hours = np.random.default_rng(0).choice(24, n_users, p=rules.hour_share).astype(np.int8)
    state = UserState(
        np.full(n_users, 1e9, f32), np.zeros((n_users, 4), i16), ints, ints.copy(), np.zeros(n_users, np.int32), hours,
        np.full(n_users, 0.5, f32), ints.copy(), floats, floats.copy(), ints.copy(), floats.copy(), ints.copy() - 9,
        ints.copy(), np.zeros_like(crowd.users.taste), np.zeros_like(crowd.users.taste), floats.copy(),
    )  # fmt: skip
    dtypes = (bool, f32, np.uint16, np.int8, f32, f32, f32)
    out = Response(*(np.zeros((n_users, k), dtype) for dtype in dtypes))
    keys, rows = np.empty(n_users, np.uint64), np.arange(n_users)
    kernel.hash_keys(np.uint64(1), rows, 0, np.zeros(n_users, np.int32), keys)
    kernel.respond(keys, rows, crowd.slates, 0, crowd.users, crowd.videos, state, rules, out)
    return out, crowd


def test_expected_figures_are_those_of_the_kernel():
    world = toy_world().with_values(FORGETFUL)
    out, crowd = simulated(world, 4_000, 40)
    expected = figures(world, crowd)
    n = out.events.size
    bits = {"click": 1, "long_view": 2, "complete": 4, **{name: 16 << i for i, name in enumerate(ACTIONS)}}
    for name, bit in bits.items():
        rate = ((out.events & bit) != 0).mean()
        assert rate == pytest.approx(expected[name], abs=4 * np.sqrt(expected[name] / n) + 0.003 * expected[name])
    assert out.watch_s.mean() == pytest.approx(expected["watch_s"], abs=4 * out.watch_s.std() / np.sqrt(n))


@pytest.fixture(scope="module")
def calibrated() -> World:
    return calibrate_random(toy_world(), REACHABLE)


def test_random_exposures_meet_their_targets_after_calibration(calibrated):
    found = random_figures(calibrated)
    wanted = {"click": 0.3, "long_view": 0.2, "complete": 0.1, "watch_s": 20.0}
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=0.03)
    actions = [found[name] for name in ACTIONS]
    assert actions == pytest.approx(REACHABLE.action, rel=0.1)


def test_calibrating_twice_changes_nothing_more(calibrated):
    twice = calibrate_random(calibrated, REACHABLE)
    np.testing.assert_allclose(twice.tables.stage, calibrated.tables.stage, atol=0.02)
    np.testing.assert_allclose(twice.tables.action_base, calibrated.tables.action_base, atol=0.02)


def test_calibration_leaves_strengths_alone(calibrated):
    world, changed = toy_world(), calibrated
    for name in ("slope", "action_satisfaction", "user_root", "video_mean"):
        np.testing.assert_array_equal(getattr(world.tables, name), getattr(changed.tables, name))
    assert world.parameters == changed.parameters


def test_targets_out_of_reach_are_refused():
    with pytest.raises(ValueError, match="no shift of pass logits"):
        calibrate_watching(toy_world(), replace(REACHABLE, long_view=0.29, complete=0.28, watch_s=0.5), 200)


def test_a_reliable_selector_shows_what_users_click():
    world = toy_world()
    rules = world.rules(1.0)

    def click(crowd) -> float:
        return float(expected_watching(crowd.users, crowd.videos, crowd.slates, rules).passing(CLICK_THRESHOLD).mean())

    random = click(draw_crowd(world, 500, 6))
    weak, strong = (click(selected_crowd(world, 500, Selector(reliability=rho))) for rho in (0.3, 0.9))
    assert random < weak < strong
