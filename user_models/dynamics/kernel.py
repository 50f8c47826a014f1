"""One view, one session, one day of a user, as compiled scalar equations.

Everything that happens to a user in a rollout happens here, row by row, so no result depends on how users are
batched. Axes: as in `user_models.dynamics.state`.

All helpers live in this one file because numba's on-disk cache looks at a file's own date only.
"""

import math
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int16, Int32, Int64, UInt64

from user_models.dynamics.compiled import compiled, compiled_inline, compiled_with_room
from user_models.dynamics.packed import Packed
from user_models.dynamics.state import KernelParameters, Response, Users, UserState, Videos
from user_models.dynamics.watch_thresholds import COMPLETE_THRESHOLD, LONGEST, N_THRESHOLDS, SEGMENT

# Purposes: words that keep the uses of one key apart.
_WATCH = np.uint64(1)
_WITHIN = np.uint64(2)
_SATISFACTION = np.uint64(3)
_ACTION = np.uint64(4)
_ASK = np.uint64(16)
_ANSWER = np.uint64(17)
_SAY = np.uint64(18)
_PATIENCE = np.uint64(19)
_HOUR = np.uint64(20)
_RETURN = np.uint64(21)
_SESSIONS = np.uint64(22)
_ROUND = np.uint64(23)
_DRIFT = np.uint64(24)
_STRONG = np.uint64(25)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)

Integer: TypeAlias = Any
"""A whole number, as an element of whatever array."""

STEPS = np.array(
    [math.isqrt(prime << 128) % 2**64 for prime in range(2, 312) if all(prime % d for d in range(2, prime))], np.uint64
)
"""Fractional parts of the square roots of the first 64 primes, in units of 2^-64."""
N_ACTIONS = 6

# Event bits and answers as in `policies.base`; numba freezes them.
CLICK = 1
LONG_VIEW = 2
COMPLETE = 4
SKIP = 8
LIKE = 16
"""Of the first action; the others follow in their order."""
ASKED = 1024
ANSWERED = 2048
SATISFIED = 4096
DISSATISFIED = 8192
ASKED_STRONGLY = 16384
NO_ANSWER = 0
ANSWER_DISSATISFIED = 1
ANSWER_UNCERTAIN = 2
ANSWER_SATISFIED = 3

MOST_FELT = 3.5
"""Satisfaction beyond which, either way, no action becomes likelier: a video can only be liked once."""


@compiled_inline
def mix(word: np.uint64) -> np.uint64:
    """SplitMix64's step."""
    z = word + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@compiled_inline
def uniform(key: np.uint64, purpose: np.uint64) -> float:
    """A number in (0, 1), never an end, for one purpose of a key."""
    return (np.float64(mix(key ^ (purpose * _GOLDEN)) >> np.uint64(12)) + 0.5) * 2.0**-52


