"""The likelihoods of recovery against brute force, automatic derivatives and the kernel; the search against algebra."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from scipy.special import expit

from user_models.dynamics.kernel import MOST_FELT
from user_models.dynamics.watch_thresholds import N_SEGMENTS, N_THRESHOLDS, SEGMENT, threshold_seconds
from user_models.recovery import action_likelihood as acts_module
from user_models.recovery.action_likelihood import N_STAGES, Acts
from user_models.recovery.newton import Frame, LocalCurvature, NoMaximumError, maximise
from user_models.recovery.result import RecoveredRow, RecoveryResult
from user_models.recovery.views import CONTEXT, RecoveryViews
from user_models.recovery.watch_likelihood import N_HOURS, decide, log_likelihood

NODES = np.log([5.0, 40.0, 600.0])
N_USERS = 3


@pytest.fixture
def rng():
    return np.random.default_rng(2)


@pytest.fixture
def views(rng):
    n = 12
    duration_s = np.exp(rng.uniform(1.7, 6, n)).astype(np.float32)
    exists = np.diff(threshold_seconds(duration_s), axis=1, prepend=-1) > 0
    passed = np.array([rng.choice(np.append(np.flatnonzero(row), N_THRESHOLDS)) for row in exists])
    return RecoveryViews(
        user=rng.integers(N_USERS, size=n),
        hour=rng.integers(N_HOURS, size=n),
        log_duration=np.log(duration_s).astype(np.float64),
        exists=exists,
        passed=passed,
        acted=rng.random((n, 6)) < 0.4,
        video_appeal=rng.normal(size=n),
        context=rng.normal(size=(n, len(CONTEXT))),
        video_action=rng.normal(size=(n, 6)),
        satisfaction=rng.normal(size=n),
        noise=0.65,
    )


@pytest.fixture
def at(rng):
    slopes = rng.uniform(0.2, 1, len(NODES) * N_SEGMENTS)
    effects = rng.normal(size=N_HOURS + len(CONTEXT) + N_USERS)
    return np.concatenate([rng.normal(1, 0.5, len(NODES) * N_THRESHOLDS), slopes, effects])


def watch_by_hand(views, at: torch.Tensor) -> torch.Tensor:
    """Log-probability of every watch, threshold by threshold, straight from the formula."""
    n_stage, n_slope = len(NODES) * N_THRESHOLDS, len(NODES) * N_SEGMENTS
    stage = at[:n_stage].reshape(-1, N_THRESHOLDS)
    slope = at[n_stage : n_stage + n_slope].reshape(-1, N_SEGMENTS)
    hour, context, user = torch.split(at[n_stage + n_slope :], [N_HOURS, len(CONTEXT), N_USERS])
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(views.user)):
        weight = torch.tensor([np.interp(views.log_duration[i], NODES, row) for row in np.eye(len(NODES))])
        appeal = views.video_appeal[i] + hour[views.hour[i]] + user[views.user[i]]
        appeal = appeal + torch.tensor(views.context[i]) @ context
        odds = weight @ stage + (weight @ slope)[torch.from_numpy(SEGMENT)] * appeal
        for j in range(min(views.passed[i] + 1, N_THRESHOLDS)):
            if views.exists[i, j]:
                total = total + torch.nn.functional.logsigmoid(odds[j] if j < views.passed[i] else -odds[j])
    return total


def test_watch_is_the_product_of_its_decisions(views, at):
    curve = log_likelihood(decide(views, NODES), at)
    assert curve.value == pytest.approx(watch_by_hand(views, torch.tensor(at)).item())


def test_watch_has_the_derivatives_that_torch_finds(views, at):
    curve = log_likelihood(decide(views, NODES), at)
    here = torch.tensor(at, requires_grad=True)
    (gradient,) = torch.autograd.grad(watch_by_hand(views, here), here)
    np.testing.assert_allclose(curve.gradient, gradient.numpy(), atol=1e-9)
    hessian = torch.autograd.functional.hessian(lambda x: watch_by_hand(views, x), torch.tensor(at))
    np.testing.assert_allclose(curve.observed, -np.asarray(hessian), atol=1e-9)


def some_acts(rng, n=15) -> Acts:
    return Acts(
        acted=rng.random(n) < 0.4,
        stage=rng.integers(N_STAGES, size=n),
        user=rng.integers(N_USERS, size=n),
        video=rng.normal(size=n),
        satisfaction=rng.normal(size=n),
        noise=0.65,
        n_users=N_USERS,
    )


@pytest.fixture
def acting(rng):
    return np.concatenate([rng.normal(-1, 0.5, N_STAGES), [2.5], rng.normal(size=N_USERS)])


def test_act_integrates_over_what_no_feature_tells(rng, acting):
    """To 1e-5 a view: where satisfaction is felt no further there is a kink, which the nodes meet slowly."""
    acts = some_acts(rng)
    wanted = 0.0
    for i in range(len(acts.user)):
        fixed = acting[acts.stage[i]] + acting[N_STAGES + 1 + acts.user[i]] + acts.video[i]

        def mixed(z, fixed=fixed, felt=acts.satisfaction[i]):
            clipped = np.clip(felt + acts.noise * z, -MOST_FELT, MOST_FELT)
            return expit(fixed + acting[N_STAGES] * clipped) * stats.norm.pdf(z)

        kinks = [(edge - acts.satisfaction[i]) / acts.noise for edge in (-MOST_FELT, MOST_FELT)]
        chance = quad(mixed, -10, 10, points=kinks, limit=200)[0]
        wanted += np.log(chance if acts.acted[i] else 1 - chance)
    assert acts_module.log_likelihood(acts, acting).value == pytest.approx(wanted, abs=1e-5 * len(acts.user))


def test_act_has_the_derivatives_of_its_value(rng, acting):
    acts, step = some_acts(rng), 1e-5
    curve = acts_module.log_likelihood(acts, acting)
    for j, direction in enumerate(np.eye(len(acting)) * step):
        up, down = (acts_module.log_likelihood(acts, acting + sign * direction) for sign in (1, -1))
        assert curve.gradient[j] == pytest.approx((up.value - down.value) / (2 * step), abs=1e-6)
        np.testing.assert_allclose(curve.observed[j], -(up.gradient - down.gradient) / (2 * step), atol=1e-6)


def quadratic(at):
    """Maximum where x + y = 3 and z = 2; flat along x - y."""
    missed = np.array([3 - at[0] - at[1], 3 - at[0] - at[1], 2 - at[2]])
    information = np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 4]])
    value = -0.5 * missed[0] ** 2 - 2 * missed[2] ** 2
    return LocalCurvature(value, missed * [1, 1, 4], information, information)


def test_gauge_settles_what_the_likelihood_does_not():
    frame = Frame(np.array([1.0, 2.0, 9.0]), np.zeros(3, bool), np.array([[0.5, -0.5, 0]]))
    found = maximise(quadratic, np.array([5.0, -5.0, 0.0]), frame)
    np.testing.assert_allclose(found.estimate, [1, 2, 2], atol=1e-6)
    assert found.error[2] == pytest.approx(0.5)


def test_held_entries_stay_at_the_truth_without_error():
    frame = Frame(np.array([1.0, 2.0, 9.0]), np.array([True, False, False]), np.zeros((0, 3)))
    found = maximise(quadratic, np.zeros(3), frame)
    np.testing.assert_allclose(found.estimate, [1, 2, 2], atol=1e-6)
    np.testing.assert_allclose(found.error, [0, 1, 0.5])


def test_search_without_a_maximum_says_so():
    def rising(at):
        return LocalCurvature(float(at[0]), np.ones(1), np.eye(1), np.eye(1))

    with pytest.raises(NoMaximumError, match="want more views"):
        maximise(rising, np.zeros(1), Frame(np.zeros(1), np.zeros(1, bool), np.zeros((0, 1))))


def test_share_counts_those_within_two_errors():
    rows = tuple(RecoveredRow(str(z), 0.0, z, 1.0, z) for z in (-2.5, -2.0, 0.0, 1.0, 2.0, 0.3, 0.1, 0.2, 0.4, 0.5))
    recovery = RecoveryResult(rows, n_views=1, n_users=1, n_held=0)
    assert recovery.share_within_2 == pytest.approx(0.9)
    assert recovery.recovered
