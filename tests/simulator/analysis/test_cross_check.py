"""The second opinion: tea-tasting says the same of the same moments, to rounding."""

import numpy as np
import pytest

from simulator.analysis.cross_check import second_opinion
from simulator.metrics import Ratio
from simulator.reports.report import Report
from simulator.statistics.groups import group_of, metric_moments


def moments(arm: str, metric: str, n: int = 3_000):
    rng = np.random.default_rng([ord(arm), len(metric)])
    views = rng.poisson(rng.lognormal(3, 1, n)).astype(float)
    watch_s = views * rng.lognormal(2, 0.5, n) * (1 if arm == "a" else 1.1)
    below = np.full(n, 7.0) if metric == "AUT" else views
    return metric_moments(Ratio(watch_s, below), None, group_of(np.arange(n)))


def test_a_report_holds_the_agreement(sample_report: Report):
    opinion = sample_report.second_opinion
    assert opinion.engine.startswith("tea-tasting ")
    assert opinion.rows == 13
    assert opinion.effect_difference < 1e-8
    assert opinion.error_difference < 1e-8


def test_every_treatment_and_metric_is_compared():
    opinion = second_opinion(["AUT", "AVT2"], ["a", "b", "c"], moments)
    assert opinion.rows == 4
    assert opinion.error_difference == pytest.approx(0, abs=1e-10)


def test_without_an_interval_there_is_nothing_to_compare():
    still = metric_moments(Ratio(np.ones(9), np.ones(9)), None, group_of(np.arange(9)))
    opinion = second_opinion(["AUT"], ["a", "b"], lambda _arm, _metric: still)
    assert (opinion.rows, opinion.effect_difference) == (0, None)
    assert "nothing to compare" in opinion.reason
