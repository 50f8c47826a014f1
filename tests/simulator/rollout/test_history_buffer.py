"""The rings of each user's last views."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.rollout.history_buffer import HISTORY, HistoryBuffer
from simulator.rollout.population import empty_response


def response_of(viewed, watch_s, events):
    response = empty_response(*viewed.shape)
    response.viewed[:], response.watch_s[:], response.events[:] = viewed, watch_s, events
    return response


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_history_ring_equals_brute_force(n_users, k, n_requests, seed):
    rng = np.random.default_rng(seed)
    past, plain = HistoryBuffer.empty(n_users), [[] for _ in range(n_users)]
    for request in range(n_requests):
        rows = np.flatnonzero(rng.random(n_users) < 0.7).astype(np.int64)
        slates = rng.integers(0, 1000, (len(rows), k)).astype(np.int32)
        response = response_of(
            np.arange(k) < rng.integers(1, k + 1, (len(rows), 1)),
            rng.random(slates.shape).astype(np.float32),
            rng.integers(0, 4096, slates.shape).astype(np.uint16),
        )
        past.add(rows, slates, response, np.full(len(rows), request, np.int32))
        for i, user in enumerate(rows):
            for j in np.flatnonzero(response.viewed[i]):
                view = slates[i, j], response.watch_s[i, j], response.events[i, j], request
                plain[user].append(view)
    now = n_requests + 3
    history = past.read(np.arange(n_users, dtype=np.int64), np.full(n_users, now, np.int32))
    for user, views in enumerate(plain):
        last = views[-HISTORY:]
        mask = history.mask[user]
        assert mask.tolist() == [False] * (HISTORY - len(last)) + [True] * len(last)
        seen = (history.video_id, history.watch_s, history.events, now - history.hours_ago)
        assert list(zip(*(values[user][mask].tolist() for values in seen), strict=True)) == last
        assert not history.video_id[user][~mask].any()
    assert past.n_seen.tolist() == [len(views) for views in plain]
