"""What a ranker refuses before it fits or serves, and which packages need the towers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import policies
from policies.checks import check_log, check_tables
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen

LOG = draw_log(make_specimen(4, 12, np.random.default_rng(0)), SyntheticLogPlan(2), np.random.default_rng(1))


def test_a_log_with_views_and_finite_features_passes():
    check_log(LOG)


def test_an_empty_log_is_refused():
    with pytest.raises(ValueError, match="a log of 0 views given"):
        check_log(replace(LOG, feedback=LOG.feedback.take(slice(0, 0))))


@pytest.mark.parametrize("kind", ["users", "videos"])
def test_features_that_are_not_finite_are_refused_by_name(kind):
    table = getattr(LOG, kind)
    features = table.features.copy()
    features[1, 1] = np.inf
    with pytest.raises(ValueError, match=f"{kind[:-1]} feature '{table.names[1]}' holds numbers that are not finite"):
        check_log(replace(LOG, **{kind: replace(table, features=features)}))


@pytest.mark.parametrize("fitted", [(11, 2), (12, 3)])
def test_tables_of_another_size_are_refused(fitted):
    obs = draw_requests(LOG, np.arange(2), 5, 3, np.random.default_rng(2))
    check_tables(obs, 12, 2)
    with pytest.raises(
        ValueError, match="12 videos and 2 user features given, but fitted on {} and {}".format(*fitted)
    ):
        check_tables(obs, *fitted)


@pytest.mark.parametrize("package", ["torch_rankers", "sequential", "bandits"])
def test_rankers_without_towers_do_not_import_them(package):
    modules = (Path(policies.__file__).parent / package).glob("*.py")
    assert not [module.name for module in modules if "policies.two_tower" in module.read_text(encoding="utf-8")]
