"""Effects on the satisfied share: Welch on the answered, robust when either model is right, and the truth beside."""

import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats

from simulator.analysis.answer_calibration import answered_by_satisfaction, calibration, read_bins
from simulator.analysis.questionnaire import (
    answer_spread,
    bound_rows,
    effect_rows,
    rate_rows,
    rate_warnings,
    share,
    sides,
)
from simulator.analysis.summarise import summarise
from simulator.errors import RunFolderError
from simulator.reports.report import Report
from simulator.rollout.answer_bins import AskedViews, bin_table


def views(rng, n, slope=2.0):
    """Asked views, half with a visible covariate that raises answering by `slope`, and satisfaction from 40% to 70%."""
    seen = rng.random(n) < 0.5
    chance = np.where(seen, 0.1 * slope, 0.1)
    pleased = rng.random(n) < 0.4 + 0.3 * seen
    return pd.DataFrame({"seen": seen, "chance": chance, "pleased": pleased, "answered": rng.random(n) < chance})


def sums(rows, chance, expected):
    """One user per view, with the sums that user-days hold, from given models."""
    said = rows["answered"] & rows["pleased"]
    return pd.DataFrame(
        {
            "user_id": np.arange(len(rows)),
            "asked": 1,
            "answered": rows["answered"].astype(int),
            "answers_satisfied": said.astype(int),
            "answer_weight": rows["answered"] / chance,
            "answer_weight_satisfied": said / chance,
            "answer_expected": expected,
            "answer_weight_expected": rows["answered"] / chance * expected,
        }
    )


def same(rows, value):
    return pd.Series(value, rows.index)


def robust_error(spread):
    """Standard error of the doubly robust share where every user was asked once."""
    return np.sqrt(sides(spread, "doubly_robust").whole.covariance[0, 0] / spread.n.sum())


@pytest.mark.parametrize(("good_chance", "good_outcome"), [(True, False), (False, True), (True, True)])
def test_doubly_robust_is_right_when_either_model_is(good_chance, good_outcome):
    """The truth is 55%, the answers say 60%; within 3.29 standard errors."""
    rows = views(np.random.default_rng(1), 200_000)
    chance = rows["chance"] if good_chance else same(rows, 0.15)
    expected = 0.4 + 0.3 * rows["seen"] if good_outcome else same(rows, 0.2)
    spread = answer_spread(sums(rows, chance, expected))
    assert abs(share(spread.total.sum(axis=0), "doubly_robust") - 0.55) <= 3.29 * robust_error(spread)
    assert share(spread.total.sum(axis=0), "naive") - 0.55 > 3.29 * np.sqrt(0.25 / rows["answered"].sum())


def test_both_models_wrong_leave_a_bias():
    rows = views(np.random.default_rng(1), 200_000)
    spread = answer_spread(sums(rows, same(rows, 0.15), same(rows, 0.2)))
    assert share(spread.total.sum(axis=0), "doubly_robust") - 0.55 > 3.29 * robust_error(spread)


def test_users_who_tire_alike_leave_the_doubly_robust_share_right():
    """Everybody answers half as often as the weights hold them to, and what is expected is wrong."""
    rows = views(np.random.default_rng(2), 200_000)
    spread = answer_spread(sums(rows, 2 * rows["chance"], same(rows, 0.2)))
    assert abs(share(spread.total.sum(axis=0), "doubly_robust") - 0.55) <= 3.29 * robust_error(spread)


def test_the_doubly_robust_error_is_that_of_many_samples():
    """The standard deviation over 1,000 samples is known to 1 in sqrt(2,000); within 3.29 of that."""
    rng, found, errors = np.random.default_rng(8), [], []
    for _ in range(1_000):
        rows = views(rng, 2_000)
        spread = answer_spread(sums(rows, 2 * rows["chance"], 0.9 - 0.8 * rows["seen"]))
        found.append(share(spread.total.sum(axis=0), "doubly_robust"))
        errors.append(robust_error(spread))
    assert np.std(found) / np.mean(errors) == pytest.approx(1, abs=3.29 / np.sqrt(2_000))


def test_a_sparse_questionnaire_is_welchs_test_on_the_answered():
    """50,000 users, 2% asked, all of whom answer: users without an answer are no zeros and no gaps.

    The jackknife over 100 groups an arm knows the error to 1 in sqrt(2 * 198), here within 3.29 times that.
    """
    rng, n = np.random.default_rng(3), 50_000
    arm, asked = rng.integers(0, 2, n), rng.random(n) < 0.02
    pleased = rng.random(n) < 0.6
    rows = pd.DataFrame({"seen": False, "chance": 1.0, "pleased": pleased, "answered": asked})
    users = sums(rows, 1.0, same(rows, 0.0)).assign(asked=asked.astype(int))
    spreads = {name: answer_spread(users[arm == i]) for i, name in enumerate("ab")}
    naive = effect_rows(["a", "b"], spreads.__getitem__, None)[0]
    welch = stats.ttest_ind(pleased[asked & (arm == 1)], pleased[asked & (arm == 0)], equal_var=False)
    ends = welch.confidence_interval()
    assert naive.effect == pytest.approx((ends.low + ends.high) / 2, abs=1e-9)
    assert naive.high - naive.low == pytest.approx(ends.high - ends.low, rel=3.29 / np.sqrt(2 * 198))


