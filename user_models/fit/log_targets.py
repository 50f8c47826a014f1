"""Targets of a world from its log; what the log does not tell is the prior's, and is said to be.

The gap between random exposures and the log's ranker, where no row is random, is the prior's on the scale of log-odds.

Axes: `rows` of the log; `users`.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64
from scipy.special import expit, logit

from user_models.data.contract import ACTIONS as LOGGED_ACTIONS
from user_models.data.log import LogData
from user_models.data.mapping import SHIPPED
from user_models.dynamics.watch_thresholds import COMPLETE_THRESHOLD
from user_models.fit.generators.mixtures import UNKNOWN
from user_models.fit.log_visits import Visits, visits
from user_models.fit.rows.log_rows import LogRows
from user_models.targets import DURATION_EDGES, KUAIRAND, RATES, GroupRates, LengthRates, Rates, Targets, read_targets
from user_models.world.tables import ACTIONS

_SHRINK: Final = 100.0
"""Views that a class, a group or an hour needs to count for itself; fewer are drawn towards the rate of all."""
_FEWEST_RANDOM: Final = 1_000
"""Random exposures from which their rates by class, group and hour are their own."""
_FEWEST_GROUP: Final = 300
"""Views of a group of users from which it has rates of its own."""
_FEWEST_ANSWERS: Final = 100
"""Answers from which the share of negative ones is the log's."""
_THURSDAY: Final = 3
"""Day of the week of 1 January 1970, Monday being 0."""
_PRIOR: Final = "prior: KuaiRand"


def targets_of(data: LogData, rows: LogRows, users: pd.DataFrame, prior: Targets = KUAIRAND) -> Targets:
    """Return what a world fitted on a log is set to: the totals that its mapping names, or else figures of its rows.

    Args:
        data: The log.
        rows: As the fit reads them.
        users: Table that they point into.
        prior: What is taken where the log says nothing.

    Raises:
        DataError: Totals that are missing or damaged.
    """
    if data.mapping.totals:
        own = data.located.root / data.mapping.totals
        return read_targets(own if own.is_file() else SHIPPED / Path(data.mapping.totals).name)
    ranked, shown = rows.take(~rows.random), rows.take(rows.random)
    missing = [ours for ours, logged in zip(ACTIONS, LOGGED_ACTIONS, strict=True) if logged in data.lacks]
    base = _rates(ranked, missing, prior.base)
    random = _rates(shown, missing, prior.random) if len(shown) else _shifted(ranked, base, missing, prior)
    split = shown if len(shown) >= _FEWEST_RANDOM else None
    came = visits(rows) if data.mapping.complete and data.mapping.log.columns["time"].unit != "files" else None
    label = users[data.profile()[0]].fillna(UNKNOWN).astype(str).to_numpy(object)
    group = {name: np.asarray(label == name) for name in sorted(set(label))}
    groups = tuple(name for name in group if int(group[name][ranked.user].sum()) >= _FEWEST_GROUP)
    hours = data.mapping.log.columns["time"].unit != "files"
    content = {
        "name": data.mapping.name,
        "random": random,
        "base": base,
        **_by_duration(ranked, split, base, random),
        "groups": groups,
        **_by_group(ranked, split, [group[name] for name in groups], base, random),
        **_by_hour(ranked, split, base, random),
        "hourly_exposures": tuple(np.bincount(ranked.hour, minlength=24) + 1.0) if hours else prior.hourly_exposures,
        "weekday_exposures": _weekdays(ranked) if hours else prior.weekday_exposures,
        **(came or _visits_of(prior)).figures(prior),
        "random_click_spread": _spread(random.click, prior),
        "hate_share_of_top_tenth": prior.hate_share_of_top_tenth,
        "negative_answers": _negative(data) or prior.negative_answers,
        "sources": _sources(data, rows, missing, came is not None, hours),
    }
    return Targets.model_validate(content)


def _outcomes(rows: LogRows) -> dict[str, Bool[np.ndarray, " rows"]]:
    """Nested outcomes of watching."""
    return {"click": rows.click, "long_view": rows.long_view, "complete": rows.passed > COMPLETE_THRESHOLD}


