"""Serving, compiled: row by row, so that no slate depends on which requests are served together.

All helpers live in this one file because numba's on-disk cache looks at a file's own date only.

Axes: `users` requests, `n` candidates, `k` slate length, `h` history length, `f` user features, `d` embedding
size, `units` hidden units, `grades` kinds of view.
"""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt16, UInt64

from policies.compiled import compiled, compiled_sums, compiled_with_room
from policies.events import Event

N_GRADES: Final = 8
"""Kinds of view, see `grade`."""
TASKS: Final = 2
"""Click and log watch time, in this order."""
SIZE: Final = 16
"""Length `d` of the embeddings; a constant, so that dot products are unrolled."""
UNITS: Final = 32
"""Hidden units on the user's side."""

_CLICK: Final = int(Event.CLICK)
_LONG_VIEW: Final = int(Event.LONG_VIEW)
_COMPLETE: Final = int(Event.COMPLETE)
_HATE: Final = int(Event.HATE)
_POSITIVE: Final = int(Event.LIKE | Event.FOLLOW | Event.COMMENT | Event.FORWARD)

_PER_UNIT: Final = np.float32(64)
_LAST: Final = np.float32(1023)
_SOFT: Final = np.log1p(np.exp(-np.arange(1025) / 64)).astype(np.float32)
"""log(1 + exp(-y)) at y = 0, 1/64, ... 16."""
_ZERO: Final = np.float32(0)
_UNIT: Final = np.float32(2**-24)

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


class Towers(NamedTuple):
    """Both towers of `policies.two_tower.model`, as arrays.

    A request's user input is (pooled history [d], mean worth, strength, standardised features [f]); hidden units
    are relu(input . inner + inner_bias); user vectors are (input, hidden) . outer + outer_bias, one of d + 1 per
    task, the last number of each being added to every score.
    """

    items: Float32[np.ndarray, "videos c"]
    """Columns: embedding [d], one bias per task."""
    usual: Float32[np.ndarray, " videos"]
    """What a view of the video is usually worth."""
    worth: Float32[np.ndarray, " grades"]
    pull: Float32[np.ndarray, " 1"]
    """Views that an empty history counts for."""
    feature_mean: Float32[np.ndarray, " f"]
    feature_spread: Float32[np.ndarray, " f"]
    inner: Float32[np.ndarray, "i units"]
    inner_bias: Float32[np.ndarray, " units"]
    outer: Float32[np.ndarray, "j o"]
    outer_bias: Float32[np.ndarray, " o"]


class ScoreFusion(NamedTuple):
    """Weights of the fused score: log-chance of a click, log watch time, log-chance of satisfaction.

    The logit of being pleased is `pleased_click * click logit + pleased_watch * log watch + pleased_video`.
    """

    click: np.float32
    watch: np.float32
    pleased: np.float32
    pleased_click: np.float32
    pleased_watch: np.float32
    pleased_video: Float32[np.ndarray, " videos"]


class HistoryArrays(NamedTuple):
    """The arrays of a `policies.base.History` that serving reads."""

    video_id: Int32[np.ndarray, "users h"]
    watch_s: Float32[np.ndarray, "users h"]
    events: UInt16[np.ndarray, "users h"]
    mask: Bool[np.ndarray, "users h"]


class Room(NamedTuple):
    """Room to work in: one request's user input, hidden units and user vectors."""

    inputs: Float32[np.ndarray, " i"]
    hidden: Float32[np.ndarray, " units"]
    vectors: Float32[np.ndarray, " o"]


@compiled
def fill_uniform(keys: UInt64[np.ndarray, " users"], word: np.uint64, out: Float32[np.ndarray, "users n"]) -> None:
    """Numbers in [0, 1), each a pure function of its row's key, a purpose's word and its place in the row."""
    for i in range(out.shape[0]):
        row = mix(keys[i] ^ word)
        for j in range(out.shape[1]):
            out[i, j] = np.float32(mix(row + np.uint64(j) * _GOLDEN) >> np.uint64(40)) * _UNIT


@compiled
def mix(word: np.uint64) -> np.uint64:
    """SplitMix64's step, as `policies.noise.mix`."""
    z = word + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@compiled
def grade(watch_s: float, events: int) -> int:
    """Grade a view by the first of: hate, positive act, end, long view, click, seconds."""
    if events & _HATE:
        return 0
    if events & _POSITIVE:
        return 7
    if events & _COMPLETE:
        return 6
    if events & _LONG_VIEW:
        return 5
    if events & _CLICK:
        return 4
    if watch_s >= 3.0:
        return 3
    return 2 if watch_s >= 1.0 else 1


