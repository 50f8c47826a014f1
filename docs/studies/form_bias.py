"""Bias of each estimator of the satisfied share: `python docs/studies/form_bias.py [--runs 30] [--users 8000]`.

Crowds meet random slates for three days and are asked as in `dense`, a random part of them in the strong form; every
run has its own users, videos and noise. The base of answering is set anew for each setting, so that the plain form has
the same answer rate whatever the slope. Biases are in points of the share that would say `satisfied` of the asked
views, means over runs with their standard error; then the standard deviation of the probit over runs, and its error as
the jackknife has it. Printed as a table in Markdown.
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import root_scalar
from scipy.special import expit, logit

from policies.base import Event
from simulator.analysis.answer_forms import AnswerGroups
from simulator.rollout.catalogue import Size
from simulator.statistics.answer_forms import FORM_ESTIMATORS, N_SUMS, bounds, group_jackknife, satisfied_share
from simulator.validation.answer_estimators import covariates, estimate, fit_models
from simulator.validation.answer_log import Asked, simulate_questionnaires
from user_models.world.parameters import PRESETS
from user_models.world.store import load_world
from user_models.world.world import World

DENSE, RARE = 0.36, 0.02
COLUMNS = ("naive", "IPS", "DR", "strong only", "line", "probit")


@dataclass(frozen=True)
class Setting:
    """How people answer; `rate` is that of the plain form."""

    rate: float
    slope: float
    share: float
    boost: float
    displeased: float = 0.0

    def values(self, base: float) -> dict[str, float]:
        named = {
            "answer_satisfaction": self.slope,
            "answer_base": base,
            "strong_share": self.share,
            "strong_boost": self.boost,
            "strong_displeased": self.displeased,
        }
        return {f"questionnaire.{name}": value for name, value in named.items()}


SETTINGS = (
    *(Setting(DENSE, slope, 0.5, 2.0) for slope in (0.0, 0.3, 0.6)),
    Setting(DENSE, 0.3, 0.1, 2.0),
    Setting(DENSE, 0.3, 0.5, 2.0, displeased=0.3),
    *(Setting(RARE, slope, 0.1, 4.5) for slope in (0.0, 0.3, 0.6)),
    Setting(RARE, 0.3, 0.1, 4.5, displeased=0.3),
)


def base_of(pilot: Asked, base: float, setting: Setting) -> float:
    """The base at which the plain form has the wanted rate; the pilot was answered without a slope at `base`."""
    flat = logit(pilot.propensity)

    def excess(by: float) -> float:
        return float(expit(flat + by + setting.slope * pilot.satisfaction).mean() - setting.rate)

    return base + float(root_scalar(excess, bracket=(-20, 20)).root)


def groups_of(asked: Asked) -> np.ndarray:
    """Counts by hash group of users."""
    strong = (asked.events & Event.ASKED_STRONGLY.value) > 0
    views = pd.DataFrame(
        {
            "user_id": asked.user,
            "asked": 1,
            "answered": asked.answered,
            "answers_satisfied": asked.satisfied,
            "strong_asked": strong,
            "strong_answered": asked.answered & strong,
            "strong_satisfied": asked.satisfied & strong,
        }
    )
    weights = ("answer_weight", "answer_weight_satisfied", "answer_expected", "answer_weight_expected")
    unused = dict.fromkeys((*weights, "true_would_say"), 0.0)
    return AnswerGroups.of(views.groupby("user_id").sum().reset_index().assign(**unused)).sums[:, :N_SUMS]


def biases(asked: Asked) -> tuple[np.ndarray, tuple[float, ...]]:
    """Each estimate less the truth of the same views; then truth, bounds, the probit's error, rates and asks."""
    groups, true = groups_of(asked), float(asked.would_say.mean())
    known = covariates(asked)
    _, _, ips, robust, _ = estimate(asked, known, fit_models(asked, known)).estimates
    total = groups.sum(axis=0)
    naive, *by_form = (float(satisfied_share(total, estimator)) for estimator in FORM_ESTIMATORS)
    error = group_jackknife(groups, lambda sums: satisfied_share(sums, "probit")).standard_error
    rates = ((total[1] - total[4]) / (total[0] - total[3]), total[4] / total[3])
    beside = (true, *bounds(total), error, *rates, total[0])
    return np.array([naive, ips, robust, *by_form]) - true, tuple(map(float, beside))


def line_of(world: World, size: Size, setting: Setting, runs: int) -> str:
    base = world.value("questionnaire.answer_base")
    off, beside = [], []
    for seed in range(runs):
        pilot = simulate_questionnaires(world, size, seed)
        asked = simulate_questionnaires(world.with_values(setting.values(base_of(pilot, base, setting))), size, seed)
        bias, more = biases(asked)
        off.append(bias)
        beside.append(more)
    points, solved = 100 * np.array(off), np.isfinite(off).all(axis=1)
    mean, sd = points[solved].mean(axis=0), points[solved].std(axis=0, ddof=1)
    true, lower, upper, error, plain, strong, asks = np.nanmean(np.array(beside)[solved], axis=0)
    cells = [f"{one:+.1f} ± {each / np.sqrt(solved.sum()):.1f}" for one, each in zip(mean, sd, strict=True)]
    what = f"{plain:.0%}, {strong:.0%} of {setting.share:.0%}"
    spread = [f"{100 * lower:.0f} to {100 * upper:.0f}", f"{100 * true:.0f}", f"{sd[-1]:.1f}, {100 * error:.1f}"]
    better = f"{setting.displeased:.0%}"
    unsolved = [f"{runs - solved.sum()} of {runs}", f"{asks:,.0f}"]
    return " | ".join(["", what, f"{setting.slope:g}", better, *cells, *spread, *unsolved, ""]).strip()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--runs", type=int, default=30)
    arguments.add_argument("--users", type=int, default=8_000)
    given = arguments.parse_args()
    quiet = {"questionnaire.fatigue": 0.0, "questionnaire.answer_satisfaction": 0.0}
    world = load_world("kuairand-pure").with_values(PRESETS["dense"] | quiet)
    size = Size(given.users, 2_000, 0.1, first_day=0, n_days=3)
    headings = ("answered: plain, strong", "slope", "better on displeased", *COLUMNS)
    headings = (*headings, "Manski", "truth", "probit's sd, its jackknife", "no root", "asks a run")
    sys.stdout.write("| " + " | ".join(headings) + " |\n|" + "---|" * len(headings) + "\n")
    for setting in SETTINGS:
        sys.stdout.write(line_of(world, size, setting, given.runs) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