def _rates(rows: LogRows, missing: list[str], prior: Rates) -> Rates:
    """Figures per view; a rate that never happened is half an event, missing actions are the prior's."""
    least = 1 / (2 * max(1, len(rows)))
    means = {name: float(np.mean(values)) for name, values in _outcomes(rows).items()}
    means |= {name: float(rows.acted[:, at].mean(dtype=np.float64)) for at, name in enumerate(ACTIONS)}
    rates = {name: float(np.clip(mean, least, 1 - least)) for name, mean in means.items()}
    told = {name: prior.figures()[name] for name in missing}
    return Rates(**{**rates, **told, "watch_s": max(float(rows.watch_s.mean(dtype=np.float64)), least)})


def _shifted(ranked: LogRows, base: Rates, missing: list[str], prior: Targets) -> Rates:
    """Figures of random exposures from those of the log's ranker, by the prior's gap between the two."""
    gap = {name: _gap(name, prior) for name in prior.base.figures() if name != "watch_s"}
    rates = {name: float(expit(logit(base.figures()[name]) + gap[name])) for name in gap}
    told = {name: prior.random.figures()[name] for name in missing}
    return Rates(**{**rates, **told, "watch_s": _seconds(ranked, rates, base.watch_s)})


def _seconds(ranked: LogRows, rates: dict[str, float], overall: float) -> float:
    """Mean seconds at other rates: those of views that got as far, weighted by how many then do.

    How far: not to a click, to a click, to a long view, to the end.
    """
    had = _outcomes(ranked)
    far = np.max([(at + 1) * had[name] for at, name in enumerate(RATES)], axis=0)
    passed = np.array([1.0, *(rates[name] for name in RATES), 0.0])
    share = np.maximum(passed[:-1] - passed[1:], 0)
    watch_s = ranked.watch_s.astype(np.float64)
    seconds = [watch_s[far == at].mean() if (far == at).any() else overall for at in range(len(share))]
    return float(share @ seconds / share.sum())


def _gap(name: str, prior: Targets) -> float:
    """Log-odds by which random exposures lie above the ranker's."""
    return float(logit(prior.random.figures()[name]) - logit(prior.base.figures()[name]))


def _shares(
    rows: LogRows, name: str, classes: Int64[np.ndarray, " rows"], n: int, overall: float
) -> Float64[np.ndarray, " n"]:
    """Rate of an outcome by class, small classes drawn towards the overall one."""
    had = np.bincount(classes, weights=_outcomes(rows)[name].astype(np.float64), minlength=n)
    rate = (had + _SHRINK * overall) / (np.bincount(classes, minlength=n) + _SHRINK)
    return np.clip(rate, 1e-4, 1 - 1e-4)


def _pair(
    ranked: Float64[np.ndarray, " n"], shown: Float64[np.ndarray, " n"] | None, base: float, random: float
) -> dict[str, tuple[float, ...]]:
    """Rates under both regimes; those of random exposures by the overall gap where there are too few."""
    moved = expit(logit(ranked) + logit(random) - logit(base)) if shown is None else shown
    return {"base": tuple(ranked.tolist()), "random": tuple(moved.tolist())}


def _by_duration(ranked: LogRows, shown: LogRows | None, base: Rates, random: Rates) -> dict[str, LengthRates]:
    """Rates by class of duration; each is at most the one that it is nested in."""

    def of(rows: LogRows, name: str, overall: float) -> Float64[np.ndarray, " lengths"]:
        kind = np.searchsorted(DURATION_EDGES, np.exp(rows.log_duration), side="right").astype(np.int64)
        return _shares(rows, name, kind, len(DURATION_EDGES) + 1, overall)

    pairs = {
        name: _pair(
            of(ranked, name, base.figures()[name]),
            None if shown is None else of(shown, name, random.figures()[name]),
            base.figures()[name],
            random.figures()[name],
        )
        for name in RATES
    }
    return {
        f"{regime}_by_duration": LengthRates(**{name: pairs[name][regime] for name in RATES})
        for regime in ("base", "random")
    }


