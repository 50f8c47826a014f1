import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.analysis.analyse import ReadoutWarning, analyse
from simulator.analysis.decisions import DecisionRules, adjust
from simulator.metrics import METRICS, Metric
from simulator.statistics.groups import GROUPS

MAIN = [METRICS[key] for key in ("AUT", "AVT", "P2N")]
AUT = METRICS["AUT"]
N = 2_000


def population(gain: float = 0.0, n: int = N, seed: int = 2) -> pd.DataFrame:
    """Heavy-tailed users; `gain` multiplies everybody's watch and positives in arm `b`, so it is the true lift."""
    rng = np.random.default_rng(seed)
    rate, taste = rng.lognormal(3, 1, n), rng.lognormal(2, 0.5, n)
    frame = pd.DataFrame({"user_id": np.arange(n), "days": 7, "pre_days": 7})
    for prefix in ("", "pre_"):
        views = rng.poisson(rate)
        frame[f"{prefix}views"] = views
        frame[f"{prefix}watch_s"] = views * taste * rng.lognormal(0, 0.3, n)
        frame[f"{prefix}hates"] = rng.binomial(views, 0.03)
        for name in ("likes", "follows", "comments", "forwards"):
            frame[f"{prefix}{name}"] = rng.binomial(views, 0.03).astype(float)
    return frame.assign(arm="a") if gain == 0 else frame


def split(users: pd.DataFrame, rng: np.random.Generator, gain: float = 0.0) -> pd.DataFrame:
    """Users split at random; arm `b` watches and likes more by `gain`."""
    treated = rng.random(len(users)) < 0.5
    factor = np.where(treated, 1 + gain, 1.0)
    gained = {c: users[c] * factor for c in ("watch_s", "likes", "follows", "comments", "forwards")}
    return users.assign(arm=np.where(treated, "b", "a"), **gained)


def test_a_known_lift_is_covered_once():
    rows = analyse(split(population(), np.random.default_rng(4), 0.3), MAIN, "a", ["b"])
    assert all(row.ci_low <= 0.3 <= row.ci_high for row in rows)


def test_the_adjusted_estimate_stands_beside_plain_and_is_narrower():
    row = analyse(split(population(), np.random.default_rng(4)), [AUT], "a", ["b"])[0]
    assert row.method == "adjusted"
    assert row.ci_high - row.ci_low < 0.8 * (row.plain.ci_high - row.plain.ci_low)


def test_raw_means_are_those_of_the_buckets():
    users = split(population(), np.random.default_rng(4))
    row = analyse(users, [AUT], "a", ["b"])[0]
    assert row.treatment == pytest.approx(users.loc[users["arm"] == "b", "watch_s"].mean() / 7, rel=1e-12)
    lift = row.adjusted_treatment / row.adjusted_control - 1
    assert (row.relative_effect, row.effect) == pytest.approx((lift, row.adjusted_control * lift), rel=1e-9)


def test_a_user_without_events_counts():
    """Intention to treat: one more user who never came lowers AUT and leaves AVT alone."""
    users = population(n=500).assign(arm=lambda f: np.where(f["user_id"] < 250, "a", "b"))
    absent = users.iloc[[-1]].assign(user_id=500, **{c: 0 for c in users.columns if c not in KEPT})
    metrics = MAIN[:2]
    aut, avt = analyse(users, metrics, "a", ["b"])
    aut_more, avt_more = analyse(pd.concat([users, absent]), metrics, "a", ["b"])
    assert aut_more.treatment == pytest.approx(aut.treatment * 250 / 251, rel=1e-12)
    assert avt_more.treatment == avt.treatment


KEPT = ("user_id", "arm", "days", "pre_days")


def test_several_treatments_come_one_after_the_other():
    users = population(n=900).assign(arm=lambda f: np.array(list("abc"))[f["user_id"] % 3])
    rows = analyse(users, MAIN, "b", ["c", "a"])
    assert [(row.arm, row.metric) for row in rows] == [(arm, m.key) for arm in "ca" for m in MAIN]
    assert {row.baseline for row in rows} == {"b"}