@compiled
def fill_grades(
    watch_s: Float32[np.ndarray, " rows"], events: UInt16[np.ndarray, " rows"], out: Int64[np.ndarray, " rows"]
) -> None:
    """Grades of many views."""
    for i in range(len(watch_s)):
        out[i] = grade(watch_s[i], events[i])


@compiled
def select(scores: Float32[np.ndarray, " n"], order: Int64[np.ndarray, " k"], best: Float32[np.ndarray, " k"]) -> None:
    """Places of the `k` largest scores, largest first; ties go to the earlier place. No score may be NaN."""
    k = order.shape[0]
    filled = 0
    for j in range(scores.shape[0]):
        score = scores[j]
        if filled == k and score <= best[k - 1]:
            continue
        place = filled if filled < k else k - 1
        while place > 0 and best[place - 1] < score:
            best[place] = best[place - 1]
            order[place] = order[place - 1]
            place -= 1
        best[place] = score
        order[place] = j
        filled = min(filled + 1, k)


@compiled_with_room
def pick(
    candidates: Int32[np.ndarray, "users n"], scores: Float32[np.ndarray, "users n"], out: Int32[np.ndarray, "users k"]
) -> None:
    """The best-scored candidates of each row, best first."""
    k = out.shape[1]
    order = np.empty(k, np.int64)
    best = np.empty(k, np.float32)
    for i in range(candidates.shape[0]):
        select(scores[i], order, best)
        for j in range(k):
            out[i, j] = candidates[i, order[j]]


@compiled_with_room
def draw(
    candidates: Int32[np.ndarray, "users n"], u: Float32[np.ndarray, "users k"], out: Int32[np.ndarray, "users k"]
) -> None:
    """Draw candidates at random, in each row independently: the next one is uniform among the rest.

    Place `u (n - j)` of those left is found by stepping over the places taken, which are kept in order.
    """
    n, k = candidates.shape[1], u.shape[1]
    taken = np.empty(k, np.int64)
    for i in range(candidates.shape[0]):
        for j in range(k):
            place = int(np.float64(u[i, j]) * (n - j))
            m = 0
            while m < j and taken[m] <= place:
                place += 1
                m += 1
            for later in range(j, m, -1):
                taken[later] = taken[later - 1]
            taken[m] = place
            out[i, j] = candidates[i, place]


@compiled
def log_sigmoid(x: float) -> float:
    """Logarithm of the logistic function, to 8e-6: straight lines between tabulated values, never decreasing."""
    size = abs(x) * _PER_UNIT
    if not size < _LAST:
        return float(min(x, _ZERO))
    left = np.int32(size)
    part = np.float32(size - left)
    return float(min(x, _ZERO)) - (_SOFT[left] + part * (_SOFT[left + 1] - _SOFT[left]))


@compiled_sums
def predict(item: Float32[np.ndarray, " c"], vectors: Float32[np.ndarray, "tasks d+1"]) -> tuple[float, float]:
    """Logit of a click and expected log watch time of one video for one request."""
    click = vectors[0, SIZE] + item[SIZE]
    watch = vectors[1, SIZE] + item[SIZE + 1]
    for m in range(SIZE):
        click += vectors[0, m] * item[m]
        watch += vectors[1, m] * item[m]
    return click, watch


@compiled_sums
def score_row(
    candidates: Int32[np.ndarray, " n"],
    vectors: Float32[np.ndarray, "tasks d+1"],
    towers: Towers,
    fusion: ScoreFusion,
    out: Float32[np.ndarray, " n"],
) -> None:
    """Fused scores of one request's candidates."""
    for j in range(candidates.shape[0]):
        video = candidates[j]
        click, watch = predict(towers.items[video], vectors)
        score = fusion.click * log_sigmoid(click) + fusion.watch * watch
        if fusion.pleased != 0.0:
            pleased = fusion.pleased_click * click + fusion.pleased_watch * watch + fusion.pleased_video[video]
            score += fusion.pleased * log_sigmoid(float(pleased))
        out[j] = score