@compiled_inline
def normal(u: float) -> float:
    """Standard normal quantile of `u` in (0, 1), to 1e-9 relative (Acklam's rational approximation)."""
    if u < 0.02425 or u > 0.97575:
        q = math.sqrt(-2.0 * math.log(u if u < 0.5 else 1.0 - u))
        tail = (
            (
                (((-7.784894002430293e-03 * q - 3.223964580411365e-01) * q - 2.400758277161838) * q - 2.549732539343734)
                * q
                + 4.374664141464968
            )
            * q
            + 2.938163982698783
        ) / (
            (((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996) * q + 3.754408661907416) * q
            + 1.0
        )
        return tail if u < 0.5 else -tail
    q = u - 0.5
    r = q * q
    return (
        (
            (
                (
                    ((-3.969683028665376e01 * r + 2.209460984245205e02) * r - 2.759285104469687e02) * r
                    + 1.383577518672690e02
                )
                * r
                - 3.066479806614716e01
            )
            * r
            + 2.506628277459239
        )
        * q
    ) / (
        (
            (((-5.447609879822406e01 * r + 1.615858368580409e02) * r - 1.556989798598866e02) * r + 6.680131188771972e01)
            * r
            - 1.328068155288572e01
        )
        * r
        + 1.0
    )


@compiled_inline
def sigmoid(x: float) -> float:
    """Logistic function."""
    return 1.0 / (1.0 + math.exp(-x))


@compiled_inline
def bernoulli(u: float, logit: float) -> bool:
    """Return whether `u` < sigma(logit); exp(-y) < 1 / (1 + y + y^2 / 2) settles most rare events without exp."""
    if logit < 0.0 and u * (1.0 - logit + 0.5 * logit * logit) > 1.0:
        return False
    return u * (1.0 + math.exp(-logit)) < 1.0


@compiled_inline
def count_passed(
    stop_odds: Float32[np.ndarray, " thresholds"], slope: Float32[np.ndarray, " segments"], appeal: float, u: float
) -> int:
    """Count the watch thresholds passed: the first at which the survival product falls below `u`.

    P(pass threshold j | passed j-1) = 1 / (1 + barrier_j exp(-slope_j * appeal)), a continuation-ratio model (Fienberg
    and Mason 1979); one uniform number decides the whole watch, so more appeal never shortens it when slopes
    are >= 0. Slopes are shared along a segment of the thresholds, which saves most of the exponentials.
    """
    against = 1.0
    segment = -1
    pull = 1.0
    for j in range(N_THRESHOLDS):
        if SEGMENT[j] != segment:
            segment = SEGMENT[j]
            pull = math.exp(-slope[segment] * appeal)
        against *= 1.0 + stop_odds[j] * pull  # one over the survival product: no division on the way
        if u * against >= 1.0:
            return j
    return N_THRESHOLDS


@compiled_inline
def seconds(thresholds_s: Float32[np.ndarray, " thresholds"], passed: int, u: float) -> float:
    """Watch seconds of a view that stopped between two thresholds; `u` places it, evenly on a log scale past 7 s."""
    if passed == 0:
        return 0.0
    low = thresholds_s[passed - 1]
    high = thresholds_s[passed] if passed < N_THRESHOLDS else LONGEST * thresholds_s[COMPLETE_THRESHOLD]
    if low < 7.0:
        return low + u * (high - low)
    return low * (high / low) ** u


@compiled
def respond(
    keys: UInt64[np.ndarray, " rows"],
    rows: Int64[np.ndarray, " rows"],
    slates: Int32[np.ndarray, "rows k"],
    day: int,
    users: Users,
    videos: Videos,
    state: UserState,
    rules: KernelParameters,
    out: Response,
) -> None:
    """Let each user go through a slate, view by view, until its end or the end of their patience.

    `keys` holds one word per row, mixed from (seed, user, day, lap), so that the n-th meeting of a user and a
    video on a day has the same noise whatever came before. Writes into `state` and the first rows of `out`.
    """
    for i in range(rows.shape[0]):
        simulate_slate(keys[i], i, rows[i], slates, day, users, videos, state, rules, out)


@compiled
def simulate_slates(
    seed: np.uint64,
    user_id: Int64[np.ndarray, " users"],
    rows: Int64[np.ndarray, " rows"],
    slates: Int32[np.ndarray, "rows k"],
    day: int,
    walk: tuple[int, int],
    users: Packed,
    videos: Packed,
    state: UserState,
    rules: Packed,
    out: Response,
) -> None:
    """Simulate slates with packed users, videos and parameters; the keys are mixed here.

    `walk` is how many videos a request offers and how many there are in a lap.
    """
    for i in range(rows.shape[0]):
        lap = (state.request[rows[i]] * walk[0]) // walk[1]
        key = hash_key(seed, user_id[rows[i]], day, lap)
        simulate_slate(key, i, rows[i], slates, day, users, videos, state, rules[0], out)


@compiled_inline
def simulate_slate(
    key: np.uint64,
    i: int,
    user: int,
    slates: Int32[np.ndarray, "rows k"],
    day: int,
    users: Users,
    videos: Videos,
    state: UserState,
    rules: KernelParameters,
    out: Response,
) -> None:
    """One user and one slate."""
    out.appeal[i, 0] = prefetch(slates[i], videos)
    for position in range(slates.shape[1]):
        video = slates[i, position]
        if state.patience[user] > 0.0:
            simulate_view(mix(key + np.uint64(video)), i, position, user, video, day, users, videos, state, rules, out)
        else:
            write_unseen(i, position, out)


@compiled_inline
def write_unseen(i: int, position: int, out: Response) -> None:
    """Nothing happens at a place of a slate."""
    out.viewed[i, position] = False
    out.watch_s[i, position] = 0.0
    out.events[i, position] = 0
    out.answer[i, position] = 0
    out.satisfaction[i, position] = 0.0
    out.appeal[i, position] = 0.0
    out.propensity[i, position] = 0.0


@compiled_inline
def prefetch(slate: Int32[np.ndarray, " k"], videos: Videos) -> float:
    """Read a little of each video of a slate, so that memory fetches them all at once and not one after the other."""
    found = 0.0
    for video in slate:
        found += videos.stop_odds[video, 0] + videos.stop_odds[video, COMPLETE_THRESHOLD] + videos.slope[video, 0]
        found += videos.thresholds_s[video, 0] + videos.thresholds_s[video, COMPLETE_THRESHOLD]
        found += videos.topic[video, 0] + videos.action[video, 0]
    return found


@compiled_inline
def simulate_view(
    key: np.uint64,
    i: int,
    position: int,
    user: int,
    video: int,
    day: int,
    users: Users,
    videos: Videos,
    state: UserState,
    rules: KernelParameters,
    out: Response,
) -> None:
    """Simulate one view: attraction, satisfaction, watch time, actions, questionnaire, patience."""
    match = 0.0
    repeated = 0.0
    for j in range(users.taste.shape[1]):
        match += (users.taste[user, j] + state.leaning[user, j]) * videos.topic[video, j]
        repeated += state.seen[user, j] * videos.topic[video, j]
    appeal = (
        users.appeal[user]
        + videos.appeal[video]
        + rules.taste * match
        + rules.hour_effect[state.hour[user]]
        + rules.momentum * (state.clicked[user] - 0.5)
        - rules.satiation * repeated
        - rules.habituation * max(0.0, state.wary[user]) * videos.bait[video]
    )
    satisfaction = (
        rules.weight_taste * match
        + rules.weight_quality * videos.quality[video]
        - rules.weight_bait * videos.bait[video]
        + rules.weight_noise * normal(uniform(key, _SATISFACTION))
    )
    passed = count_passed(videos.stop_odds[video], videos.slope[video], appeal, uniform(key, _WATCH))
    watch_s = np.float32(seconds(videos.thresholds_s[video], passed, uniform(key, _WITHIN)))
    felt = min(max(satisfaction, -MOST_FELT), MOST_FELT)
    events = watch_events(watch_s, videos.duration_s[video])
    for action in range(N_ACTIONS):
        logit = (
            rules.action_base[action]
            + users.action[user, action]
            + videos.action[video, action]
            + rules.action_stage[action, passed]
            + rules.action_satisfaction[action] * felt
            + rules.action_match[action] * match
        )
        if bernoulli(uniform(key, _ACTION + np.uint64(action)), logit):
            events |= LIKE << action
    out.viewed[i, position] = True
    out.watch_s[i, position] = watch_s
    out.satisfaction[i, position] = satisfaction
    out.appeal[i, position] = appeal
    out.answer[i, position] = 0
    out.propensity[i, position] = 0.0
    if (
        eligible(watch_s, videos.duration_s[video])
        and uniform(key, _ASK) < rules.ask * (rules.ask_long_views if events & LONG_VIEW else 1.0)
        and day - state.last_asked[user] >= rules.cool_down_days
        and state.asked[user] < rules.ask_most
    ):
        strongly = uniform(key, _STRONG) < rules.strong_share
        events |= ASKED | ASKED_STRONGLY if strongly else ASKED
        out.propensity[i, position] = answer_propensity(satisfaction, strongly, user, users, state, rules)
        out.answer[i, position] = answer(key, satisfaction, out.propensity[i, position], rules)
        if out.answer[i, position] != NO_ANSWER:
            events |= ANSWERED
        if out.answer[i, position] == ANSWER_SATISFIED:
            events |= SATISFIED
        elif out.answer[i, position] == ANSWER_DISSATISFIED:
            events |= DISSATISFIED
        state.prompts[user] += 1.0
        state.last_asked[user] = day
        state.asked[user] += 1
    out.events[i, position] = events
    spend_patience(user, satisfaction, events, state, rules)
    update_taste(user, video, felt, videos, state, rules)


@compiled_inline
def watch_events(watch_s: np.float32, duration_s: float) -> int:
    """Click, long view, complete and skip bits of a watch time, by KuaiRand's definitions (skip: under 3 s)."""
    events = 0
    if watch_s >= duration_s or watch_s > 7.0:
        events |= CLICK
    if watch_s >= duration_s or watch_s >= 18.0:
        events |= LONG_VIEW
    if watch_s >= duration_s:
        events |= COMPLETE
    elif watch_s < 3.0:
        events |= SKIP
    return events


@compiled_inline
def eligible(watch_s: np.float32, duration_s: float) -> bool:
    """Return whether a questionnaire may appear: 7 s watched, or half the video (EASQ, arXiv 2601.20215)."""
    return bool(watch_s >= 7.0 or watch_s >= 0.5 * duration_s)


@compiled
def answer_propensity(
    satisfaction: float, strongly: bool, user: int, users: Users, state: UserState, rules: KernelParameters
) -> float:
    """Return the chance of answering when asked: higher if satisfied, lower if weary (selection bias).

    A strong ask, such as a card that has to be closed or a reward, adds the same to the logit whatever the view was
    like; with `strong_displeased` it works better, or worse, where the view displeased.
    """
    boost = 0.0
    if strongly:
        displeased = satisfaction < rules.say_dissatisfied
        boost = rules.strong_boost * (1.0 + rules.strong_displeased if displeased else 1.0)
    return sigmoid(
        rules.answer_base
        + users.answering[user]
        + rules.answer_satisfaction * satisfaction
        - rules.answer_fatigue * state.prompts[user]
        + boost
    )


@compiled
def answer(key: np.uint64, satisfaction: float, chance: float, rules: KernelParameters) -> int:
    """0 no answer, 1 dissatisfied, 2 uncertain, 3 satisfied: a selective answer, then an ordered probit."""
    if uniform(key, _ANSWER) >= chance:
        return NO_ANSWER
    felt = satisfaction + rules.say_noise * normal(uniform(key, _SAY))
    if felt < rules.say_dissatisfied:
        return ANSWER_DISSATISFIED
    return ANSWER_UNCERTAIN if felt < rules.say_satisfied else ANSWER_SATISFIED


@compiled_inline
def spend_patience(user: int, satisfaction: float, events: int, state: UserState, rules: KernelParameters) -> None:
    """Spend patience: an average view costs about 1; displeasure and runs of skips cost more."""
    state.skips[user] = state.skips[user] + 1 if events & SKIP else 0
    cost = 1.0 - rules.cost_satisfaction * satisfaction + rules.cost_skips * max(0, state.skips[user] - 1)
    state.patience[user] -= np.float32(rules.cost_scale * max(0.1, cost))
    state.clicked[user] = 1.0 if events & CLICK else 0.0
    state.views[user] += 1
    state.pleasure[user] += satisfaction


@compiled_inline
def update_taste(user: int, video: int, felt: float, videos: Videos, state: UserState, rules: KernelParameters) -> None:
    """Update a user's taste drift, topic exposure and bait exposure after a view.

    Taste leans as a running mean of what pleased, by no more than `MOST_FELT`; a sum would feed on itself, since taste
    for what was shown makes the next video of the kind please more.
    """
    topic = videos.topic[video]
    seen = state.seen[user]
    leaning = state.leaning[user]
    fade, drift, pleased = np.float32(rules.seen_step), np.float32(rules.drift_step), np.float32(felt)
    for j in range(len(topic)):
        seen[j] += fade * (topic[j] - seen[j])
    for j in range(len(topic)):
        leaning[j] += drift * (pleased * topic[j] - leaning[j])
    state.wary[user] += np.float32(rules.wary_step) * (videos.bait[video] - state.wary[user])


@compiled
def open_day(
    keys: UInt64[np.ndarray, " users"], day: int, users: Users, state: UserState, rules: KernelParameters
) -> None:
    """Begin a day: draw which users come, their sessions, and the rounds. `keys` are mixed from (seed, user, day)."""
    n_rounds = state.sessions_left.shape[1]
    for user in range(keys.shape[0]):
        state.hour[user] = 0
        state.session[user] = 0
        state.request[user] = 0
        state.views[user] = 0
        state.pleasure[user] = 0.0
        state.patience[user] = 0.0
        state.asked[user] = 0
        state.prompts[user] *= rules.fatigue_kept
        overnight_drift(user, keys[user], state, rules)
        state.sessions_left[user, :] = 0
        if not comes(keys[user], user, state.days_away[user], users, state.mood, rules):
            state.days_away[user] += 1
            continue
        state.days_away[user] = 0
        extra = (users.sessions_per_day[user] - 1.0) * rules.views_scale * rules.weekday[day % 7]
        n_sessions = 1 + poisson(extra, uniform(keys[user], _SESSIONS))
        for session in range(n_sessions):
            state.sessions_left[
                user, pick_round(uniform(mix(keys[user] + np.uint64(session)), _ROUND), n_rounds, rules)
            ] += 1


@compiled_inline
def comes(
    key: np.uint64,
    user: int,
    days_away: Integer,
    users: Users,
    mood: Float32[np.ndarray, " users"],
    rules: KernelParameters,
) -> bool:
    """Return whether a user who was away for some days comes today; `key` is mixed from (seed, user, day)."""
    gap = min(days_away, rules.return_logit.shape[0] - 1)
    logit = (
        rules.return_logit[gap]
        + users.return_intercept[user]
        + rules.return_satisfaction * (mood[user] - rules.mood_usual)
    )
    return uniform(key, _RETURN) < sigmoid(logit)


@compiled
def find_gone(
    seeds: UInt64[np.ndarray, " rows"],
    user_id: Int64[np.ndarray, " users"],
    rows: Int64[np.ndarray, " rows"],
    last_day: Int32[np.ndarray, " rows"],
    n_days: int,
    users: Packed,
    days_away: Int16[np.ndarray, " users"],
    mood: Float32[np.ndarray, " users"],
    rules: Packed,
    gone: Bool[np.ndarray, " rows"],
) -> None:
    """Mark users, after their last day, who come on none of the next `n_days` days; only `gone` is written.

    Nothing but the days pass for a user who is away: mood stays as it is. `seeds` are those of each row's arrivals.
    """
    for i in range(rows.shape[0]):
        user, later = rows[i], 1
        while later <= n_days:
            key = hash_key(seeds[i], user_id[user], last_day[i] + later, 0)
            if comes(key, user, days_away[user] + later - 1, users, mood, rules[0]):
                break
            later += 1
        gone[i] = later > n_days


@compiled
def overnight_drift(user: int, key: np.uint64, state: UserState, rules: KernelParameters) -> None:
    """Apply a night: exposures fade, and taste drifts randomly back towards its start."""
    for j in range(state.seen.shape[1]):
        state.seen[user, j] *= np.float32(rules.seen_kept)
        step = rules.drift_noise * normal(uniform(mix(key + np.uint64(j)), _DRIFT))
        state.leaning[user, j] = np.float32(rules.drift_kept * state.leaning[user, j] + step)


@compiled
def poisson(mean: float, u: float) -> int:
    """Poisson quantile by summing its probabilities; `mean` is a few sessions, never large."""
    term = math.exp(-mean)
    total = term
    n = 0
    while u > total and n < 200:
        n += 1
        term *= mean / n
        total += term
    return n


@compiled
def pick_round(u: float, n_rounds: int, rules: KernelParameters) -> int:
    """Round of the day for a session, by the hour profile; rounds split the 24 hours evenly."""
    hours = 24 // n_rounds
    total = 0.0
    for hour in range(24):
        total += rules.hour_share[hour]
        if u < total:
            return hour // hours
    return n_rounds - 1


@compiled
def open_sessions(
    seed: np.uint64,
    user_id: Int64[np.ndarray, " users"],
    among: Int64[np.ndarray, " rows"],
    day: int,
    rounds: tuple[int, int],
    users: Packed,
    state: UserState,
    rules: Packed,
    rows: Int64[np.ndarray, " rows"],
) -> int:
    """Open the next session of each of some users without one; list who is in session.

    Sessions are those of `rounds`, from the first to the last (not included). Writes those of `among` who are now in
    session into `rows`, in order, and returns how many there are.
    """
    n = 0
    for i in range(among.shape[0]):
        user = among[i]
        round_of_day = rounds[0]
        while state.patience[user] <= 0.0 and round_of_day < rounds[1]:
            if state.sessions_left[user, round_of_day] == 0:
                round_of_day += 1
            else:
                open_session(hash_key(seed, user_id[user], day, 0), user, round_of_day, users, state, rules[0])
        if state.patience[user] > 0.0:
            rows[n] = user
            n += 1
    return n


@compiled
def open_session(
    key: np.uint64, user: int, round_of_day: int, users: Users, state: UserState, rules: KernelParameters
) -> None:
    """Open a user's next session in a round; `key` is mixed from (seed, user, day)."""
    hours = 24 // state.sessions_left.shape[1]
    state.sessions_left[user, round_of_day] -= 1
    key = mix(key + np.uint64(1000 + state.session[user]))
    state.session[user] += 1
    state.patience[user] = session_length(user, uniform(key, _PATIENCE), users, rules)
    hour = pick_hour(uniform(key, _HOUR), round_of_day * hours, hours, rules)
    state.hour[user] = max(state.hour[user], hour)  # time does not run back between sessions of a round
    state.clicked[user] = 0.5
    state.skips[user] = 0


@compiled
def session_length(user: int, u: float, users: Users, rules: KernelParameters) -> float:
    """Patience at a session's start, in average views: Weibull with the user's mean, thinned by `views_scale`.

    `views_scale` s thins a day of N sessions of L views to 1 + (N - 1) s sessions, each shortened so that the
    day holds s N L views; what a view is like does not change.
    """
    n = users.sessions_per_day[user]
    kept = rules.views_scale * n / (1.0 + (n - 1.0) * rules.views_scale)
    scale = users.views_per_session[user] * kept / math.gamma(1.0 + 1.0 / rules.patience_shape)
    return scale * (-math.log(u)) ** (1.0 / rules.patience_shape)


@compiled
def pick_hour(u: float, first: int, n: int, rules: KernelParameters) -> int:
    """Hour of a session within its round, by the hour profile."""
    total = 0.0
    for hour in range(first, first + n):
        total += rules.hour_share[hour]
    running = 0.0
    for hour in range(first, first + n):
        running += rules.hour_share[hour] / total
        if u < running:
            return hour
    return first + n - 1


@compiled
def close_day(state: UserState, rules: KernelParameters) -> None:
    """End a day: update the mood of the day's users by their mean satisfaction."""
    for user in range(state.mood.shape[0]):
        if state.views[user] > 0:
            today = state.pleasure[user] / state.views[user]
            state.mood[user] = rules.mood_kept * state.mood[user] + (1.0 - rules.mood_kept) * today


@compiled_inline
def hash_key(seed: np.uint64, word: Integer, day: int, lap: Integer) -> np.uint64:
    """A key from (seed, user, day, lap)."""
    key = mix(seed ^ mix(np.uint64(word)))
    return mix(mix(key + np.uint64(day + 1000)) + np.uint64(lap))


@compiled
def hash_keys(
    seed: np.uint64,
    words: Int64[np.ndarray, " rows"],
    day: int,
    lap: Int32[np.ndarray, " rows"],
    out: UInt64[np.ndarray, " rows"],
) -> None:
    """One key per row from (seed, user, day, lap)."""
    for i in range(words.shape[0]):
        out[i] = hash_key(seed, words[i], day, lap[i])


@compiled
def spread_evenly(seed: np.uint64, item: np.uint64, axis: int) -> float:
    """A number in (0, 1) for one axis of an item; consecutive items cover the unit cube evenly.

    The Kronecker sequence frac(shift + item * sqrt(prime)), shift hashed from (seed, axis), in integer arithmetic
    modulo 2^64 (Niederreiter, Random Number Generation and Quasi-Monte Carlo Methods, 1992, ch. 3). A population so
    drawn has nearly the exact marginals of its generator: who happens to be in it moves no rate, however rare.
    """
    word = mix(seed ^ mix(np.uint64(axis))) + item * STEPS[axis]
    return (np.float64(word >> np.uint64(12)) + 0.5) * 2.0**-52


@compiled_with_room
def fill_latents(
    seed: np.uint64,
    ids: Int64[np.ndarray, " rows"],
    kind: Int64[np.ndarray, " rows"],
    mean: Float32[np.ndarray, "kinds n"],
    root: Float32[np.ndarray, "n n"],
    out: Float32[np.ndarray, "rows n"],
) -> None:
    """Normal vectors by (seed, id): `mean` of the row's kind plus `root` (lower triangle) times even normals."""
    n = out.shape[1]
    z = np.empty(n)
    for i in range(ids.shape[0]):
        for j in range(n):
            z[j] = normal(spread_evenly(seed, np.uint64(ids[i]), j + 1))
        for j in range(n):
            total = np.float64(mean[kind[i], j])
            for m in range(j + 1):
                total += root[j, m] * z[m]
            out[i, j] = total


@compiled
def fill_uniforms(seed: np.uint64, ids: Int64[np.ndarray, " rows"], out: Float64[np.ndarray, " rows"]) -> None:
    """Numbers in (0, 1) by (seed, id), evenly spread over consecutive ids."""
    for i in range(ids.shape[0]):
        out[i] = spread_evenly(seed, np.uint64(ids[i]), 0)