def test_a_user_with_many_answers_counts_once():
    """Users who say one thing ten times: the interval is as wide as if they had said it once."""
    n = 2_000
    rows = views(np.random.default_rng(4), n).assign(answered=True)
    once = sums(rows, 1.0, same(rows, 0.0))
    widths = []
    for users in (once, (10 * once).assign(user_id=once["user_id"])):
        spreads = {"a": answer_spread(users[: n // 2]), "b": answer_spread(users[n // 2 :])}
        row = effect_rows(["a", "b"], spreads.__getitem__, None)[0]
        widths.append(row.high - row.low)
    assert widths[1] == pytest.approx(widths[0], rel=1e-9)


def spreads_of(slopes):
    rng = np.random.default_rng(5)
    arms = {name: views(rng, 20_000, slope) for name, slope in zip("ab", slopes, strict=True)}
    return {name: answer_spread(sums(r, r["chance"], 0.4 + 0.3 * r["seen"])) for name, r in arms.items()}


def test_arms_that_answer_differently_are_told_and_bounded():
    spreads = spreads_of((2.0, 6.0))
    rates = rate_rows(["a", "b"], spreads.__getitem__)
    assert rates[0].differs
    assert "compare satisfied shares by their bounds" in rate_warnings(rates)[0]
    bounds = bound_rows(["a", "b"], spreads.__getitem__)[0]
    assert bounds.trimmed == pytest.approx(1 - 0.15 / 0.35, abs=0.02)
    assert bounds.low < bounds.lower < 0 < bounds.upper < bounds.high


def test_equal_answering_brings_no_warning():
    assert rate_warnings(rate_rows(["a", "b"], spreads_of((2.0, 2.0)).__getitem__)) == []


def test_nobody_answering_has_reasons():
    rows = views(np.random.default_rng(7), 100).assign(answered=False)
    spread = answer_spread(sums(rows, rows["chance"], rows["seen"] * 0.3))
    found = effect_rows(["a", "b"], lambda _: spread, None)
    assert found[0].effect is None
    assert "denominator of 0" in found[0].reasons["effect"]
    assert bound_rows(["a", "b"], lambda _: spread)[0].reasons == {"lower": "an arm has no answers"}
    assert share(spread.total.sum(axis=0), "naive") is None


def test_the_report_has_every_effect_beside_its_truth(sample_report: Report):
    """In the sample the same share would be said under both arms: the true effect is nothing."""
    answering = sample_report.answering
    assert [row.estimator for row in answering.effects] == ["naive", "weighted", "doubly_robust"]
    for row in answering.effects:
        assert row.true_effect == 0.0
        assert row.true_control == pytest.approx(0.55)
        assert row.low <= row.effect <= row.high
    assert (len(answering.rates), len(answering.bounds)) == (1, 1)


def test_without_truth_effects_say_why(sample_run: ModuleType, tmp_path: Path):
    plan = sample_run.SamplePlan(mixed=True, truth=False)
    report = summarise(sample_run.write_sample_run(tmp_path / "run", plan))
    assert {row.true_effect for row in report.answering.effects} == {None}
    assert "truth = true" in report.answering.effects[0].reasons["true_effect"]


def asked_views(rng, n):
    satisfaction = rng.normal(0, 1, n).astype(np.float32)
    true = (1 / (1 + np.exp(-satisfaction))).astype(np.float32)
    estimated = np.clip(true.astype(np.float64) + rng.normal(0, 0.05, n), 0.01, 0.99)
    return AskedViews(satisfaction, estimated, true, rng.random(n) < true)


@pytest.fixture
def asked_folder(tmp_path: Path) -> Path:
    """Two days of 20,000 questionnaires under one arm, in two files."""
    rng = np.random.default_rng(8)
    (tmp_path / "answering").mkdir()
    for day in (0, 1):
        parts = [asked_views(rng, 8_000), asked_views(rng, 12_000)]
        pq.write_table(bin_table(parts, "all:base", day), tmp_path / "answering" / f"world0-{day}.parquet")
    return tmp_path


def test_the_pleased_answer_more_in_every_tenth(asked_folder: Path):
    rows = answered_by_satisfaction(read_bins(asked_folder))
    assert [row.decile for row in rows] == list(range(1, 11))
    assert {row.arm for row in rows} == {"base"}
    assert sum(row.asked for row in rows) == 40_000
    assert all(abs(row.asked - 4_000) < 900 for row in rows)
    rates = [row.rate for row in rows]
    assert rates == sorted(rates)
    assert rates[9] - rates[0] > 0.5


def test_answers_of_a_folder_named_like_a_pattern_are_its_own(
    asked_folder: Path, tmp_path_factory: pytest.TempPathFactory
):
    root = tmp_path_factory.mktemp("patterns")
    for name in ("run1", "run[1]"):
        shutil.copytree(asked_folder, root / name)
    (root / "run1" / "answering" / "world0-1.parquet").unlink()
    assert sum(row.asked for row in answered_by_satisfaction(read_bins(root / "run[1]"))) == 40_000


def test_estimates_stand_beside_the_truth(asked_folder: Path):
    rows = calibration(read_bins(asked_folder))
    assert sum(row.asked for row in rows) == 40_000
    for row in rows:
        assert row.answered == pytest.approx(row.true, abs=3.29 * 0.5 / np.sqrt(row.asked))
        assert abs(row.estimated - row.true) < 0.06


def test_counts_do_not_depend_on_how_views_are_divided():
    whole = asked_views(np.random.default_rng(9), 5_000)
    cuts = (slice(900), slice(900, None))
    halves = [AskedViews(*(getattr(whole, name)[cut] for name in vars(whole))) for cut in cuts]
    assert bin_table(halves, "mixed", 0).equals(bin_table([whole], "mixed", 0))


def test_a_run_without_questionnaires_has_empty_tables(tmp_path: Path):
    assert answered_by_satisfaction(read_bins(tmp_path)) == []
    assert calibration(read_bins(tmp_path)) == []


def test_a_damaged_table_is_refused(asked_folder: Path):
    (asked_folder / "answering" / "world0-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunFolderError, match="answering: cannot be read"):
        read_bins(asked_folder)
