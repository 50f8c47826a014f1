"""Targets come from the log; what it lacks comes from the prior, and the world's card says so."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from user_models.data.log import open_log
from user_models.fit import fit_world, fitting
from user_models.fit.log_targets import targets_of
from user_models.fit.matching.random_exposure import draw_crowd, figures
from user_models.fit.prediction import lightgbm_baseline
from user_models.fit.prediction.predictor import PredictorPlan
from user_models.fit.prediction.training import TrainingSettings
from user_models.fit.rows.log_rows import read_rows
from user_models.fit.watch_model.training import WatchModelSchedule
from user_models.targets import KUAIRAND
from user_models.world.store import load_world, save_world

_COURSE = TrainingSettings(epochs=1, batch=512, rate=0.003, decay=0.1, dropout=0.1)
QUICK = (WatchModelSchedule(epochs=3, batch=256), PredictorPlan(_COURSE, _COURSE, networks=1))
MAPPING = """
attribution = "Made up."
[log]
files = ["log.csv"]
[log.columns]
user = "user"
item = "item"
time = "time"
watch_s = "watch"
duration_s = "length"
click = "click"
like = "like"
"""
N_ROWS = 12_000


def views(share=1.0):
    """Made-up views of 80 users on six days, of which a share of the clicks is kept; the others end after 2 s."""
    rng = np.random.default_rng(1)
    user, item = rng.integers(0, 80, N_ROWS), rng.integers(0, 60, N_ROWS)
    length = 8.0 + 4 * item
    watch = np.minimum(rng.exponential(14.0, N_ROWS) * np.exp(0.3 * rng.normal(size=80)[user]), 1.4 * length)
    watch = np.where((watch >= 7) & (rng.random(N_ROWS) >= share), 2.0, watch)
    time = 1_700_000_000 + np.sort(rng.integers(0, 6 * 86_400, N_ROWS))
    like = rng.random(N_ROWS) < 0.02
    columns = {"user": user, "item": item, "time": time, "watch": watch.round(3), "length": length}
    return pd.DataFrame({**columns, "click": (watch >= 7).astype(int), "like": like.astype(int)})


def write(folder, table, mapping=MAPPING):
    """A log and its mapping."""
    folder.mkdir()
    table.to_csv(folder / "log.csv", index=False)
    (folder / "my.toml").write_text(mapping)
    return folder / "my.toml"


def targets(path):
    """Targets of a log."""
    data = open_log(path)
    return targets_of(data, read_rows(data).rows, data.users())


def test_levels_are_those_of_the_log_and_half_the_clicks_halve_them(tmp_path):
    whole, half = views(), views(0.5)
    one, other = targets(write(tmp_path / "whole", whole)), targets(write(tmp_path / "half", half))
    assert one.base.click == pytest.approx(whole["click"].mean())
    assert one.base.like == pytest.approx(whole["like"].mean())
    assert one.base.watch_s == pytest.approx(whole["watch"].mean(), rel=1e-5)
    assert other.base.click / one.base.click == pytest.approx(0.5, abs=0.03)
    assert np.mean(other.base_click_by_hour) / np.mean(one.base_click_by_hour) == pytest.approx(0.5, abs=0.03)
    for found, whole_rate in zip(other.base_by_duration.click[1:], one.base_by_duration.click[1:], strict=True):
        assert found / whole_rate == pytest.approx(0.5, abs=0.05)


def test_without_random_exposures_the_gap_is_the_priors(tmp_path):
    found = targets(write(tmp_path / "log", views()))
    gap = logit(KUAIRAND.random.click) - logit(KUAIRAND.base.click)
    assert logit(found.random.click) - logit(found.base.click) == pytest.approx(gap)
    assert "prior: KuaiRand's gap" in found.sources["random"]
    assert 7 * found.random.click < found.random.watch_s < found.base.watch_s


def test_random_exposures_set_their_own_rates(tmp_path):
    table = views().assign(random=np.arange(N_ROWS) % 2)
    found = targets(write(tmp_path / "log", table, MAPPING + 'is_random = "random"\n'))
    assert found.random.click == pytest.approx(table[table["random"] == 1]["click"].mean())
    assert found.base.click == pytest.approx(table[table["random"] == 0]["click"].mean())
    assert found.sources["random"] == "log: 6,000 random exposures"


def test_an_action_that_is_not_logged_has_the_priors_rates_and_is_named(tmp_path):
    found = targets(write(tmp_path / "log", views()))
    assert found.base.hate == KUAIRAND.base.hate
    assert found.random.hate == KUAIRAND.random.hate
    assert found.sources["base.hate"] == "prior: KuaiRand; not in the log"
    assert "base.like" not in found.sources


def test_visits_are_counted_in_a_complete_log_alone(tmp_path):
    table = pd.DataFrame({"user": [1, 1, 1, 1, 2], "item": [1, 2, 1, 2, 1], "watch": 5.0, "length": 9.0})
    table = table.assign(time=1_700_000_000 + np.array([0, 60, 7_200, 86_400, 86_400]), click=0, like=0)
    found = targets(write(tmp_path / "log", table))
    assert found.sessions_per_day == pytest.approx((3 + 1) / 2 / 2)
    assert found.views_per_day == pytest.approx(5 / 2 / 2)
    assert found.return_gap[0] > KUAIRAND.return_gap[0]
    partial_log = targets(write(tmp_path / "part", table, "complete = false\n" + MAPPING))
    assert partial_log.sessions_per_day == KUAIRAND.sessions_per_day
    assert partial_log.sources["sessions_per_day"] == "prior: KuaiRand"


def test_answers_of_the_log_set_the_share_of_negative_ones(tmp_path):
    table = views().assign(answer=np.where(np.arange(N_ROWS) % 10 == 0, np.where(np.arange(N_ROWS) % 40 == 0, 1, 3), 0))
    found = targets(write(tmp_path / "log", table, MAPPING + 'answer = "answer"\n'))
    assert found.negative_answers == pytest.approx(0.25)
    assert found.sources["negative_answers"] == "log"


def test_kuairand_keeps_its_published_totals(small_folder):
    assert targets(small_folder) == KUAIRAND


@pytest.fixture
def quick(monkeypatch):
    """Fits without the reference and the stand-in ranker."""
    monkeypatch.setattr(lightgbm_baseline, "find_spec", lambda _: None)
    monkeypatch.setattr(fitting, "tune_strengths", lambda world, selector: world)


def test_a_log_with_half_the_clicks_gives_a_world_with_half_the_clicks(tmp_path, quick):
    """Of random exposures, which half of the rows are."""
    clicks = []
    for share in (1.0, 0.5):
        table = views(share).assign(random=np.arange(N_ROWS) % 2)
        path = write(tmp_path / f"log-{share}", table, MAPPING + 'is_random = "random"\n')
        world = fit_world(open_log(path), "own", 0, *QUICK).world
        clicks.append(figures(world, draw_crowd(world, 4_000, 5, seed=3))["click"])
    assert clicks[1] / clicks[0] == pytest.approx(0.5, abs=0.05)


def test_the_card_names_what_was_lacking_and_the_world_keeps_its_targets(tmp_path, quick):
    world = fit_world(open_log(write(tmp_path / "log", views())), "own", 0, *QUICK).world
    save_world(world, tmp_path / "world")
    card = (tmp_path / "world" / "card.md").read_text()
    assert "Made up." in card
    assert "- no hate: its rates are the prior's" in card
    assert "| base.hate | prior: KuaiRand; not in the log |" in card
    assert "no random exposures in the log: level set by prior" in card
    assert load_world(str(tmp_path / "world")).targets == world.targets != KUAIRAND