def test_no_pre_columns_mean_a_plain_readout():
    users = split(population(), np.random.default_rng(1))
    row = analyse(users[[c for c in users if not c.startswith("pre_")]], [AUT], "a", ["b"])[0]
    assert row.method == "plain"
    assert row.plain.p_value == row.p_value
    assert row.reasons["method"] == "not adjusted: nothing known from before the test"


def test_zero_hates_give_no_ratio_and_a_reason():
    users = split(population(), np.random.default_rng(1)).assign(hates=0)
    p2n, hates = analyse(users, [METRICS["P2N"], METRICS["hates_per_1000_views"]], "a", ["b"])
    assert (p2n.control, p2n.relative_effect, p2n.p_value) == (None, None, None)
    assert p2n.reasons["control"] == "a has a denominator of 0"
    assert (hates.control, hates.p_value) == (0.0, None)


UNASKED = {"day", "segment", "adjusted_p_value", "margin", "guardrail", "sequential_low", "sequential_high"}
"""Fields of rows that have a day, are judged, or come from looks."""


def test_every_missing_number_has_a_reason():
    users = split(population(n=300), np.random.default_rng(1))
    place = {"day", "feature", "segment", "segment_p_adjusted"}
    judged = {"adjusted_p_value", "margin", "guardrail", "sequential_low", "sequential_high"}  # only where asked for
    for changed in (users, users.assign(hates=0), users.assign(views=0, watch_s=0), users.assign(pre_views=0)):
        for row in analyse(changed, list(MAIN), "a", ["b"]):
            missing = {k for k, v in row.model_dump().items() if v is None and k not in place | judged}
            assert {k for k in missing if not k.startswith("true_")} <= set(row.reasons)


def test_few_users_with_a_hate_bring_a_note():
    users = split(population(), np.random.default_rng(1))
    users = users.assign(hates=users["hates"].where(users["user_id"] < 150, 0))
    note = analyse(users, [METRICS["P2N"]], "a", ["b"])[0].reasons["note"]
    assert note.startswith("hates of ")
    assert "equal users; below 100" in note


def test_hates_that_a_few_users_bring_rest_on_few_users_however_many_hate():
    """By Kish: 999 users with one hate and one with 500 weigh as 1,499^2 / 250,999 = 8.95 equal users."""
    users = split(population(), np.random.default_rng(1)).assign(hates=0)
    for arm in ("a", "b"):
        mine = users.index[users["arm"] == arm][:1000]
        users.loc[mine, "hates"] = 1
        users.loc[mine[0], "hates"] = 500
    note = analyse(users, [METRICS["P2N"]], "a", ["b"])[0].reasons["note"]
    assert note == "hates of a are spread as unevenly as over 9 equal users; below 100 the interval may be too narrow"


def test_many_users_with_a_hate_bring_none():
    users = split(population(), np.random.default_rng(1))
    assert "note" not in analyse(users, [METRICS["P2N"]], "a", ["b"])[0].reasons


def wrong_frames() -> dict[str, tuple[pd.DataFrame, str]]:
    users = split(population(n=50), np.random.default_rng(1))
    gap = users.assign(watch_s=users["watch_s"].where(users["user_id"] > 2))
    return {
        "no arm": (users.drop(columns="arm"), "column 'arm' is missing"),
        "no column": (users.drop(columns="watch_s"), "column 'watch_s' is missing; want a total per user"),
        "a gap": (gap, "column 'watch_s' has 3 of 50 values missing or infinite; want 0"),
        "a gap before": (users.assign(pre_watch_s=np.nan), "column 'pre_watch_s' has 50 of 50"),
        "text": (users.assign(watch_s="10"), "column 'watch_s' is of type str, want numbers"),
        "twice": (pd.concat([users, users.iloc[:1]]), "user_id 0 has more than one row; want one per user"),
        "unknown arm": (users.assign(arm=users["arm"] + "rm"), "arm 'a' has no users; did you mean"),
    }


def in_two_arms(n):
    """400 users of whom `n` have a row under each arm."""
    users = split(population(n=400), np.random.default_rng(1))
    again = users.iloc[:n].assign(arm=users["arm"].iloc[:n].map({"a": "b", "b": "a"}))
    return users, pd.concat([users, again])


