"""How often intervals hold the truth: `python docs/studies/interval_coverage.py RUN`, RUN a run of `resampling`.

Users of the run are drawn anew with replacement, so many to each of two buckets; the truth is the lift of all users of
the run under one arm over all of them under the other. Their hash groups are drawn too, as each draw stands for another
user. A/A tests split the users under control in two, without replacement, with groups by their ids. Rates come with
Wilson's 95% band; widths are medians of the interval of the logarithm, relative to the delta method without covariates.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from simulator.metrics import METRICS, PRE, Metric
from simulator.runs.user_day_reader import arm_world, join_before, open_user_days
from simulator.spec.experiment import load_spec
from simulator.statistics.comparison import Difference, difference
from simulator.statistics.groups import GROUPS, GroupMoments, group_of

METRIC_KEYS = ("AUT", "AVT", "P2N", "like_rate", "hates_per_1000_views", "LT7")
WAYS = {
    "old": ("none", "delta"),
    "plain": ("none", "leverage"),
    "cuped": ("ratio", "delta"),
    "adjusted": ("sides", "jackknife"),
}
SIZES = (3_000, 10_000)
DRAWS = 1_000
SPLITS = 1_000
PRE_DAYS = 7


def columns_of(metric: Metric, users: pd.DataFrame) -> np.ndarray:
    """Both sides of a metric during the test and before it, one column each."""
    ratios = metric.ratio(users), metric.ratio(users, PRE)
    return np.stack([side for ratio in ratios for side in (ratio.numerator, ratio.denominator)], axis=1)


def compared(a: np.ndarray, b: np.ndarray, groups: tuple[np.ndarray, np.ndarray]) -> dict[str, Difference]:
    """The difference of two buckets in every way."""
    arms = [GroupMoments.of(tuple(rows.T), group) for rows, group in zip((a, b), groups, strict=True)]
    return {way: difference(*arms, adjustment, error) for way, (adjustment, error) in WAYS.items()}


def resampled(control: np.ndarray, treatment: np.ndarray, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Ends of the lift's interval and its width on a log scale, by way; one row per draw."""
    ends = {way: np.full((DRAWS, 3), np.nan) for way in WAYS}
    for draw in range(DRAWS):
        rows = [arm[rng.integers(0, len(arm), n)] for arm in (control, treatment)]
        groups = rng.integers(0, GROUPS, (2, n))
        for way, told in compared(rows[0], rows[1], (groups[0], groups[1])).items():
            if told.ci_low is not None and told.ci_high is not None:
                width = np.log1p(told.ci_high) - np.log1p(told.ci_low)
                ends[way][draw] = told.ci_low, told.ci_high, width
    return ends


def split(control: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """p-values of random halves of the users under control, by way."""
    p_values = {way: np.full(SPLITS, np.nan) for way in WAYS}
    for index in range(SPLITS):
        side = rng.random(len(control)) < 0.5
        told = compared(control[side], control[~side], (group[side], group[~side]))
        for way, each in told.items():
            p_values[way][index] = np.nan if each.p_value is None else each.p_value
    return p_values


def rate(hits: np.ndarray) -> str:
    """A share in percent with its band."""
    band = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="wilson")
    return f"{100 * hits.mean():.1f} [{100 * band.low:.1f}, {100 * band.high:.1f}]"


def main(folder: Path) -> None:
    """Print a row per metric, size and way."""
    spec = load_spec(str(folder / "spec.toml"))
    with open_user_days(folder) as table:
        before = table.users("pre", range(-PRE_DAYS, 0))
        worlds = [
            join_before(table.users(arm_world(arm.name), range(spec.days)), before, folder) for arm in spec.arms[:2]
        ]
    group = group_of(worlds[0]["user_id"].to_numpy())
    rng = np.random.default_rng(spec.seed)
    sys.stdout.write("| metric | users a bucket | way | coverage | width |\n| --- | --- | --- | --- | --- |\n")
    for key in METRIC_KEYS:
        control, treatment = (columns_of(METRICS[key], users) for users in worlds)
        values = [rows[:, 0].sum() / rows[:, 1].sum() for rows in (control, treatment)]
        truth = values[1] / values[0] - 1
        for n in SIZES:
            ends = resampled(control, treatment, n, rng)
            old = float(np.nanmedian(ends["old"][:, 2]))
            for way, (low, high, width) in ((way, each.T) for way, each in ends.items()):
                told = np.isfinite(low)
                inside = ((low <= truth) & (truth <= high))[told]
                sys.stdout.write(
                    f"| {key} ({truth:+.2%}) | {n:,} | {way} | {rate(inside)} | {np.nanmedian(width) / old:.2f} |\n"
                )
        for way, p_values in split(control, group, rng).items():
            sys.stdout.write(f"| {key} | A/A | {way} | {rate(p_values < 0.05)} | |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
