import math

import numpy as np
import pandas as pd
import pytest

from simulator.metrics import DAY_TOTALS, MAIN, METRICS, Metric, day_metrics, scorecard_metrics
from simulator.runs.user_day_reader import TOTALS

every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)

USERS = pd.DataFrame(
    {name: [1.0, 0.0, 3.0] for name in TOTALS}
    | {"days": [7, 7, 7], "active_days": [5, 0, 4], "watch_s": [70.0, 0.0, 140.0], "views": [10, 0, 20]}
    | {"likes": [2, 0, 1], "follows": [1, 0, 0], "comments": [0, 0, 1], "forwards": [0, 0, 1], "hates": [1, 0, 2]}
    | {f"pre_{name}": [2.0, 2.0, 2.0] for name in TOTALS}
)


@every_metric
def test_a_metric_reads_columns_that_every_frame_has(metric: Metric):
    assert set(metric.columns) <= set(TOTALS)


@every_metric
def test_labels_fit_the_terminal(metric: Metric):
    assert len(metric.label) <= 25


def test_main_and_daily_metrics_exist():
    assert {*MAIN, *DAY_TOTALS} <= set(METRICS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("AUT", 210 / 21),
        ("AVT", 7.0),
        ("P2N", 2.0),
        ("LT7", 3.0),
        ("active_share", 9 / 21),
        ("views", 30 / 21),
        ("hates_per_1000_views", 100.0),
    ],
)
def test_values_worked_by_hand(key: str, value: float):
    assert METRICS[key].ratio(USERS).value == pytest.approx(value, rel=1e-12)


def test_a_ratio_without_denominator_has_no_value():
    assert METRICS["P2N"].ratio(USERS.assign(hates=0)).value is None


def test_a_prefix_chooses_another_period():
    assert METRICS["AVT"].ratio(USERS, "pre_").value == 1.0


def test_a_metric_per_user_counts_those_who_never_came():
    ratio = METRICS["LT7"].ratio(USERS)
    np.testing.assert_array_equal(ratio.denominator, [1, 1, 1])


def test_lt7_says_how_many_days_it_counts():
    labels = {metric.key: metric.label for metric in scorecard_metrics(14)}
    assert labels["LT7"] == "LT7, active days of 14"
    assert "active_share" not in labels


def test_on_one_day_the_active_share_stands_for_lt7():
    keys = [metric.key for metric in day_metrics()]
    assert "LT7" not in keys
    assert "active_share" in keys


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("numerator", "y", r"numerator 'y' given, want a tuple of columns, as in \(\"y\",\)"),
        ("numerator", (), "numerator"),
        ("numerator", (1,), "numerator"),
        ("denominator", "y", "denominator 'y' given"),
        ("denominator", ["y"], "denominator"),
        ("better", "higher", "better = 'higher' given, want one of up, down, neither"),
        ("scale", math.nan, "scale = nan given, want a number that is not 0"),
        ("scale", 0.0, "scale = 0.0 given"),
    ],
)
def test_a_wrong_metric_is_refused_where_it_is_made(field, value, message):
    metric = Metric("m", "M", "x", "up", ("y",))
    object.__setattr__(metric, field, value)  # the tests' shape checks would stop it before
    with pytest.raises(ValueError, match=f"metric 'm': {message}"):
        metric.__post_init__()