def test_a_few_users_in_two_arms_are_left_out_with_a_warning():
    users, crossed = in_two_arms(3)
    with pytest.warns(UserWarning, match=r"3 users \(0\.75%\) have rows under more than one arm; they are left out"):
        rows = analyse(crossed, [AUT], "a", ["b"])
    assert rows == analyse(users.iloc[3:], [AUT], "a", ["b"])


def test_many_users_in_two_arms_are_refused():
    with pytest.raises(ValueError, match=r"4 users \(1\.00%\) have rows under more than one arm, want under 1%"):
        analyse(in_two_arms(4)[1], [AUT], "a", ["b"])


@pytest.mark.parametrize("fault", wrong_frames())
def test_a_wrong_frame_is_refused_in_one_line(fault: str):
    users, message = wrong_frames()[fault]
    with pytest.raises(ValueError, match=message) as refusal:
        analyse(users, [AUT], "a", ["b"])
    assert "\n" not in str(refusal.value)


def test_an_arm_is_not_compared_with_itself():
    with pytest.raises(ValueError, match="'a' is both control and treatment"):
        analyse(split(population(n=50), np.random.default_rng(1)), [AUT], "a", ["a"])


def test_a_sparse_answer_is_analysed_as_sum_and_count():
    """The trap of gaps: Welch on the answered and the ratio of sums agree."""
    rng = np.random.default_rng(8)
    n = 50_000
    answered = rng.random(n) < 0.02
    score, arm = np.where(answered, rng.normal(3, 1, n), 0), np.where(rng.random(n) < 0.5, "a", "b")
    users = pd.DataFrame({"user_id": np.arange(n), "arm": arm, "score": score, "answers": answered.astype(int)})
    metric = Metric("score", "Score", "points", "up", ("score",), ("answers",))
    row = analyse(users, [metric], "a", ["b"])[0]
    known = stats.ttest_ind(*(score[answered & (arm == k)] for k in "ab"), equal_var=False)
    assert row.p_value == pytest.approx(known.pvalue, abs=2e-3)


def one_column(values: np.ndarray, arm: np.ndarray, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"user_id": np.arange(len(arm)), "arm": arm, "profit": values, **columns})


PROFIT = Metric("profit", "Profit", "$/user", "up", ("profit",))


def losses(gain: float, n: int = 4_000, middle: float = -10.0) -> pd.DataFrame:
    """A metric around `middle`; arm `b` has `gain` more of its size."""
    arm = np.array(["a", "b"])[np.arange(n) % 2]
    noise = np.random.default_rng(3).normal(0, 2, n)
    return one_column(middle + noise + abs(middle) * gain * (arm == "b"), arm)


@pytest.mark.parametrize(("gain", "verdict"), [(0.3, "passed"), (-0.3, "failed")])
@pytest.mark.parametrize("better", ["up", "down"])
def test_a_lift_of_a_metric_below_zero_is_over_its_size(gain, verdict, better):
    metric = Metric("profit", "Profit", "$/user", better, ("profit",))
    (row,) = analyse(
        losses(gain if better == "up" else -gain), [metric], "a", ["b"], DecisionRules("none", {"profit": 0.02})
    )
    assert row.relative_effect == pytest.approx(row.effect / abs(row.control), rel=1e-9)
    assert row.ci_low < row.relative_effect < row.ci_high
    assert row.ci_low <= (gain if better == "up" else -gain) <= row.ci_high
    assert row.guardrail == verdict


def test_a_metric_below_zero_reads_as_its_negative_above():
    (below,) = analyse(losses(-0.1), [PROFIT], "a", ["b"])
    (above,) = analyse(losses(-0.1).assign(profit=lambda f: -f["profit"]), [PROFIT], "a", ["b"])
    assert (below.relative_effect, below.ci_low, below.ci_high, below.p_value) == pytest.approx(
        (-above.relative_effect, -above.ci_high, -above.ci_low, above.p_value), rel=1e-12
    )


