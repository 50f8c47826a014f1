"""Effects that no report has a row for: `python tests/policies/share_effects.py RUN CONTROL TREATMENT`.

What satisfied (latent, over views), answers (over those given), and watch time, between any two arms: the true effect
with its standard error, over all users under both, and the interval of the buckets without CUPED.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd

import simulator
from simulator.metrics import METRICS, Metric
from simulator.truth import true_effect

SHARES = (
    Metric("share satisfied", "Share satisfied", "share", "up", ("true_satisfied",), ("views",)),
    Metric("answers satisfied", "Answers: satisfied", "share", "up", ("answers_satisfied",), ("answered",)),
    Metric("answers dissatisfied", "Answers: dissatisfied", "share", "down", ("answers_dissatisfied",), ("answered",)),
)
WATCHED = Metric("AUT", "Watch time per user", "s", "up", ("watch_s",))
SHOWN = (*SHARES, WATCHED, METRICS["AVT"])


def users_of(run: Path, world: str, metrics: Sequence[Metric] = SHOWN) -> pd.DataFrame:
    """Totals of the test, one row per user."""
    columns = sorted({column for metric in metrics for column in metric.columns})
    sums = ", ".join(f'sum("{column}")::double as "{column}"' for column in columns)
    rows = "from read_parquet(?) where world = ? and day >= 0 group by user_id order by user_id"
    query = f"select user_id, any_value(bucket) as arm, {sums} {rows}"
    return duckdb.execute(query, [str(run / "user_days" / "*.parquet"), world]).df()


def main(run: Path, control: str, treatment: str) -> None:
    before, after = (users_of(run, f"all:{arm}") for arm in (control, treatment))
    mixed = users_of(run, "mixed")
    if mixed.empty:  # arms that do not learn: a bucket is its users under its arm
        mixed = pd.concat([before[before["arm"] == control], after[after["arm"] == treatment]])
    mixed = mixed[mixed["arm"].isin([control, treatment])]
    for metric, row in zip(SHOWN, simulator.analyse(mixed, SHOWN, control, [treatment]), strict=True):
        true = true_effect(metric.ratio(before), metric.ratio(after))
        said = f"true {true.relative_effect:+.2%} ({true.standard_error:.2%})"
        sys.stdout.write(f"{metric.label}: {said}, buckets {row.ci_low:+.1%} to {row.ci_high:+.1%}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:4])
