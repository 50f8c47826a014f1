"""The ranker of implicit negative feedback: its labels, its fusion, its encoding, and what it does after skips."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from policies.base import Event, Feedback, FixedHistory, Log, Observation, UserTable, VideoTable
from policies.histories import history_after
from policies.inf.encoder import (
    FeedbackAttention,
    FeedbackTargetAttention,
    gap_h,
    place_in_run,
    positive,
    skipped_in_a_row,
)
from policies.inf.objectives import ObjectiveFusion, Outcomes, fuse, labels_of, loss, outcomes, thresholds_of
from policies.inf.policy import InfPolicy
from policies.noise import KeyedNoise
from policies.torch_rankers.histories import ViewSequence
from policies.torch_rankers.layers import Dropout

N_USERS, N_VIDEOS, N_VIEWS = 200, 60, 20


def views(grade, hours_ago, mask=None) -> ViewSequence:
    """One history with these grades and ages."""
    grades, ages = torch.tensor([grade]), torch.tensor([hours_ago])
    seen = torch.ones_like(grades, dtype=torch.bool) if mask is None else torch.tensor([mask])
    nothing = torch.zeros_like(grades)
    return ViewSequence(nothing, grades, nothing, nothing.float(), ages, seen)


def test_context_of_views_by_hand():
    history = views([0, 5, 1, 2, 1], [0, 9, 9, 4, 4], [False, True, True, True, True])
    assert gap_h(history).tolist() == [[0, 0, 0, 5, 0]]
    assert place_in_run(history).tolist() == [[0, 0, 1, 0, 1]]
    assert skipped_in_a_row(history).tolist() == [3]
    assert positive(history).tolist() == [[False, True, False, False, False]]


def test_a_history_of_skips_is_counted_without_its_padding():
    assert skipped_in_a_row(views([0, 1, 1], [0, 1, 1], [False, True, True])).tolist() == [2]
    assert skipped_in_a_row(views([0, 0], [0, 0], [False, False])).tolist() == [0]


def test_attention_takes_its_heads_by_feedback():
    generator = torch.Generator().manual_seed(1)
    layer = FeedbackAttention(8, 2, Dropout(0.0, generator), generator).eval()
    x, mask = torch.randn(1, 4, 8, generator=generator), torch.ones(1, 4, dtype=torch.bool)
    liked = torch.tensor([[True, True, True, True]])
    mixed = torch.tensor([[True, False, True, True]])
    before = layer(x, liked, mask), layer(x, mixed, mask)
    with torch.no_grad():
        layer.key.negative.weight.mul_(-3)
    assert torch.equal(layer(x, liked, mask), before[0])
    assert not torch.allclose(layer(x, mixed, mask), before[1])


def test_nothing_that_is_masked_reaches_the_encoding():
    generator = torch.Generator().manual_seed(1)
    layer = FeedbackAttention(8, 2, Dropout(0.0, generator), generator).eval()
    x, mask = torch.randn(1, 4, 8, generator=generator), torch.tensor([[False, True, True, True]])
    other = x.clone()
    other[0, 0] = 9
    liked = torch.tensor([[False, True, False, True]])
    assert torch.equal(layer(x, liked, mask), layer(other, liked, mask))
    assert layer(x, liked, mask)[0, 0].abs().sum() == 0


def test_a_candidate_asks_watched_and_skipped_views_apart():
    """What is summed once per view gives the same as an MLP of every pair (q, k, q * k), view by view."""
    generator = torch.Generator().manual_seed(1)
    d, units = 4, 3
    layer = FeedbackTargetAttention(d, units, generator)
    target, x = torch.randn(1, 2, d, generator=generator), torch.randn(1, 3, d, generator=generator)
    liked, mask = torch.tensor([[True, True, False]]), torch.tensor([[False, True, True]])
    wanted = torch.zeros(2, 2, d)
    for n in range(2):
        for view, kind in ((1, 1), (2, 0)):
            q, k = target[0, n] + layer.as_if[kind], x[0, view]
            asking, product = (table[kind].view(d, units) for table in (layer.of_asking, layer.of_product))
            hidden = q @ asking + (q * k) @ product + layer.of_key(k).view(2, units)[kind]
            wanted[n, kind] = layer.outer(hidden.relu())[kind] * k / 2
    assert torch.allclose(layer(target, x, liked, mask)[0], wanted.flatten(1), atol=1e-6)


def test_who_has_seen_nothing_is_told_nothing():
    generator = torch.Generator().manual_seed(1)
    layer = FeedbackTargetAttention(4, 3, generator)
    none = torch.zeros(1, 3, dtype=torch.bool)
    assert layer(torch.randn(1, 2, 4), torch.randn(1, 3, 4), none, none).abs().sum() == 0


def one_video_log(watch_s, n_videos=1) -> Log:
    n = len(watch_s)
    watched = np.array(watch_s, np.float32)
    feedback = Feedback(
        np.arange(n, dtype=np.int32), np.zeros(n, np.int32), np.zeros(n, np.int16), np.zeros(n, np.int8),
        np.zeros(n, np.int16), np.zeros(n, np.int8), watched, np.zeros(n, np.uint16), np.zeros(n, np.int8),
    )  # fmt: skip
    videos = VideoTable(
        np.full(n_videos, 60, np.float32), np.zeros(n_videos, np.int32), np.zeros((n_videos, 1), np.float32), ("f",)
    )
    return Log(feedback, UserTable(np.zeros((n, 1), np.float32), ("f",)), videos)


def test_thresholds_are_quantiles_and_never_below_a_skip():
    found = thresholds_of(one_video_log([1, 10, 20, 30, 40, 50, 60, 70, 80, 90]))
    assert found.effective_s.tolist() == [pytest.approx(40)]
    assert found.finished_s.tolist() == [pytest.approx(50)]
    assert thresholds_of(one_video_log([0.5, 1, 1])).effective_s.tolist() == [3]


def test_a_video_nobody_has_seen_takes_the_thresholds_of_its_length():
    assert thresholds_of(one_video_log([10, 20, 30], n_videos=2)).effective_s.tolist() == [20, 20]


def test_labels_are_steps_of_one_ladder():
    thresholds = thresholds_of(one_video_log([1, 10, 20, 30, 40, 50, 60, 70, 80, 90]))
    events = torch.tensor([int(Event.SKIP), 0, int(Event.LIKE), int(Event.HATE)])
    watch_s = torch.tensor([1.0, 39.0, 45.0, 90.0])
    labels = labels_of(thresholds, torch.zeros(4, dtype=torch.int64), events, watch_s)
    assert labels.skip.tolist() == [1, 0, 0, 0]
    assert labels.effective.tolist() == [0, 0, 1, 1]
    assert labels.finished.tolist() == [0, 0, 0, 1]
    assert labels.like.tolist() == [0, 0, 1, 0]
    assert labels.hate.tolist() == [0, 0, 0, 1]


@given(z=st.lists(st.floats(-20, 20, width=32), min_size=6, max_size=6))
def test_on_the_ladder_skips_and_effective_views_never_exceed_one(z):
    found = outcomes(torch.tensor(z, dtype=torch.float32)[:, None], ordinal=True)
    assert (found.skip + found.effective <= 1 + 1e-6).all()
    assert (found.finished <= found.effective).all()


def test_fusion_by_hand():
    chances = (0.4, 0.5, 0.3, math.log(20), 0.1, 0.01)
    found = Outcomes(*(torch.tensor([value], dtype=torch.float64).float() for value in chances))
    score = 20 * 1.5 * 1.3 * (1 + 5 * 0.1) * 0.6 * 0.99**5
    assert fuse(found, ObjectiveFusion()).item() == pytest.approx(math.log(score), rel=1e-5)
    assert fuse(found, ObjectiveFusion(skip=0)).item() == pytest.approx(math.log(score / 0.6), rel=1e-5)


def test_the_loss_finds_mean_seconds_and_rates():
    watch_s = torch.tensor([1.0, 2.0, 30.0, 60.0])
    thresholds = thresholds_of(one_video_log(watch_s.tolist()))
    events = torch.tensor([int(Event.SKIP), int(Event.SKIP), 0, 0])
    labels = labels_of(thresholds, torch.zeros(4, dtype=torch.int64), events, watch_s)
    z = torch.zeros(6, requires_grad=True)
    optimiser = torch.optim.LBFGS([z], max_iter=40)

    def closure():
        optimiser.zero_grad()
        total = loss(z[:, None].expand(6, 4), labels, ordinal=True)
        total.backward()
        return total

    optimiser.step(closure)
    found = outcomes(z.detach(), ordinal=True)
    assert found.log_watch.exp().item() == pytest.approx(watch_s.mean().item(), rel=1e-3)
    assert found.skip.item() == pytest.approx(0.5, abs=1e-3)
    assert found.effective.item() == pytest.approx(labels.effective.mean().item(), abs=1e-3)


def planted_log(seed=0) -> Log:
    """Everybody likes one of three topics, tells it by nothing but what they watch, and skips the others."""
    rng = np.random.default_rng(seed)
    n_users = N_USERS
    likes = rng.integers(0, 3, n_users)
    video = rng.integers(0, N_VIDEOS, (n_users, N_VIEWS)).astype(np.int32)
    liked = (video % 3 == likes[:, None]).ravel()
    step = np.tile(np.arange(N_VIEWS), n_users)
    feedback = Feedback(
        user_id=np.repeat(np.arange(n_users, dtype=np.int32), N_VIEWS),
        video_id=video.ravel(),
        day=(step // 5 - 4).astype(np.int16),
        hour=np.full(len(step), 9, np.int8),
        request=(step % 5).astype(np.int16),
        position=np.zeros(len(step), np.int8),
        watch_s=np.where(liked, 20, 1).astype(np.float32),
        events=np.where(liked, np.uint16(Event.CLICK | Event.LONG_VIEW), np.uint16(Event.SKIP)),
        answer=np.zeros(len(step), np.int8),
    )
    users = UserTable(np.zeros((n_users + 1, 1), np.float32), ("nothing",))
    videos = VideoTable(
        np.full(N_VIDEOS, 60, np.float32),
        (np.arange(N_VIDEOS) % 3).astype(np.int32),
        np.zeros((N_VIDEOS, 1), np.float32),
        ("nothing",),
    )
    return Log(feedback, users, videos)


def request_after_skips(log: Log, topic: int) -> Observation:
    """A new user who has skipped three videos of a topic, and seen nothing else, is offered all videos."""
    skipped = np.arange(topic, N_VIDEOS, 3, dtype=np.int32)[:3]
    few = log.feedback.take(slice(0, 3))
    skips = replace(
        few, user_id=np.zeros(3, np.int32), video_id=skipped, day=np.zeros(3, np.int16),
        watch_s=np.ones(3, np.float32), events=np.full(3, int(Event.SKIP), np.uint16),
    )  # fmt: skip
    history = history_after(skips, np.array([0]), 10, 30)
    return Observation(
        user_id=np.array([N_USERS], np.int32),
        candidates=np.arange(N_VIDEOS, dtype=np.int32)[None],
        day=0,
        hour=np.array([10], np.int8),
        position=np.array([3], np.int32),
        videos=log.videos,
        users=log.users,
        read_history=FixedHistory(history),
    )


@pytest.fixture(scope="module")
def fitted():
    log = planted_log()
    policy = InfPolicy(epochs=4, dropout=0.0, history=10)
    policy.fit(log, seed=1)
    return log, policy


@pytest.mark.parametrize("topic", [0, 1, 2])
def test_the_next_slate_avoids_a_skipped_topic(fitted, topic):
    """A third of the videos on offer are of the topic; a slate of six without any has chance (2/3)^6 = 0.09."""
    log, policy = fitted
    slate = policy.rank(request_after_skips(log, topic), 6, KeyedNoise(np.array([1], np.uint64)))[0]
    assert not (slate % 3 == topic).any()


def test_without_the_power_of_skips_the_chance_of_a_skip_does_not_count(fitted):
    module = fitted[1].core.fitted_or_raise().module
    z = torch.zeros(6, 2)
    z[0] = torch.tensor([-3.0, 3.0])
    plain = InfPolicy(skip_power=0.0, ordinal=False)
    powers = fuse(outcomes(z, ordinal=False), replace(module.fusion, skip=0.0))
    assert powers[0] == powers[1]
    assert plain.skip_power == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip_power": -1.0}, "skip=-1.0 given, want at least 0"),
        ({"experts": 0}, "experts=0 given"),
        ({"history": 0}, "history=0 given"),
        ({"epochs": 0}, "epochs=0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        InfPolicy(**options)