@pytest.mark.parametrize(("effect", "verdict"), [(-4.0, "failed"), (4.0, "passed"), (0.0, "unclear")])
@pytest.mark.parametrize("middle", [0.0, 1.0])
def test_a_guardrail_without_a_lift_is_judged_by_the_difference(effect, verdict, middle):
    """Control is near 0, or treatment has another sign."""
    users = losses(0.0, middle=0.0)
    users["profit"] += middle + (effect - middle * (effect < 0)) * (users["arm"] == "b")
    if middle and effect >= 0:
        return
    (row,) = analyse(users, [PROFIT], "a", ["b"], DecisionRules("none", {"profit": 0.02}))
    assert (row.relative_effect, row.guardrail) == (None, verdict)


def test_a_small_arm_has_its_p_value_on_the_scale_of_its_interval():
    """991 users against 9: the difference by itself would be told at p < .001."""
    arm = np.where(np.arange(1_000) < 991, "a", "b")
    values = np.where(arm == "a", np.random.default_rng(0).normal(1, 0.1, 1_000), 0.0)
    values[-1] = 1.0
    (row,) = analyse(one_column(values, arm), [PROFIT], "a", ["b"], shares={"a": 991, "b": 9})
    assert stats.ttest_ind(values[991:], values[:991], equal_var=False).pvalue < 0.001
    assert row.ci_low <= 0 <= row.ci_high
    assert row.p_value > 0.05


