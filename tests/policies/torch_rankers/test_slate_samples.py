"""Whole slates as training samples."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from policies.base import Event
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, make_specimen
from policies.torch_rankers.slate_samples import SlateSource
from policies.torch_rankers.view_samples import Sampling


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(0)
    drawn = draw_log(make_specimen(60, 300, rng), SyntheticLogPlan(n_requests=12), rng)
    # the second view of every seventh request was not made
    feedback = drawn.feedback
    return replace(drawn, feedback=feedback.take((feedback.request % 7 > 0) | (feedback.position % 2 == 0)))


def test_every_view_comes_once_with_its_click(log):
    source = SlateSource(log, Sampling(n_negatives=0), seeded())
    slates = source.take(torch.arange(source.n_users), seeded())
    assert np.array_equal(slates.candidates[slates.mask].numpy(), log.feedback.video_id)
    assert np.array_equal(slates.has(Event.CLICK)[slates.mask].numpy(), log.feedback.has(Event.CLICK))
    assert np.array_equal(slates.events[slates.mask].numpy(), log.feedback.events)
    assert np.array_equal(slates.watch_s[slates.mask].numpy(), log.feedback.watch_s)
    length = slates.mask.sum(1)
    assert length.min() < length.max()
    assert np.array_equal(slates.requests.user_id.repeat_interleave(length).numpy(), log.feedback.user_id)


def test_users_may_come_in_any_order(log):
    source = SlateSource(log, Sampling(n_negatives=0), seeded())
    slates = source.take(torch.tensor([5, 2]), seeded())
    people = np.unique(log.feedback.user_id)[[5, 2]]
    wanted = np.concatenate([log.feedback.video_id[log.feedback.user_id == user] for user in people])
    assert np.array_equal(slates.candidates[slates.mask].numpy(), wanted)


def test_unshown_videos_count_as_skipped_and_are_not_in_the_slate(log):
    source = SlateSource(log, Sampling(n_negatives=40), seeded())
    slates = source.take(torch.arange(20), seeded())
    n = slates.mask.shape[1] - 40
    assert slates.n_shown == n
    assert (slates.events[:, n:] == int(Event.SKIP)).all()
    assert slates.watch_s[:, n:].sum() == 0
    shown = torch.where(slates.mask[:, :n], slates.candidates[:, :n], -1)
    drawn = torch.where(slates.mask[:, n:], slates.candidates[:, n:], -2)
    assert not (shown[:, :, None] == drawn[:, None]).any()
    assert slates.mask[:, n:].sum() > 0


def test_of_a_large_log_whole_slates_are_chosen(log):
    source = SlateSource(log, Sampling(n_negatives=0, max_targets=len(log.feedback) // 4), seeded())
    slates = source.take(torch.arange(source.n_users), seeded())
    every = SlateSource(log, Sampling(n_negatives=0), seeded())
    assert len(source) == pytest.approx(len(every) / 4, rel=0.05)
    whole = every.take(torch.arange(every.n_users), seeded())
    rows = {tuple(row.tolist()) for row in torch.where(whole.mask, whole.candidates, -1)}
    assert {tuple(row.tolist()) for row in torch.where(slates.mask, slates.candidates, -1)} <= rows
