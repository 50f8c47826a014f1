"""What more covariates bring: `python docs/studies/covariates.py RUN`, a run with days before the test.

For each main metric: width of the interval of the logarithm with the metric's own two sides before the test, and with
further columns of the same days, relative to the interval without covariates.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from simulator.analysis.analyse import analyse
from simulator.metrics import MAIN, PRE
from simulator.reports.report import MetricRow
from simulator.runs.user_day_reader import PRE_WORLD, arm_world, join_before, open_user_days
from simulator.spec.experiment import load_spec

MORE = ("views", "active_days", "clicks", "likes", "long_views", "skips")


def width(row: MetricRow, of: str) -> float:
    """Width of a row's interval on a log scale."""
    estimate = row if of == "main" else row.plain
    return float(np.log1p(estimate.ci_high) - np.log1p(estimate.ci_low))


def main(folder: Path) -> None:
    """Print a line per metric."""
    spec = load_spec(str(folder / "spec.toml"))
    with open_user_days(folder) as table:
        before = table.users(PRE_WORLD, range(-spec.pre_days, 0))
        parts = []
        for arm in spec.arms:
            everybody = join_before(table.users(arm_world(arm.name), range(spec.days)), before, folder)
            parts.append(everybody.loc[everybody["arm"] == arm.name])
    users = pd.concat(parts)
    arms = [arm.name for arm in spec.arms]
    own = analyse(users, MAIN, arms[0], arms[1:2])
    more = analyse(users, MAIN, arms[0], arms[1:2], covariates=[PRE + name for name in MORE])
    for one, other in zip(own, more, strict=True):
        plain, ends = width(one, "plain"), (width(one, "main"), width(other, "main"))
        sys.stdout.write(
            f"{one.metric}: {ends[0] / plain:.3f} with its own sides, {ends[1] / plain:.3f} with {len(MORE)} more\n"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