@given(st.integers(2, 60), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_a_p_value_is_below_5_percent_where_the_interval_leaves_out_0(n_a, n_b, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.lognormal(0, 1.5, n_a + n_b) * np.where(np.arange(n_a + n_b) < n_a, 1, rng.lognormal(0, 1))
    frame = one_column(sizes, np.where(np.arange(n_a + n_b) < n_a, "a", "b"))
    (row,) = analyse(frame, [PROFIT], "a", ["b"], shares={"a": n_a, "b": n_b})
    for estimate in (row, row.plain):
        if estimate.ci_low is not None:
            assert (estimate.p_value < 0.05) == (not estimate.ci_low <= 0 <= estimate.ci_high)


def test_metrics_and_treatments_may_come_one_by_one():
    users = population(n=900).assign(arm=lambda f: np.array(list("abc"))[f["user_id"] % 3])
    want = analyse(users, MAIN, "a", ["b", "c"])
    assert analyse(users, (m for m in MAIN), "a", (arm for arm in "bc")) == want
    assert analyse(users, ["AUT", METRICS["AVT"], "P2N"], "a", ["b", "c"]) == want
    assert analyse(users, {m.key: m for m in MAIN}, "a", ["b", "c"]) == want
    assert analyse(users, AUT, "a", ["b", "c"]) == analyse(users, "AUT", "a", ["b", "c"]) == [want[0], want[3]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ()}, "metrics: none given, want one at least"),
        ({"metrics": ["AUTT"]}, "metrics: 'AUTT' given, want a Metric or a key of METRICS; did you mean 'AUT'?"),
        ({"metrics": ["AUT", AUT]}, "metrics: 'AUT' is given twice, want each once"),
        ({"treatments": "treatment"}, r"treatments: 'treatment' given, want a list of arms: \['treatment'\]"),
        ({"treatments": "b"}, r"treatments: 'b' given, want a list of arms: \['b'\]"),
        ({"treatments": ()}, "treatments: none given"),
        ({"treatments": ["b", "b"]}, "treatments: 'b' is given twice"),
        ({"judging": DecisionRules("none", {"LT7": 0.01})}, "guardrail 'LT7' given, want one of .* compared: AUT"),
        ({"judging": DecisionRules("holm", family=("AUT", "P2N"))}, "family 'P2N' given, want one of"),
        ({"confidence": 95}, "confidence: 95 given, want a share between 0 and 1"),
        ({"shares": {"a": 1}}, "shares: None given for arm 'b', want the planned share of each arm"),
        ({"shares": {"a": 1, "b": 0}}, "shares: 0 given for arm 'b'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(arguments, message):
    users = split(population(n=50), np.random.default_rng(1))
    with pytest.raises(ValueError, match=message) as refusal:
        analyse(**{"users": users, "metrics": [AUT], "control": "a", "treatments": ["b"], **arguments})
    assert "\n" not in str(refusal.value)


def test_holm_is_over_the_metrics_that_are_given():
    users = split(population(), np.random.default_rng(4)).assign(other=lambda f: f["views"] + 1)
    own = [Metric(key, key, "x", "up", (key,)) for key in ("views", "other")]
    rows = analyse(users, own, "a", ["b"], DecisionRules("holm"))
    assert [row.adjusted_p_value for row in rows] == adjust([row.p_value for row in rows], "holm")
    first, second = analyse(users, own, "a", ["b"], DecisionRules("holm", family=("views",)))
    assert (first.adjusted_p_value, second.adjusted_p_value) == (first.p_value, None)


def test_an_uneven_split_is_a_warning_unless_it_was_planned():
    users = population(n=1_000).assign(arm=lambda f: np.where(f["user_id"] < 600, "a", "b"))
    with pytest.warns(ReadoutWarning, match=r"sample ratio mismatch .*: a 600 of 500 planned, b 400 of 500 planned"):
        analyse(users, [AUT], "a", ["b"])
    assert analyse(users, [AUT], "a", ["b"], shares={"a": 0.6, "b": 0.4, "c": 9})


def test_a_difference_before_the_test_is_a_warning():
    users = split(population(), np.random.default_rng(4))
    users["pre_watch_s"] *= np.where(users["arm"] == "b", 1.6, 1.0)
    with pytest.warns(ReadoutWarning, match=r"b/AUT differed from control before the test \(p = "):
        analyse(users, [AUT], "a", ["b"])


def test_the_column_that_keeps_adjustment_away_is_named():
    users = split(population(), np.random.default_rng(1)).drop(columns="pre_days")
    (row,) = analyse(users, [AUT], "a", ["b"])
    assert row.reasons["method"] == "not adjusted: column 'pre_days' is missing"


def test_confidence_is_that_of_all_intervals():
    users = split(population(), np.random.default_rng(4))
    (wide,), (narrow,) = (analyse(users, [AUT], "a", ["b"], confidence=c) for c in (0.95, 0.5))
    for low, high in (("ci_low", "ci_high"), ("effect_low", "effect_high")):
        assert getattr(wide, low) < getattr(narrow, low) < getattr(narrow, high) < getattr(wide, high)
    half = [math.log((1 + row.ci_high) / (1 + row.ci_low)) for row in (narrow, wide)]
    freedom = 2 * (GROUPS - 1)
    assert half[0] / half[1] == pytest.approx(stats.t.isf(0.25, freedom) / stats.t.isf(0.025, freedom), rel=1e-3)


def test_more_covariates_narrow_the_interval_by_what_they_explain():
    """A covariate explains half of what the metric's own past leaves: the interval is narrower by a root of 2."""
    rng, n = np.random.default_rng(8), 20_000
    own, other = rng.normal(10, 1, n), rng.normal(0, 1, n)
    users = one_column(own + other + rng.normal(0, 1, n), np.where(rng.random(n) < 0.5, "a", "b"))
    users = users.assign(pre_profit=own, pre_other=other)
    (few,), (more,) = (analyse(users, [PROFIT], "a", ["b"], covariates=names) for names in ((), ("pre_other",)))
    assert more.log_standard_error / few.log_standard_error == pytest.approx(0.5**0.5, rel=0.15)
    assert more.plain == few.plain


@pytest.mark.parametrize(("names", "message"), [(["age"], "covariate 'age' is missing"), (["x", "x"], "given twice")])
def test_covariates_that_are_not_there_or_there_twice_are_refused(names, message):
    users = one_column(np.arange(40.0), np.where(np.arange(40) % 2, "a", "b")).assign(x=1.0)
    with pytest.raises(ValueError, match=message):
        analyse(users, [PROFIT], "a", ["b"], covariates=names)


def test_a_capped_metric_is_another_quantity_and_has_a_cap_above_0():
    values = np.array([1.0, 2.0, 3.0, 1_000.0] * 50)
    users = one_column(values, np.where(np.arange(200) < 100, "a", "b"))
    capped = Metric("profit", "Profit, capped at 10", "$/user", "up", ("profit",), cap=10.0)
    (row,) = analyse(users, [capped], "a", ["b"])
    assert row.control == pytest.approx(4.0)
    with pytest.raises(ValueError, match=r"cap = -1\.0 given, want a number above 0"):
        Metric("profit", "Profit", "$/user", "up", ("profit",), cap=-1.0)
