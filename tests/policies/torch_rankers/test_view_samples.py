"""Training samples: the right view, the request it was served in, and negatives as often as they should come."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from policies.base import Answer, Event
from policies.histories import find_requests, history_of
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, make_specimen
from policies.torch_rankers.histories import read_views
from policies.torch_rankers.view_samples import SampleSource, Sampling, with_answers, with_unshown

H = 12


def generator(seed=0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(0)
    return draw_log(make_specimen(30, 40, rng), SyntheticLogPlan(8, answer_share=0.5), rng)


def test_targets_are_clicks_served_with_what_came_before(log):
    source = SampleSource(log, Sampling(history=H), generator())
    rows = np.flatnonzero(log.feedback.has(Event.CLICK))
    assert source.rows.tolist() == rows.tolist()
    sample = source.take(torch.arange(source.n_users), generator())
    requests = find_requests(log.feedback, H)
    views = read_views(history_of(log.feedback, requests, H), H)
    assert sample.candidates[:, 0].tolist() == log.feedback.video_id[rows].tolist()
    for name in views.__dataclass_fields__:
        assert torch.equal(getattr(sample.requests.views, name), getattr(views, name)[requests.of_row[rows]])
    np.testing.assert_array_equal(sample.requests.features, log.users.features[log.feedback.user_id[rows]])
    assert sample.place.tolist() == log.feedback.position[rows].tolist()


def test_users_are_taken_with_all_their_targets(log):
    source = SampleSource(log, Sampling(history=H), generator())
    clicked = log.feedback.take(log.feedback.has(Event.CLICK))
    users = np.unique(clicked.user_id)
    sample = source.take(torch.tensor([4, 1]), generator())
    assert sample.requests.user_id.tolist() == [
        u for u in (users[4], users[1]) for _ in range((clicked.user_id == u).sum())
    ]


def test_position_counts_the_views_of_the_day(log):
    source = SampleSource(log, Sampling(history=H, targets="shown"), generator())
    sample = source.sample(source.rows, generator())
    feedback = log.feedback
    day = feedback.user_id.astype(np.int64) * 1000 + feedback.day
    first = np.searchsorted(day, day)
    want = find_requests(feedback, H).start[find_requests(feedback, H).of_row] - first
    assert sample.requests.position.tolist() == want.tolist()


def test_negatives_avoid_the_target_and_what_was_seen(log):
    source = SampleSource(log, Sampling(history=H, n_negatives=6), generator())
    sample = source.sample(source.rows, generator())
    known = torch.cat(
        [sample.candidates[:, :1], torch.where(sample.requests.views.mask, sample.requests.views.video_id, -1)], 1
    )
    clash = (sample.candidates[:, 1:, None] == known[:, None]).any(-1).float().mean()
    assert clash < 0.02  # a third of the videos is known: 1/3 ** 4 stay after three redraws


def test_popular_negatives_come_as_often_as_clicks(log):
    blank = replace(log, feedback=log.feedback.take(log.feedback.has(Event.CLICK)))
    source = SampleSource(blank, Sampling(history=1, n_negatives=200, negatives="popular"), generator())
    drawn = source._draw(source.rows, generator()).ravel().numpy()
    want = np.bincount(blank.feedback.video_id, minlength=40) / len(blank.feedback)
    seen = np.bincount(drawn, minlength=40) / len(drawn)
    assert (np.abs(seen - want) < 3.29 * np.sqrt(want * (1 - want) / len(drawn)) + 1e-12).mean() > 0.95


def test_uniform_negatives_come_alike(log):
    source = SampleSource(log, Sampling(history=1, n_negatives=200), generator())
    drawn = source._draw(source.rows, generator()).ravel().numpy()
    shown = np.unique(log.feedback.video_id)
    seen = np.bincount(drawn, minlength=40)[shown] / len(drawn)
    want = 1 / len(shown)
    assert (np.abs(seen - want) < 3.29 * np.sqrt(want * (1 - want) / len(drawn))).mean() > 0.95


def test_nothing_unshown_is_drawn_unless_wanted():
    assert with_unshown(Sampling(targets="shown"), "none").n_negatives == 0
    some = with_unshown(Sampling(targets="shown"), "uniform")
    assert (some.negatives, some.targets) == ("uniform", "shown")
    assert some.n_negatives > 0


def test_unclicked_negatives_are_the_users_own(log):
    source = SampleSource(log, Sampling(history=H, n_negatives=3, negatives="unclicked"), generator())
    sample = source.sample(source.rows, generator())
    feedback = log.feedback
    cold = {(int(u), int(v)) for u, v in zip(feedback.user_id, feedback.video_id, strict=True)}
    cold_only = feedback.take(~feedback.has(Event.CLICK))
    owners = set(cold_only.user_id.tolist())
    pairs = {(int(u), int(v)) for u, v in zip(cold_only.user_id, cold_only.video_id, strict=True)}
    assert len(cold) > len(pairs)
    for user, negatives in zip(sample.requests.user_id.tolist(), sample.candidates[:, 1:].tolist(), strict=True):
        assert user not in owners or all((user, video) in pairs for video in negatives)


def test_without_clicks_every_view_is_a_target(log):
    silent = replace(log, feedback=replace(log.feedback, events=np.zeros_like(log.feedback.events)))
    assert len(SampleSource(silent, Sampling(history=H), generator())) == len(log.feedback)


def test_too_many_targets_are_thinned_by_the_seed(log, caplog):
    with caplog.at_level("INFO"):
        one, same, other = (SampleSource(log, Sampling(history=H, max_targets=50), generator(s)) for s in (1, 1, 2))
    assert len(one) == 50
    assert torch.equal(one.rows, same.rows)
    assert not torch.equal(one.rows, other.rows)
    assert "learning from 50 of" in caplog.text


def test_answers_set_their_events(log):
    given = replace(log.feedback, events=log.feedback.events & np.uint16(0x0FFF))
    feedback = with_answers(given)
    assert np.array_equal(feedback.has(Event.SATISFIED), given.answer == Answer.SATISFIED)
    assert np.array_equal(feedback.has(Event.DISSATISFIED), given.answer == Answer.DISSATISFIED)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"history": 0}, "history=0 given, want at least 1"),
        ({"n_negatives": -1}, "n_negatives=-1 given, want at least 0"),
    ],
)
def test_sampling_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**options)
