"""Towers: what is trained is what is served."""

import numpy as np
import pytest
import torch

from policies.base import Event
from policies.histories import find_requests
from policies.kernel import SIZE, fill_grades, log_sigmoid
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, make_specimen
from policies.two_tower.batches import ViewSource
from policies.two_tower.model import TwoTower
from policies.two_tower.serving import predict_rows

H = 20


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(0)
    return draw_log(make_specimen(12, 40, rng), SyntheticLogPlan(6), rng)


@pytest.fixture(scope="module")
def model(log):
    """Towers with weights large enough to tell mistakes apart."""
    generator = torch.Generator().manual_seed(0)
    towers = TwoTower(log, generator)
    with torch.no_grad():
        for weights in towers.parameters():
            weights.add_(0.1 * torch.randn(weights.shape, generator=generator))
    return towers


def test_served_predictions_are_the_trained_ones(log, model):
    source = ViewSource(log, H)
    trained = model(source.take(torch.arange(source.n_users))).detach().numpy()
    towers = model.export(np.ones(40, bool))
    rows = np.arange(len(log.feedback))
    served = predict_rows(towers, log.feedback, find_requests(log.feedback, H), log.users, rows, H)
    np.testing.assert_allclose(served, trained, rtol=2e-4, atol=2e-4)


def test_batches_of_users_do_not_mix_their_views(log, model):
    source = ViewSource(log, H)
    together = model(source.take(torch.arange(12))).detach().numpy()
    shuffled = model(source.take(torch.tensor([7, 2]))).detach().numpy()
    apart = np.concatenate([together[log.feedback.user_id == user] for user in (7, 2)])
    np.testing.assert_allclose(shuffled, apart, rtol=1e-3, atol=1e-4)


def test_pooling_is_the_formula(log, model):
    views = ViewSource(log, H).take(torch.arange(12))
    items = model.item_table()[views.video_id]
    pooled = model.pooled(views, items).detach()
    request = 5
    rows = slice(int(views.first[request]), int(views.start[request]))
    worth = model.worth[views.grade[rows]] - items[rows, SIZE:] @ model.alpha
    n = rows.stop - rows.start
    want = (worth[:, None] * items[rows, :SIZE]).sum(0) / (n + model.log_pull.exp())
    torch.testing.assert_close(pooled[request, :SIZE], want.detach(), rtol=1e-3, atol=1e-5)
    assert pooled[request, -1].item() == pytest.approx(n / (n + model.log_pull.exp().item()))


def test_first_requests_have_an_empty_history(log, model):
    views = ViewSource(log, H).take(torch.tensor([3]))
    pooled = model.pooled(views, model.item_table()[views.video_id]).detach()
    assert not pooled[0].any()


def test_unseen_videos_keep_only_what_their_features_tell(log, model):
    seen = np.ones(40, bool)
    seen[[4, 9]] = False
    towers = model.export(seen)
    by_feature = (model.by_tag[model.tag] + model.given @ model.by_feature).detach().numpy()
    np.testing.assert_allclose(towers.items[[4, 9]], by_feature[[4, 9]], rtol=1e-5)
    assert not np.allclose(towers.items[5], by_feature[5], atol=1e-3)


@pytest.mark.parametrize(
    ("watch_s", "events", "want"),
    [
        (30.0, Event.CLICK | Event.LONG_VIEW | Event.COMPLETE | Event.LIKE | Event.HATE, 0),
        (0.5, Event.SKIP, 1),
        (2.0, Event.SKIP, 2),
        (5.0, 0, 3),
        (9.0, Event.CLICK, 4),
        (20.0, Event.CLICK | Event.LONG_VIEW, 5),
        (5.0, Event.CLICK | Event.LONG_VIEW | Event.COMPLETE | Event.ASKED, 6),
        (2.0, Event.SKIP | Event.FORWARD, 7),
    ],
)
def test_views_are_graded_by_what_counts_most(watch_s, events, want):
    out = np.empty(1, np.int64)
    fill_grades(np.array([watch_s], np.float32), np.array([int(events)], np.uint16), out)
    assert out[0] == want


def test_log_sigmoid_by_table():
    x = np.concatenate([np.linspace(-20, 20, 4001), [-1e30, 1e30]]).astype(np.float32)
    got = np.array([log_sigmoid(value) for value in x])
    np.testing.assert_allclose(got, -np.logaddexp(0, -x.astype(np.float64)), rtol=1e-6, atol=1e-5)
    assert (np.diff(got[:-2]) >= 0).all()
