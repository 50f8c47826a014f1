"""Slates drawn from scores, and their chances, compiled: row by row.

Axes: `users` requests, `n` candidates, `k` slate length.
"""

import math
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from policies.compiled import compiled, compiled_with_room

_HALF_STEP: Final = 2.0**-25
"""Half the distance of two draws: keeps 0 off the logarithm."""
_GRID: Final = 0.25
"""Distance of two points of log time; the sum over them is exact to about 1e-10."""
_FIRST: Final = -30.0
"""Log time before which nothing happens, of candidates that all together come at rate 1."""
_OVER: Final = 1e-13
"""Chance that a slate is not full, at which the sum ends."""


@compiled_with_room
def draw_by_score(
    candidates: Int32[np.ndarray, "users n"],
    scores: Float32[np.ndarray, "users n"],
    temperature: float,
    u: Float32[np.ndarray, "users n"],
    out: Int32[np.ndarray, "users k"],
) -> None:
    """The candidates with the largest `score / temperature` + Gumbel noise, largest first."""
    n, k = candidates.shape[1], out.shape[1]
    best, order = np.empty(k), np.empty(k, np.int64)
    for i in range(candidates.shape[0]):
        filled = 0
        for c in range(n):
            noisy = scores[i, c] / temperature - math.log(-math.log(np.float64(u[i, c]) + _HALF_STEP))
            if filled == k and noisy <= best[k - 1]:
                continue
            place = filled if filled < k else k - 1
            while place > 0 and best[place - 1] < noisy:
                best[place] = best[place - 1]
                order[place] = order[place - 1]
                place -= 1
            best[place] = noisy
            order[place] = c
            filled = min(filled + 1, k)
        for j in range(k):
            out[i, j] = candidates[i, order[j]]


@compiled
def place_of(candidates: Int32[np.ndarray, " n"], video: int) -> int:
    """Where among the candidates a video is."""
    for c in range(candidates.shape[0]):
        if candidates[c] == video:
            return c
    return -1


@compiled_with_room
def score_log_chances(
    candidates: Int32[np.ndarray, "users n"],
    scores: Float32[np.ndarray, "users n"],
    temperature: float,
    slates: Int32[np.ndarray, "users k"],
    out: Float64[np.ndarray, "users k"],
) -> None:
    """Log-chances of the videos of slates at their places, given those above: a softmax over the rest."""
    n, k = candidates.shape[1], slates.shape[1]
    chosen, shown = np.empty(n, np.bool_), np.empty(k)
    for i in range(candidates.shape[0]):
        chosen[:] = False
        for j in range(k):
            c = place_of(candidates[i], slates[i, j])
            chosen[c] = True
            shown[j] = scores[i, c] / temperature
        top = -np.inf
        for c in range(n):
            if not chosen[c] and scores[i, c] > top:
                top = scores[i, c]
        rest = 0.0
        for c in range(n):
            if not chosen[c]:
                rest += math.exp((scores[i, c] - top) / temperature)
        log_rest = top / temperature + math.log(rest) if rest > 0.0 else -np.inf
        for back in range(k):
            j = k - 1 - back
            high, low = max(log_rest, shown[j]), min(log_rest, shown[j])
            log_rest = high + math.log1p(math.exp(low - high))
            out[i, j] = shown[j] - log_rest


@compiled_with_room
def score_choices(
    candidates: Int32[np.ndarray, "users n"],
    scores: Float32[np.ndarray, "users n"],
    temperature: float,
    slates: Int32[np.ndarray, "users k"],
    out: Float64[np.ndarray, "users k n"],
) -> None:
    """Softmax of the candidates that are left at each place of slates."""
    n, k = candidates.shape[1], slates.shape[1]
    chosen = np.empty(n, np.bool_)
    for i in range(candidates.shape[0]):
        chosen[:] = False
        for j in range(k):
            top = -np.inf
            for c in range(n):
                if not chosen[c] and scores[i, c] > top:
                    top = scores[i, c]
            total = 0.0
            for c in range(n):
                out[i, j, c] = 0.0 if chosen[c] else math.exp((scores[i, c] - top) / temperature)
                total += out[i, j, c]
            for c in range(n):
                out[i, j, c] /= total
            chosen[place_of(candidates[i], slates[i, j])] = True


@compiled
def count_come(chance: Float64[np.ndarray, " n"], skip: int, out: Float64[np.ndarray, " k"]) -> None:
    """Chances that 0, 1, ... k - 1 of the candidates but `skip` have come, each having come with its own chance."""
    k = out.shape[0]
    out[:] = 0.0
    out[0] = 1.0
    for c in range(chance.shape[0]):
        if c != skip:
            for m in range(k - 1, 0, -1):
                out[m] = out[m] * (1.0 - chance[c]) + out[m - 1] * chance[c]
            out[0] *= 1.0 - chance[c]


@compiled
def leave_out(counts: Float64[np.ndarray, " k"], chance: float, out: Float64[np.ndarray, " k"]) -> None:
    """`count_come` without one candidate, from that of all; stable for chances up to a half."""
    out[0] = counts[0] / (1.0 - chance)
    for m in range(1, counts.shape[0]):
        out[m] = (counts[m] - chance * out[m - 1]) / (1.0 - chance)


