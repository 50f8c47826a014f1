"""Every formulation is a distribution, draws what it says, and finds its own parameters again."""

import math

import numpy as np
import pytest
import torch

from user_models.dynamics.watch_thresholds import COMPLETE_RUNG, N_RUNGS
from user_models.watch_forms.density_form import DensityForm
from user_models.watch_forms.form import END_BAND
from user_models.watch_forms.ladder_form import LadderForm
from user_models.watch_forms.skip_form import SkipForm
from user_models.watch_forms.threshold_form import ThresholdForm, adaptive_thresholds
from user_models.watch_forms.tree_form import N_LEAVES, quantile_tree

WATCHED = np.random.default_rng(1).lognormal(2, 1.3, 4000).astype(np.float32)
LENGTHS = np.random.default_rng(2).lognormal(4, 1, 4000).astype(np.float32)
FORMS = {
    "ladder": LadderForm(),
    "skip": SkipForm(),
    "thresholds": adaptive_thresholds(WATCHED, 32),
    "tree": quantile_tree(WATCHED, LENGTHS, 4),
    "density": DensityForm(3),
}
each_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def outputs_of(form, rows: int, spread: float, seed: int = 0) -> torch.Tensor:
    """Outputs about the form's start, in double precision."""
    noise = torch.randn(rows, len(form.start()), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return form.start().double() + spread * noise


def lengths(rows: int, seed: int = 0) -> torch.Tensor:
    return 4 * (1 + 100 * torch.rand(rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


@each_form
def test_a_cdf_rises_from_the_chance_of_nothing_to_one(form):
    outputs, duration_s = outputs_of(form, 200, 0.7), lengths(200)
    seconds = torch.cat([torch.zeros(1), torch.logspace(-3, 6, 400)]).double().expand(200, -1)
    below = form.cdf(outputs, seconds, duration_s)
    assert (below.diff(dim=1) >= -1e-12).all()
    assert (below >= 0).all()
    assert (below <= 1 + 1e-12).all()
    assert (below[:, 0] > 0).all()
    # A lognormal of some width has a little chance left anywhere.
    assert (below[:, -1] > 0.995).all()


@each_form
def test_draws_follow_the_cdf(form):
    """KS distance of n independent draws stays below 1.95 / sqrt(n) with chance .999 (Smirnov 1948)."""
    n = 20_000
    outputs = outputs_of(form, 1, 0.5).expand(n, -1)
    duration_s = torch.full((n,), 24.0, dtype=torch.float64)
    drawn = form.draw(outputs, duration_s, torch.Generator().manual_seed(3)).sort().values
    below = form.cdf(outputs[:1], drawn[None], duration_s[:1])[0]
    rank = torch.searchsorted(drawn, drawn, right=True) / n
    assert (below - rank).abs().max() < 1.95 / math.sqrt(n) + 1 / n


@each_form
def test_the_chance_of_nothing_is_drawn(form):
    n = 20_000
    outputs, duration_s = outputs_of(form, 1, 0.5).expand(n, -1), torch.full((n,), 60.0, dtype=torch.float64)
    drawn = form.draw(outputs, duration_s, torch.Generator().manual_seed(4))
    chance = float(form.cdf(outputs[:1], torch.zeros(1, 1).double(), duration_s[:1]))
    assert float((drawn == 0).double().mean()) == pytest.approx(chance, abs=3 * math.sqrt(chance * (1 - chance) / n))


@pytest.mark.parametrize("form", [SkipForm(), DensityForm(3)], ids=["skip", "density"])
def test_a_density_is_the_slope_of_its_cdf(form):
    outputs = outputs_of(form, 7, 0.4)
    duration_s = torch.full((7,), 30.0, dtype=torch.float64)
    at = torch.tensor([0.3, 2.0, 12.0, 29.0, 30.3, 31.0, 70.0], dtype=torch.float64)
    low, high = (form.cdf(outputs, (at + step)[:, None], duration_s)[:, 0] for step in (-1e-4, 1e-4))
    torch.testing.assert_close((-form.loss(outputs, at, duration_s)).exp(), (high - low) / 2e-4, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("form", [SkipForm(), DensityForm(3), LadderForm(), FORMS["tree"]])
def test_the_loss_of_nothing_watched_is_its_chance(form):
    outputs, duration_s = outputs_of(form, 5, 0.5), lengths(5)
    nothing = torch.zeros(5, dtype=torch.float64)
    chance = form.cdf(outputs, nothing[:, None], duration_s)[:, 0]
    torch.testing.assert_close((-form.loss(outputs, nothing, duration_s)).exp(), chance)


def test_a_skip_that_outlasts_the_video_completes_it():
    """p = 1/2, z = 0, m = d; the others watch far longer than d and never replay: all of the mass is in closed form."""
    far = 50.0
    outputs = torch.tensor([[0.0, -far, math.log(10.0), far, 0.0, -far, 0.0]], dtype=torch.float64)
    points = torch.tensor([[10 - 1e-9, 10.1, 10 * END_BAND]], dtype=torch.float64)
    below = form_cdf(SkipForm(), outputs, points, 10.0)
    early = 0.5 * (1 - math.exp(-1))
    assert below.tolist() == pytest.approx([early, early + 0.5 * (1 - early), 1.0])


def form_cdf(form, outputs: torch.Tensor, seconds: torch.Tensor, duration_s: float) -> torch.Tensor:
    return form.cdf(outputs, seconds, torch.tensor([duration_s], dtype=torch.float64))[0]


def test_the_point_mass_at_the_end_has_its_weight_and_is_spread_over_the_band():
    outputs = torch.tensor([[0.0, math.log(2.0), 0.0, 0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    below = form_cdf(DensityForm(1), outputs, torch.tensor([[1e5 - 1, 1e5 * 1.01, 1e5 * END_BAND]]).double(), 1e5)
    assert below.tolist() == pytest.approx([3 / 5, 4 / 5, 1.0], abs=1e-6)


@pytest.mark.parametrize("duration_s", [5.0, 18.0, 300.0])
def test_the_ladder_completes_with_the_product_of_its_rungs(duration_s):
    """Even odds at each rung; a rung beyond the end is free, so a short video has fewer of them."""
    below = form_cdf(
        LadderForm(), torch.zeros(1, N_RUNGS).double(), torch.tensor([[duration_s - 1e-6]]).double(), duration_s
    )
    standing = {5.0: 8, 18.0: 12, 300.0: COMPLETE_RUNG + 1}[duration_s]
    assert float(below) == pytest.approx(1 - 0.5**standing, abs=1e-6)


def test_thresholds_that_rise_are_flattened():
    form = ThresholdForm(torch.tensor([0.0, 1.0, 2.0, 4.0]), 8.0)
    chances = torch.tensor([[0.9, 0.4, 0.6, 0.2]], dtype=torch.float64)
    below = form_cdf(form, torch.logit(chances), torch.tensor([[0.0, 1.0, 2.0, 4.0, 8.0]]).double(), 3.0)
    assert below.tolist() == pytest.approx([0.1, 0.6, 0.6, 0.8, 1.0])


def test_adaptive_thresholds_are_denser_than_quantiles_where_views_are_long():
    form = adaptive_thresholds(WATCHED, 32)
    assert form.thresholds_s[0] == 0
    assert (form.thresholds_s.diff() > 0).all()
    share = torch.from_numpy((WATCHED[:, None] <= form.thresholds_s.numpy()).mean(axis=0))
    assert share[16] > 0.5


def test_an_even_tree_has_even_leaves():
    tree = FORMS["tree"]
    at = tree.edges_s[1].double()
    length = float(tree.bounds_s[1])
    assert form_cdf(tree, torch.zeros(1, N_LEAVES - 1).double(), at[None], length).tolist() == pytest.approx(
        [(leaf + 1) / N_LEAVES for leaf in range(N_LEAVES)], abs=1e-6
    )


def test_buckets_of_the_tree_hold_equally_many_views_of_each_length():
    tree = quantile_tree(WATCHED, LENGTHS, 4)
    group = np.searchsorted(tree.bounds_s.numpy(), LENGTHS)
    for at in range(4):
        watched = WATCHED[group == at]
        counts = np.histogram(watched, tree.edges_s[at].numpy())[0]
        assert np.ptp(counts) <= 2


PLANTED = {
    "skip": (SkipForm(), [0.3, -1.0, 1.2, 2.8, -0.2, -0.6, -0.9]),
    "density": (DensityForm(2), [-0.5, -1.0, 0.0, 0.5, 0.2, 0.3, 1.0, 3.2, -0.5, -1.0]),
    "ladder": (LadderForm(), list(np.linspace(1.5, 0.5, N_RUNGS))),
    "tree": (FORMS["tree"], list(np.linspace(-0.8, 0.8, N_LEAVES - 1))),
}


@pytest.mark.parametrize(("form", "planted"), PLANTED.values(), ids=PLANTED)
def test_planted_parameters_are_found_within_their_errors(form, planted):
    """Errors from the scores at the optimum (Berndt, Hall, Hall and Hausman 1974).

    Of 31 normal deviates all are within 4 with chance .998.
    """
    n = 8000
    truth = torch.tensor(planted, dtype=torch.float64)
    duration_s = lengths(n).float()
    watch_s = form.draw(truth.expand(n, -1), duration_s.double(), torch.Generator().manual_seed(5)).float()
    found, covariance = most_likely(form, truth, watch_s, duration_s)
    # The weights of a mixture are known up to a common shift of their logarithms.
    free = 5 if isinstance(form, DensityForm) else 0
    apart = found - truth
    apart[:free] -= apart[:free].mean()
    assert (apart.abs() < 4 * covariance.diagonal().sqrt()).all()


def test_planted_chances_of_thresholds_are_found():
    form, n = FORMS["thresholds"], 8000
    truth = torch.linspace(1.5, -2.5, 32, dtype=torch.float64)
    duration_s = lengths(n).float()
    watch_s = form.draw(truth.expand(n, -1), duration_s.double(), torch.Generator().manual_seed(5)).float()
    found, _ = most_likely(form, truth, watch_s, duration_s)
    chance = torch.sigmoid(truth)
    assert ((torch.sigmoid(found) - chance).abs() < 4 * (chance * (1 - chance) / n).sqrt()).all()


def most_likely(
    form, truth: torch.Tensor, watch_s: torch.Tensor, duration_s: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The optimum near the truth, begun away from it, and the inverse of the sum of squared scores there."""
    outputs = (truth + 0.3).requires_grad_()
    optimiser = torch.optim.LBFGS([outputs], max_iter=60, line_search_fn="strong_wolfe")

    def losses(per_view: torch.Tensor) -> torch.Tensor:
        return form.loss(per_view, watch_s.double(), duration_s.double())

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = losses(outputs.expand(len(watch_s), -1)).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    per_view = outputs.detach().repeat(len(watch_s), 1).requires_grad_()
    (scores,) = torch.autograd.grad(losses(per_view).sum(), per_view)
    return outputs.detach(), torch.linalg.pinv(scores.T @ scores)
