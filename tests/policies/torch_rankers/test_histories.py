"""Histories as tensors, and sub-sequences cut out of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from policies.base import Event, History
from policies.torch_rankers.histories import Behaviour, chosen, pack, read_views, subsequence, trimmed


def history(events, watch_s=None, hours_ago=None) -> History:
    """One user who saw video 1, 2, ... with these events; None is no view."""
    mask = np.array([[e is not None for e in events]])
    bits = np.array([[0 if e is None else int(e) for e in events]], np.uint16)
    n = len(events)
    return History(
        video_id=(np.arange(1, n + 1, dtype=np.int32)[None] * mask).astype(np.int32),
        watch_s=np.array([watch_s or [5.0] * n], np.float32) * mask,
        events=bits,
        hours_ago=np.array([hours_ago or [1] * n], np.int32) * mask,
        mask=mask,
    )


def test_views_keep_their_order_and_are_padded_on_the_left():
    views = read_views(history([None, Event.CLICK, Event.SKIP]), 5)
    assert views.video_id.tolist() == [[0, 0, 0, 2, 3]]
    assert views.mask.tolist() == [[False, False, False, True, True]]


def test_only_the_newest_views_are_read():
    assert read_views(history([Event(0)] * 4), 2).video_id.tolist() == [[3, 4]]


def test_views_are_graded_and_bucketed():
    views = read_views(history([Event.HATE, Event.CLICK, Event.LIKE], [0.0, 10.0, 500.0], [0, 5, 1000]), 3)
    assert views.grade.tolist() == [[0, 4, 7]]
    assert views.watch.tolist() == [[0, 3, 7]]
    assert views.age.tolist() == [[0, 2, 8]]


@given(rows=st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=5), m=st.integers(1, 8))
def test_packing_keeps_the_newest_in_order(rows, m):
    views = read_views(history([Event(0)] * 6), 6)
    kept = torch.tensor(rows)
    views = type(views)(*(getattr(views, name).expand(len(rows), -1) for name in views.__dataclass_fields__))
    packed = pack(views, kept, m)
    for i, row in enumerate(rows):
        want = [j + 1 for j, kept_here in enumerate(row) if kept_here][-m:]
        assert packed.video_id[i].tolist() == [0] * (m - len(want)) + want
        assert packed.mask[i].tolist() == [False] * (m - len(want)) + [True] * len(want)


def test_behaviours_are_what_was_done():
    views = read_views(history([Event.CLICK, Event.SKIP, Event.LIKE | Event.CLICK, Event.HATE, None]), 5)
    found = {
        kind: subsequence(views, kind, 5).video_id[subsequence(views, kind, 5).mask].tolist() for kind in Behaviour
    }
    assert found == {
        "clicked": [1, 3],
        "unclicked": [2, 4],
        "skipped": [2],
        "liked": [3],
        "hated": [4],
        "satisfied": [3],
        "dissatisfied": [4],
    }


@pytest.mark.parametrize(
    ("events", "answers", "kind"),
    [
        (Event.SATISFIED | Event.ANSWERED, "questionnaire", "satisfied"),
        (Event.SATISFIED | Event.ANSWERED, "behaviour", None),
        (Event.SATISFIED | Event.ANSWERED, "both", "satisfied"),
        (Event.LIKE, "questionnaire", None),
        (Event.LIKE, "behaviour", "satisfied"),
        (Event.LIKE, "both", "satisfied"),
        (Event.HATE, "both", "dissatisfied"),
        (Event.LIKE | Event.HATE, "both", None),
        (Event.LIKE | Event.DISSATISFIED | Event.ANSWERED, "both", "dissatisfied"),
        (Event.LIKE | Event.ANSWERED, "both", None),
        (Event.HATE | Event.SATISFIED | Event.ANSWERED, "questionnaire", "satisfied"),
    ],
)
def test_answers_come_before_likes_and_hates(events, answers, kind):
    views = read_views(history([events]), 1)
    found = [k for k in (Behaviour.SATISFIED, Behaviour.DISSATISFIED) if chosen(views, k, answers).item()]
    assert found == ([] if kind is None else [kind])


def test_padding_common_to_all_is_trimmed():
    views = read_views(history([None, None, Event.CLICK, Event.CLICK]), 4)
    assert trimmed(views).video_id.tolist() == [[3, 4]]
    assert trimmed(subsequence(views, Behaviour.HATED, 4)).mask.tolist() == [[False]]