@compiled_with_room
def score_places(
    candidates: Int32[np.ndarray, "users n"],
    scores: Float32[np.ndarray, "users n"],
    temperature: float,
    slates: Int32[np.ndarray, "users k"],
    out: Float64[np.ndarray, "users k"],
) -> None:
    """Chances of the videos of slates at their places, whatever is above them.

    A slate of the Plackett-Luce model is the order in which candidates come, each at an exponential time with rate
    proportional to exp(score / temperature). So the chance of v at place j is the integral over v's time of the
    density of that time and the chance that j others have come before.
    """
    n, k = candidates.shape[1], slates.shape[1]
    rate, chance = np.empty(n), np.empty(n)
    counts, others = np.empty(k), np.empty(k)
    at = np.empty(k, np.int64)
    for i in range(candidates.shape[0]):
        top, total = scores[i].max(), 0.0
        for c in range(n):
            rate[c] = math.exp((scores[i, c] - top) / temperature)
            total += rate[c]
        for j in range(k):
            at[j] = place_of(candidates[i], slates[i, j])
            out[i, j] = 0.0
        log_time, missing = _FIRST, 1.0
        while missing > _OVER and log_time < 700.0:
            time = math.exp(log_time) / total
            for c in range(n):
                chance[c] = -math.expm1(-rate[c] * time)
            count_come(chance, -1, counts)
            missing = counts.sum()
            for j in range(k):
                c = int(at[j])
                if chance[c] < 0.5:
                    leave_out(counts, float(chance[c]), others)
                else:
                    count_come(chance, c, others)
                out[i, j] += _GRID * rate[c] * time * (1.0 - chance[c]) * others[j]
            log_time += _GRID


@compiled
def rank_of(scores: Float32[np.ndarray, " n"], c: int) -> int:
    """How many candidates are better than one; of equal scores, the earlier candidate is better."""
    better = 0
    for other in range(scores.shape[0]):
        if scores[other] > scores[c] or (scores[other] == scores[c] and other < c):
            better += 1
    return better


@compiled
def best_left(scores: Float32[np.ndarray, " n"], chosen: Bool[np.ndarray, " n"]) -> int:
    """The best candidate that is not chosen; ties go to the earlier one."""
    best = -1
    for c in range(scores.shape[0]):
        if not chosen[c] and (best < 0 or scores[c] > scores[best]):
            best = c
    return best


@compiled_with_room
def draw_epsilon(
    candidates: Int32[np.ndarray, "users n"],
    scores: Float32[np.ndarray, "users n"],
    epsilon: float,
    u: Float32[np.ndarray, "users k"],
    which: Float32[np.ndarray, "users k"],
    out: Int32[np.ndarray, "users k"],
) -> None:
    """At each place the best candidate left, or with chance `epsilon` any of those left."""
    n, k = candidates.shape[1], out.shape[1]
    chosen = np.empty(n, np.bool_)
    for i in range(candidates.shape[0]):
        chosen[:] = False
        for j in range(k):
            if u[i, j] < epsilon:
                left = int(np.float64(which[i, j]) * (n - j))
                c = -1
                while left >= 0:
                    c += 1
                    left -= 0 if chosen[c] else 1
            else:
                c = best_left(scores[i], chosen)
            chosen[c] = True
            out[i, j] = candidates[i, c]


@compiled_with_room
def epsilon_choices(
    candidates: Int32[np.ndarray, "users n"],
    scores: Float32[np.ndarray, "users n"],
    epsilon: float,
    slates: Int32[np.ndarray, "users k"],
    out: Float64[np.ndarray, "users k n"],
) -> None:
    """Chances of the candidates that are left at each place of slates."""
    n, k = candidates.shape[1], slates.shape[1]
    chosen = np.empty(n, np.bool_)
    for i in range(candidates.shape[0]):
        chosen[:] = False
        for j in range(k):
            for c in range(n):
                out[i, j, c] = 0.0 if chosen[c] else epsilon / (n - j)
            out[i, j, best_left(scores[i], chosen)] += 1.0 - epsilon
            chosen[place_of(candidates[i], slates[i, j])] = True


@compiled_with_room
def epsilon_log_chances(
    candidates: Int32[np.ndarray, "users n"],
    scores: Float32[np.ndarray, "users n"],
    epsilon: float,
    slates: Int32[np.ndarray, "users k"],
    out: Float64[np.ndarray, "users k"],
) -> None:
    """Log-chances of the videos of slates at their places, given those above."""
    n, k = candidates.shape[1], slates.shape[1]
    chosen = np.empty(n, np.bool_)
    for i in range(candidates.shape[0]):
        chosen[:] = False
        for j in range(k):
            c = place_of(candidates[i], slates[i, j])
            best = c == best_left(scores[i], chosen)
            out[i, j] = math.log(epsilon / (n - j) + (1.0 - epsilon if best else 0.0))
            chosen[c] = True


@compiled_with_room
def epsilon_places(
    candidates: Int32[np.ndarray, "users n"],
    scores: Float32[np.ndarray, "users n"],
    epsilon: float,
    slates: Int32[np.ndarray, "users k"],
    out: Float64[np.ndarray, "users k"],
) -> None:
    """Chances of the videos of slates at their places, whatever is above them.

    Before each place it matters only how many candidates that are better than the video are taken already.
    """
    n, k = candidates.shape[1], slates.shape[1]
    taken = np.empty(k + 1)
    for i in range(candidates.shape[0]):
        for j in range(k):
            better = rank_of(scores[i], place_of(candidates[i], slates[i, j]))
            taken[:] = 0.0
            taken[0] = 1.0
            for place in range(j):
                left = n - place
                for gone in range(place, -1, -1):  # upwards, so that each count is moved once
                    above = better - gone
                    if above < 0 or taken[gone] == 0.0:
                        continue
                    by_better = (1.0 - epsilon if above > 0 else 0.0) + epsilon * above / left
                    taken[gone + 1] += taken[gone] * by_better
                    taken[gone] *= epsilon * (left - 1 - above) / left
            out[i, j] = 0.0
            for gone in range(min(j, better) + 1):
                best = 1.0 - epsilon if gone == better else 0.0
                out[i, j] += taken[gone] * (best + epsilon / (n - j))
