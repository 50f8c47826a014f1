"""Scores of forecasts against what is known by hand, and the comparison as it is printed."""

import json
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from user_models.data.folder import open_folder
from user_models.dynamics.watch_thresholds import N_STRETCHES, STRETCH
from user_models.watch_forms.comparison import Comparison, Score, compare
from user_models.watch_forms.figures import (
    CLASS_NAMES,
    FIGURES,
    Outcome,
    auc,
    kinds,
    ks_by_length,
    measure,
    pit_deviation,
    resampled,
)
from user_models.watch_forms.forecast import POINTS_S, Forecast, cell_bounds, crps, forecast
from user_models.watch_forms.ladder_form import LadderForm
from user_models.watch_forms.learning import Learned, Schedule, learn
from user_models.watch_forms.network import N_HIDDEN, AppealOutput, FreeOutput, Sizes, StretchOutput, WatchNet
from user_models.watch_forms.skip_form import SkipForm
from user_models.watch_forms.table import as_json, as_table
from user_models.watch_forms.views import Views

SIZES = Sizes(n_users=40, n_videos=10)


def some_views(n: int, seed: int = 0) -> Views:
    """Views of long videos: users below 20 watch for 2 s or so, the others for 40 s."""
    rng = np.random.default_rng(seed)
    user = np.sort(rng.integers(0, 40, n))
    watch_s = rng.lognormal(np.where(user < 20, 0.7, 3.7), 0.5)
    return Views(
        user=torch.from_numpy(user),
        video=torch.from_numpy(rng.integers(0, 10, n)),
        tab=torch.zeros(n, dtype=torch.int64),
        hour=torch.from_numpy(rng.integers(0, 24, n)),
        before=torch.zeros(n),
        duration_s=torch.full((n,), 300.0),
        watch_s=torch.from_numpy(watch_s.astype(np.float32)),
    )


def net_of(form=None, seed: int = 0) -> WatchNet:
    generator = torch.Generator().manual_seed(seed)
    form = form or LadderForm()
    output = AppealOutput(generator) if isinstance(form, LadderForm) else FreeOutput(len(form.start()))
    return WatchNet(form, output, SIZES, generator)


@pytest.mark.parametrize("at", [0.0, 0.3, 1.0])
def test_crps_of_an_even_forecast(at):
    """F(x) = x on [0, 1]: the integral of x^2 below and of (1 - x)^2 above is (y^3 + (1 - y)^3) / 3."""
    nodes = torch.tensor([sorted({0.0, at, 1.0})], dtype=torch.float64)
    assert float(crps(nodes, nodes, torch.tensor([at], dtype=torch.float64))) == pytest.approx(
        (at**3 + (1 - at) ** 3) / 3
    )


def test_crps_of_a_sure_forecast_is_the_distance():
    nodes = torch.tensor([[0.0, 2.0, 2.0 + 1e-9, 5.0, 9.0]], dtype=torch.float64)
    below = (nodes > 2).double()
    assert float(crps(nodes, below, torch.tensor([5.0]).double())) == pytest.approx(3.0)


def test_crps_of_an_exponential_forecast():
    """y + 2 m exp(-y / m) - 3 m / 2 for mean m (Gneiting and Raftery, JASA 2007)."""
    mean, at = 5.0, 3.0
    nodes = torch.cat([torch.linspace(0, 150, 6001), torch.tensor([at])]).double().sort().values[None]
    found = float(crps(nodes, 1 - torch.exp(-nodes / mean), torch.tensor([at], dtype=torch.float64)))
    assert found == pytest.approx(at + 2 * mean * math.exp(-at / mean) - 1.5 * mean, abs=1e-4)


def test_the_truth_has_the_best_expected_crps():
    """The score is proper: over draws from one of three even forecasts, that one scores best."""
    at = torch.from_numpy(np.random.default_rng(0).random(4000))
    nodes = torch.cat([torch.tensor([0.0, 0.8, 1.0, 1.3]).double().expand(4000, 4), at[:, None]], 1).sort(1).values
    scores = [float(crps(nodes, (nodes / top).clamp(max=1), at).mean()) for top in (0.8, 1.0, 1.3)]
    assert scores[1] == min(scores)


def test_each_watch_lies_in_its_cell_and_no_cell_crosses_the_end():
    rng = np.random.default_rng(0)
    duration_s = torch.from_numpy(rng.uniform(5, 300, 2000))
    watch_s = torch.from_numpy(rng.lognormal(2.5, 2, 2000))
    low, high = cell_bounds(watch_s, duration_s)
    assert (low <= watch_s * (1 + 1e-9)).all()
    assert (watch_s < high * (1 + 1e-9)).all()
    assert ((high <= duration_s) | (low >= duration_s)).all()
    assert (low[watch_s >= 4 * duration_s] == 4 * duration_s[watch_s >= 4 * duration_s]).all()


def test_cells_tile_the_axis():
    duration_s = torch.full((1,), 37.0, dtype=torch.float64)
    low, ends = torch.tensor([0.1], dtype=torch.float64), [0.0]
    while not math.isinf(ends[-1]):
        bottom, top = cell_bounds(low, duration_s)
        assert float(bottom) == pytest.approx(ends[-1])
        ends.append(float(top))
        low = top * (1 + 1e-6)
    assert 37.0 in ends


def test_deciles_of_an_even_pit_do_not_deviate():
    assert pit_deviation(np.linspace(0, 1, 1000, endpoint=False)) == pytest.approx(0)
    assert pit_deviation(np.full(50, 0.25)) == pytest.approx(90)