@compiled_sums
def pool(
    video_id: Int32[np.ndarray, " h"],
    watch_s: Float32[np.ndarray, " h"],
    events: UInt16[np.ndarray, " h"],
    mask: Bool[np.ndarray, " h"],
    towers: Towers,
    out: Float32[np.ndarray, " i"],
) -> None:
    """Fill the first `d + 2` user inputs: the history's embeddings weighted by worth, mean worth, strength."""
    for m in range(SIZE + 1):
        out[m] = 0.0
    n = 0
    for j in range(mask.shape[0]):
        if not mask[j]:
            continue
        video = video_id[j]
        worth = towers.worth[grade(watch_s[j], events[j])] - towers.usual[video]
        item = towers.items[video]
        for m in range(SIZE):
            out[m] += worth * item[m]
        out[SIZE] += worth
        n += 1
    share = np.float32(1.0) / (np.float32(n) + towers.pull[0])
    for m in range(SIZE + 1):
        out[m] *= share
    out[SIZE + 1] = n * share


@compiled_sums
def encode(
    inputs: Float32[np.ndarray, " i"],
    hidden: Float32[np.ndarray, " units"],
    vectors: Float32[np.ndarray, " o"],
    towers: Towers,
) -> None:
    """User vectors of one request from its user input; `hidden` is room to work in."""
    n_inputs = inputs.shape[0]
    # Lengths are read off arrays, not constants: loops that are unrolled first are not vectorised afterwards.
    for m in range(hidden.shape[0]):
        hidden[m] = towers.inner_bias[m]
    for m in range(vectors.shape[0]):
        vectors[m] = towers.outer_bias[m]
    for i in range(n_inputs):
        add(inputs[i], towers.inner[i], hidden)
        add(inputs[i], towers.outer[i], vectors)
    for i in range(hidden.shape[0]):
        if hidden[i] > 0.0:
            add(hidden[i], towers.outer[n_inputs + i], vectors)


@compiled_sums
def add(times: float, row: Float32[np.ndarray, " n"], to: Float32[np.ndarray, " n"]) -> None:
    """Add a multiple of a row to a sum."""
    for m in range(to.shape[0]):
        to[m] += times * row[m]


@compiled_with_room
def make_room(towers: Towers) -> Room:
    """Room for towers of this size."""
    return Room(
        np.empty(towers.inner.shape[0], np.float32),
        np.empty(towers.inner.shape[1], np.float32),
        np.empty(towers.outer.shape[1], np.float32),
    )


@compiled
def encode_request(
    features: Float32[np.ndarray, " f"],
    views: HistoryArrays,
    i: int,
    towers: Towers,
    room: Room,
) -> None:
    """User vectors of request `i`, into `room`."""
    pool(views.video_id[i], views.watch_s[i], views.events[i], views.mask[i], towers, room.inputs)
    for m in range(features.shape[0]):
        room.inputs[SIZE + 2 + m] = (features[m] - towers.feature_mean[m]) / towers.feature_spread[m]
    encode(room.inputs, room.hidden, room.vectors, towers)


@compiled_with_room
def score_requests(
    user_id: Int32[np.ndarray, " users"],
    candidates: Int32[np.ndarray, "users n"],
    user_features: Float32[np.ndarray, "people f"],
    views: HistoryArrays,
    towers: Towers,
    fusion: ScoreFusion,
    out: Float32[np.ndarray, "users n"],
) -> None:
    """Fused scores of every candidate of every request."""
    room = make_room(towers)
    by_task = room.vectors.reshape(TASKS, -1)
    for i in range(candidates.shape[0]):
        encode_request(user_features[user_id[i]], views, i, towers, room)
        score_row(candidates[i], by_task, towers, fusion, out[i])


@compiled_with_room
def predict_requests(
    user_id: Int32[np.ndarray, " users"],
    video_id: Int32[np.ndarray, " users"],
    user_features: Float32[np.ndarray, "people f"],
    views: HistoryArrays,
    towers: Towers,
    out: Float32[np.ndarray, "users tasks"],
) -> None:
    """Both predictions for one video of each request."""
    room = make_room(towers)
    by_task = room.vectors.reshape(TASKS, -1)
    for i in range(video_id.shape[0]):
        encode_request(user_features[user_id[i]], views, i, towers, room)
        out[i, 0], out[i, 1] = predict(towers.items[video_id[i]], by_task)


@compiled_with_room
def encode_requests(
    user_id: Int32[np.ndarray, " users"],
    user_features: Float32[np.ndarray, "people f"],
    views: HistoryArrays,
    towers: Towers,
    out: Float32[np.ndarray, "users o"],
) -> None:
    """User vectors of each request."""
    room = make_room(towers)
    for i in range(out.shape[0]):
        encode_request(user_features[user_id[i]], views, i, towers, room)
        for m in range(out.shape[1]):
            out[i, m] = room.vectors[m]