def _by_group(
    ranked: LogRows, shown: LogRows | None, members: list[Bool[np.ndarray, " users"]], base: Rates, random: Rates
) -> dict[str, GroupRates]:
    """Rates by group of users."""

    def of(rows: LogRows, name: str, overall: float) -> Float64[np.ndarray, " groups"]:
        inside = [rows.take(who[rows.user]) for who in members]
        return np.array([_shares(some, name, np.zeros(len(some), np.int64), 1, overall)[0] for some in inside])

    pairs = {
        name: _pair(
            of(ranked, name, base.figures()[name]),
            None if shown is None else of(shown, name, random.figures()[name]),
            base.figures()[name],
            random.figures()[name],
        )
        for name in ("click", "long_view")
    }
    return {
        f"{regime}_by_group": GroupRates(click=pairs["click"][regime], long_view=pairs["long_view"][regime])
        for regime in ("base", "random")
    }


def _by_hour(ranked: LogRows, shown: LogRows | None, base: Rates, random: Rates) -> dict[str, tuple[float, ...]]:
    """Click rates by hour."""
    own = None if shown is None else _shares(shown, "click", shown.hour, 24, random.click)
    pair = _pair(_shares(ranked, "click", ranked.hour, 24, base.click), own, base.click, random.click)
    return {f"{regime}_click_by_hour": rates for regime, rates in pair.items()}


def _weekdays(rows: LogRows) -> tuple[float, ...]:
    """Mean exposures on Mondays to Sundays; days of the week that the log lacks have the mean of all."""
    days, counts = np.unique(rows.date, return_counts=True)
    since_1970 = pd.to_datetime(days.astype(str), format="%Y%m%d").to_numpy("datetime64[D]").astype(np.int64)
    weekday = (since_1970 + _THURSDAY) % 7
    sums, n = np.bincount(weekday, weights=counts, minlength=7), np.bincount(weekday, minlength=7)
    return tuple(np.where(n > 0, sums / np.maximum(n, 1), counts.mean()).tolist())


def _spread(click: float, prior: Targets) -> float:
    """Spread over users of the chance to click, the prior's on the scale of log-odds."""
    return prior.random_click_spread * click * (1 - click) / (prior.random.click * (1 - prior.random.click))


def _negative(data: LogData) -> float | None:
    """Share of dissatisfied answers; None with too few."""
    if "answer" not in data.log_columns:
        return None
    answers = data.log(("answer",))["answer"].to_numpy(np.float64)
    given = answers[answers > 0]
    if len(given) < _FEWEST_ANSWERS:
        return None
    return float(np.clip((given == 1).mean(), 1 / len(given), 1 - 1 / len(given)))


def _visits_of(prior: Targets) -> Visits:
    """How users come in the prior."""
    return Visits(prior.sessions_per_day, prior.sessions_quantiles, prior.views_per_day, prior.views_quantiles, ())


def _sources(data: LogData, rows: LogRows, missing: list[str], visited: bool, timed: bool) -> dict[str, str]:
    """Where each figure comes from, in words."""
    n, n_random = int((~rows.random).sum()), int(rows.random.sum())
    log, gap = f"log: {n:,} rows", f"{_PRIOR}'s gap between random exposures and a ranker, in log-odds"
    random = f"log: {n_random:,} random exposures" if n_random else gap
    split = (
        random if n_random >= _FEWEST_RANDOM or not n_random else f"{gap}; {n_random:,} random exposures are too few"
    )
    coming = log if visited else _PRIOR
    answers = "log" if _negative(data) else "prior: SAQRec"
    lacking = {f"{regime}.{name}": f"{_PRIOR}; not in the log" for regime in ("base", "random") for name in missing}
    by_split = ("by_duration", "by_group", "click_by_hour")
    return {
        "base": log,
        "random": random,
        **({} if n_random else {"random.watch_s": f"{log}: their seconds by how far was watched, at those rates"}),
        **lacking,
        **{f"base_{name}": log for name in by_split},
        **{f"random_{name}": split for name in by_split},
        **dict.fromkeys(("hourly_exposures", "weekday_exposures"), log if timed else _PRIOR),
        **dict.fromkeys(("sessions_per_day", "views_per_day"), coming),
        "return_gap": f"{coming}, drawn towards the prior's by 50 returns" if visited else _PRIOR,
        "random_click_spread": f"{_PRIOR}, in log-odds",
        "hate_share_of_top_tenth": _PRIOR,
        "negative_answers": answers,
    }
