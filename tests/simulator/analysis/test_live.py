"""A live test from a file says what `analyse` says of the same frame, and refuses what it cannot read in one line."""

import numpy as np
import pandas as pd
import pytest

from simulator.analysis.analyse import analyse
from simulator.analysis.decisions import DecisionRules
from simulator.analysis.live import LiveTest, live_report, metric_of, read_table


@pytest.fixture(scope="module")
def users() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    before = rng.lognormal(2, 1, 1_000)
    arm = rng.integers(0, 2, 1_000)
    return pd.DataFrame(
        {
            "member": [f"m{i}" for i in range(1_000)],
            "variant": arm,
            "watch_s": before * rng.lognormal(0, 0.3, 1_000) * (1 + 0.2 * arm),
            "pre_watch_s": before,
            "days": 7,
            "pre_days": 7,
        }
    )


def of(control="0", metrics=("AUT=watch_s/days",), **how) -> LiveTest:
    return LiveTest("variant", "member", control, (), metrics, **how)


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_a_file_says_what_the_frame_says(users, tmp_path, kind):
    path = tmp_path / f"users[1].{kind}"
    if kind == "parquet":
        users.to_parquet(path)
    else:
        users.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    report = live_report("live", read_table(path), of(rules=DecisionRules("holm")))
    frame = users.rename(columns={"member": "user_id", "variant": "arm"})
    (row,) = analyse(frame, metric_of("AUT=watch_s/days"), 0, [1], DecisionRules("holm"))
    assert report.metrics == [row]
    assert (report.users, [arm.name for arm in report.arms]) == (1_000, ["0", "1"])
    assert row.method == "adjusted"


def test_warnings_and_shares_are_in_the_health(users):
    some = users[(users["variant"] == 0) | (users.index % 3 == 0)]
    assert live_report("live", some, of()).health.warnings
    planned = live_report("live", some, of(shares={"0": 3.0, "1": 1.0})).health
    assert planned.users_planned["0"] == pytest.approx(0.75 * len(some))
    assert planned.warnings == []


def test_users_without_an_arm_are_counted(users):
    gaps = users.assign(variant=users["variant"].astype(float).astype("Int64").mask(users.index < 5))
    (warning,) = live_report("live", gaps, of()).health.warnings
    assert warning.startswith("5 of 1000 users have no arm")


@pytest.mark.parametrize(
    ("text", "numerator", "denominator", "better"),
    [
        ("AUT=watch_s/days", ("watch_s",), ("days",), "up"),
        ("x = a + b", ("a", "b"), None, "up"),
        ("x=a/b+c:neither", ("a",), ("b", "c"), "neither"),
        ("AVT", ("watch_s",), ("views",), "up"),
    ],
)
def test_metrics_are_read_from_text(text, numerator, denominator, better):
    metric = metric_of(text)
    assert (metric.numerator, metric.denominator, metric.better) == (numerator, denominator, better)


@pytest.mark.parametrize("text", ["", "x", "x=", "=a", "x=a/b/c", "x=a+", "x=a:", "x=a:best"])
def test_what_is_no_metric_is_refused(text):
    with pytest.raises(ValueError, match=r"^metric .* given") as refusal:
        metric_of(text)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("users.xlsx", b"x", "want a file that ends in"),
        ("users.csv", None, "no such file"),
        ("users.csv", b'"', "cannot be read"),
        ("users.parquet", b"PAR1", "cannot be read"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as refusal:
        read_table(path)
    assert "\n" not in str(refusal.value)


def test_a_missing_column_names_the_option(users):
    with pytest.raises(ValueError, match=r"column 'arm' is missing; give another with --arm: member, variant"):
        live_report("live", users, LiveTest("arm", "member", "0", (), ("AVT",)))
