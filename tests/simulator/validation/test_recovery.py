"""Parameters of a simulated world come back, and would not if the equations disagreed."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.rollout.catalogue import Size
from simulator.rollout.request import respond
from simulator.validation.random_requests import random_rollout, requests
from simulator.validation.recovery import _regressors, act_truths, recover, watch, watch_truth
from user_models.recovery.watch_likelihood import fit_watch
from user_models.testing import toy_world

SMALL = Size(users=12, videos=1000, views_scale=0.5, n_days=2)
"""Many views a user: estimated effects of users with few would bias the rest (40 users of 100 views: 87% within 2)."""
TINY = Size(users=12, videos=1000, views_scale=0.2, n_days=2)


@pytest.fixture(scope="module")
def recovery():
    return recover(toy_world(), SMALL)


def test_nine_in_ten_parameters_are_within_two_standard_errors(recovery):
    assert len(recovery.rows) >= 40
    assert recovery.share_within_2 >= 0.9
    assert recovery.recovered


def test_standard_errors_are_neither_too_small_nor_too_large(recovery):
    """z has standard deviation 1; estimated from n values, to 3 / sqrt(2 n), were they independent."""
    z = np.array([row.z for row in recovery.rows])
    assert abs(z.std() - 1) < 3 / np.sqrt(2 * len(z))


def test_rows_carry_the_world_s_own_values(recovery):
    true = {row.name: row.true for row in recovery.rows}
    assert true["watch.momentum"] == toy_world().value("watch.momentum")
    assert true["hate.satisfaction"] == pytest.approx(-1.5)


def test_covariates_rebuild_the_appeal_that_the_kernel_used():
    world = toy_world()
    settings, (block,) = random_rollout(world, TINY, 1, seed=3)
    truth = watch_truth(world, block.users)
    for request in requests(settings, block, range(1)):
        context, _ = _regressors(settings, request)
        effects = truth.hour_effect[block.state.hour[request.rows]] + truth.user_appeal[request.rows]
        wanted = context @ truth.context + effects + request.ring.videos.appeal[request.slates[:, 0]]
        response = respond(settings, block, request.ring, request.day, request.rows, request.slates)
        np.testing.assert_allclose(response.appeal[:, 0], wanted, atol=1e-4)


def test_a_wrong_parameter_is_found_out():
    """Views of a world with four times the momentum that is taken for the truth."""
    settings, (block,) = random_rollout(toy_world().with_values({"watch.momentum": 0.8}), TINY, 1, seed=4)
    views = watch(settings, block, range(2))
    came, place = np.unique(views.user, return_inverse=True)
    users = type(block.users)(*(array[came] for array in block.users))
    truth = watch_truth(toy_world(), users)
    found = fit_watch(replace(views, user=place), truth)
    at = truth.names.index("watch.momentum")
    assert (found.estimate[at] - truth.vector[at]) / found.error[at] > 3


def test_truths_of_actions_are_base_plus_stage():
    world = toy_world()
    _, (block,) = random_rollout(world, TINY, 1, seed=0)
    like = act_truths(world, block.users)[0]
    assert like.cell[0] == pytest.approx(-4.5 - 0.5)
    assert like.names[-1] == "like.satisfaction"


@pytest.mark.slow
def test_the_bundled_world_comes_back():
    from user_models.world.store import load_world

    recovery = recover(load_world("kuairand-pure"))
    assert len(recovery.rows) > 300
    assert recovery.recovered
    z = np.array([row.z for row in recovery.rows])
    assert abs(z.std() - 1) < 3 / np.sqrt(2 * len(z))
