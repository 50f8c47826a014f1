"""Effects that no report has a row for: `python docs/studies/share_effects.py RUN CONTROL TREATMENT`.

What satisfied (latent, over views), answers (over those given), and some metrics of the report between any two arms:
the true effect with its standard error, over all users under both, and the interval of the buckets without CUPED. Of
arms that were trained several times CONTROL and TREATMENT are what their names have in common, and what is told is the
true effect of each training with its standard error over users, then the mean with its standard error over trainings.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import duckdb
import pandas as pd

import simulator
from simulator.analysis.training_variance import trained_arms
from simulator.metrics import METRICS, Metric
from simulator.runs.user_day_reader import literal
from simulator.spec.experiment import load_spec
from simulator.statistics.paired import true_effect

SHARES = (
    Metric("share satisfied", "Share satisfied", "share", "up", ("true_satisfied",), ("views",)),
    Metric("answers satisfied", "Answers: satisfied", "share", "up", ("answers_satisfied",), ("answered",)),
    Metric("answers dissatisfied", "Answers: dissatisfied", "share", "down", ("answers_dissatisfied",), ("answered",)),
)
WATCHED = Metric("AUT", "Watch time per user", "s", "up", ("watch_s",))
SHOWN = (
    *SHARES,
    WATCHED,
    *(METRICS[key] for key in ("AVT", "P2N", "click_rate", "skip_rate", "like_rate", "hates_per_1000_views")),
)


def users_of(run: Path, world: str, metrics: Sequence[Metric] = SHOWN) -> pd.DataFrame:
    """Totals of the test, one row per user."""
    columns = sorted({column for metric in metrics for column in metric.columns})
    sums = ", ".join(f'sum("{column}")::double as "{column}"' for column in columns)
    rows = "from read_parquet(?) where world = ? and day >= 0 group by user_id order by user_id"
    query = f"select user_id, any_value(bucket) as arm, {sums} {rows}"
    return duckdb.execute(query, [literal((run / "user_days").glob("*.parquet")), world]).df()


def of_two_arms(run: Path, control: str, treatment: str) -> None:
    """The true effect and the buckets' interval."""
    before, after = (users_of(run, f"all:{arm}") for arm in (control, treatment))
    mixed = users_of(run, "mixed")
    if mixed.empty:  # arms that do not learn: a bucket is its users under its arm
        mixed = pd.concat([before[before["arm"] == control], after[after["arm"] == treatment]])
    mixed = mixed[mixed["arm"].isin([control, treatment])]
    for metric, row in zip(SHOWN, simulator.analyse(mixed, SHOWN, control, [treatment]), strict=True):
        true = true_effect(metric.ratio(before), metric.ratio(after))
        said = f"true {true.relative_effect:+.2%} ({true.standard_error:.2%})"
        sys.stdout.write(f"{metric.label}: {said}, buckets {row.ci_low:+.1%} to {row.ci_high:+.1%}\n")


def of_trainings(run: Path, control: dict[int, str], treatment: dict[int, str]) -> None:
    """The true effect of each training, and their mean."""
    pairs = [
        [users_of(run, f"all:{arm}") for arm in (control.get(seed, control[min(control)]), treatment[seed])]
        for seed in treatment
    ]
    for metric in SHOWN:
        true = [true_effect(metric.ratio(before), metric.ratio(after)) for before, after in pairs]
        lifts = [each.relative_effect for each in true]
        said = ", ".join(f"{each.relative_effect:+.2%} ({each.standard_error:.2%})" for each in true)
        mean = f"mean {fmean(lifts):+.2%} ({stdev(lifts) / len(lifts) ** 0.5:.2%})"
        sys.stdout.write(f"{metric.label}: {said}, {mean}\n")


def main(run: Path, control: str, treatment: str) -> None:
    trained = trained_arms(load_spec(str(run / "spec.toml")).arms)
    if len(trained.get(treatment, ())) > 1:
        of_trainings(run, trained[control], trained[treatment])
    else:
        of_two_arms(run, control, treatment)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:4])