def test_auc_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    truth, chance = rng.random(300) < 0.4, rng.integers(0, 20, 300) / 20
    assert auc(truth, chance) == pytest.approx(roc_auc_score(truth, chance))


def test_whole_users_are_resampled():
    user = np.repeat([3, 5, 9], [2, 4, 1])
    for rows in resampled(user, 20, np.random.default_rng(0)):
        times = np.bincount(rows, minlength=7)
        assert times[0] == times[1]
        assert len(set(times[2:6])) == 1
        assert times[0] + times[2] + times[6] == 3


def test_a_forecast_that_is_the_outcome_has_no_ks_distance():
    watch_s = np.array([0.0, 1.0, 10.0, 100.0])
    below = np.tile((watch_s[:, None] <= POINTS_S).mean(axis=0).astype(np.float32), (4, 1))
    made = Forecast(*(np.full(4, 0.5) for _ in range(7)), below)
    real = Outcome(np.arange(4), watch_s, kinds(np.full(4, 40.0)), np.ones(4, bool), np.ones(4, bool))
    distances = ks_by_length(made, real, np.arange(4))
    assert distances[CLASS_NAMES.index("30-60")] == pytest.approx(0, abs=1e-6)
    assert np.isnan(distances[0])


def test_a_forecast_from_the_truth_is_calibrated():
    """PIT deciles within 3.5 standard errors of a tenth, and the mean is that of the draws."""
    n, net, views = 4000, net_of(), some_views(4000)
    with torch.no_grad():
        drawn = net.form.draw(net(views).double(), views.duration_s.double(), torch.Generator().manual_seed(1))
    real = Views(views.user, views.video, views.tab, views.hour, views.before, views.duration_s, drawn.float())
    made = forecast(net, real, np.zeros(n, bool), np.random.default_rng(0).random(n))
    assert pit_deviation(made.pit) < 350 * math.sqrt(0.09 / n)
    error = float(drawn.std()) / math.sqrt(n)
    assert made.mean_s.mean() == pytest.approx(float(drawn.mean()), abs=3 * error)
    clicked = float((drawn >= 7).double().mean())
    assert made.click.mean() == pytest.approx(clicked, abs=3 * math.sqrt(0.25 / n))


@pytest.mark.parametrize("form", [LadderForm(), SkipForm()], ids=["ladder", "skip"])
def test_learning_finds_who_watches_for_long(form):
    net, schedule = net_of(form), Schedule(epochs=4, batch=100, shrink=1.0)
    learned = learn(net, some_views(1200), schedule, torch.Generator().manual_seed(0))
    later = some_views(1000, seed=1)
    made = forecast(net, later, np.zeros(1000, bool), np.random.default_rng(0).random(1000))
    watch_s = later.watch_s.double().numpy()
    real = Outcome(later.user.numpy(), watch_s, kinds(np.full(1000, 300.0)), watch_s >= 7, watch_s >= 18)
    figures = dict(zip(FIGURES, measure(made, real, np.arange(1000)), strict=True))
    assert learned.epochs > 1
    assert figures["auc_click"] > 0.97
    assert figures["spearman"] > 0.75


def test_learning_is_repeatable():
    losses = [learn(net_of(), some_views(500), Schedule(epochs=2), torch.Generator().manual_seed(0)) for _ in range(2)]
    assert losses[0] == losses[1]


def test_appeal_lifts_every_rung():
    """The same uniform gives a longer watch to a view of more appeal."""
    output, views = AppealOutput(torch.Generator().manual_seed(0)), some_views(2)
    less, more = output.weight.detach() * -1, output.weight.detach()
    lifts = output(torch.stack([less, more]), views)
    assert (lifts[1] > lifts[0]).all()


def test_stretches_move_apart_and_their_rungs_together():
    output = StretchOutput()
    torch.nn.init.normal_(output.weight, generator=torch.Generator().manual_seed(0))
    lifts = output(torch.ones(1, N_HIDDEN), some_views(1))[0]
    assert len(lifts.unique()) == N_STRETCHES
    assert (lifts.diff() != 0).tolist() == (np.diff(STRETCH) != 0).tolist()


def test_the_table_and_the_object_name_every_formulation_and_figure():
    values = np.arange(len(FIGURES), dtype=np.float64)
    score = Score("a form", 3, Learned(2, 1.0), values, values, values, np.array([np.nan] * len(CLASS_NAMES)))
    comparison = Comparison(seed=0, n_train=10, n_test=5, n_users=2, scores=(score,))
    assert {"a form", *FIGURES, *CLASS_NAMES} <= set(as_table(comparison).replace("a form", "a_form").split()) | {
        "a form"
    }
    found = json.loads(as_json(comparison))["scores"]["a form"]
    assert found["figures"]["crps_s"] == 1
    assert found["ks_by_duration"]["<=7"] is None


@pytest.mark.real
@pytest.mark.slow
def test_the_ladder_holds_its_own_on_later_days(kuairand):
    """With every rung free no other formulation has a CRPS that is better by 2 standard errors of the difference."""
    found = compare(open_folder(kuairand / "kuairand-pure-sample"), 0, Schedule(), n_draws=20)
    crps_s = FIGURES.index("crps_s")
    free = next(score for score in found.scores if score.name == "ladder, free rungs")
    for score in found.scores:
        assert free.figures[crps_s] <= score.figures[crps_s] + 2 * score.difference_errors[crps_s]
