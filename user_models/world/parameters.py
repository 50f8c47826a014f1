"""Every scalar of a world by name, with its value, its source, and its ranges.

Beyond the plausible range a value is to be doubted; beyond the possible one it is refused, because an equation has
no meaning there, or no end.
"""

import math
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["fitted", "published", "assumed"]


class Parameter(BaseModel):
    """One scalar: `fitted` on the rows given, taken from a `published` aggregate, or `assumed`.

    Attributes:
        value: In the unit that `meaning` states.
        status: Where the value comes from.
        source: Rows, table or paper; for an assumed one, the reason.
        low: Lower end of the plausible range (assumed), or None.
        high: Upper end of the plausible range (assumed), or None.
        error: Standard error (fitted), or None.
        meaning: What it does, with its unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    status: Status
    source: str
    meaning: str
    low: float | None = None
    high: float | None = None
    error: float | None = None


def _assumed(value: float, low: float, high: float, meaning: str, source: str) -> Parameter:
    return Parameter(value=value, status="assumed", source=source, meaning=meaning, low=low, high=high)


_DESIGN = "a design choice: no public data identify it"
_PAPERS = "EASQ (arXiv 2601.20215)"

DEFAULTS: Final[dict[str, Parameter]] = {
    "watch.taste": _assumed(
        1.0, 0.5, 1.6, "logit of passing a threshold per standard deviation of the user-video match", _DESIGN
    ),
    "watch.momentum": _assumed(0.2, 0.0, 0.5, "logit gained when the view before was clicked rather than not", _DESIGN),
    "satiation.strength": _assumed(
        0.3, 0.0, 0.6, "logit lost when a video is as alike to the topics just seen as they are to each other", _DESIGN
    ),
    "satiation.memory_views": _assumed(20.0, 5.0, 100.0, "views over which topics seen are remembered", _DESIGN),
    "satiation.kept": _assumed(0.3, 0.0, 1.0, "share of that memory that lasts a night", _DESIGN),
    "drift.gain": _assumed(
        0.02, 0.0, 0.1, "lean of taste towards the topics of a day's views, per unit of their satisfaction", _DESIGN
    ),
    "drift.kept": _assumed(0.97, 0.8, 1.0, "share of the drift of taste that lasts a night", _DESIGN),
    "drift.noise": _assumed(0.03, 0.0, 0.1, "standard deviation of taste's nightly step of its own", _DESIGN),
    "habituation.strength": _assumed(
        0.2, 0.0, 0.5, "logit lost per unit of bait, per unit of bait met on average before", _DESIGN
    ),
    "habituation.memory_days": _assumed(
        5.0, 1.0, 20.0, "days of average viewing over which bait is remembered", _DESIGN
    ),
    "videos.new_per_day": _assumed(
        0.02, 0.0, 0.2, "share of the videos on offer that new ones replace in a day", _DESIGN
    ),
    "videos.ageing": _assumed(
        0.05, 0.0, 0.3, "logit lost per e-fold of 1 + days since a video arrived; 0 where none arrive", _DESIGN
    ),
    "watch.bait": _assumed(
        0.15,
        0.0,
        0.4,
        "logit of passing a threshold per standard deviation of the video's bait, which draws people in",
        "a design choice: marginals do not identify bait; 40% of hated views are clicked (27K like and hate rows)",
    ),
    "satisfaction.taste": _assumed(
        0.65,
        0.4,
        0.9,
        "weight of the user-video match",
        "a ranker of clicks lifts likes as in the log from about here on",
    ),
    "satisfaction.quality": _assumed(0.4, 0.2, 0.6, "weight of the video's quality", _DESIGN),
    "satisfaction.bait": _assumed(0.4, 0.2, 0.6, "weight of the video's bait, which lowers satisfaction", _DESIGN),
    "satisfaction.noise": _assumed(0.65, 0.4, 0.8, "weight of what no feature tells", _DESIGN),
    "satisfaction.satisfied_above": _assumed(
        0.2,
        -0.5,
        0.5,
        "satisfaction above which a view truly satisfies",
        "the cut of the answer `satisfied`, without slip",
    ),
    "questionnaire.ask": _assumed(0.005, 0.0001, 0.5, "chance that an eligible view brings a questionnaire", _PAPERS),
    "questionnaire.ask_long_views": _assumed(
        1.0, 0.1, 10.0, "times as likely to be asked after a long view as after another eligible one", _DESIGN
    ),
    "questionnaire.most_per_day": _assumed(3.0, 1.0, 1000.0, "questionnaires to a user in a day at most", _DESIGN),
    "questionnaire.cool_down_days": _assumed(1.0, 0.0, 30.0, "days between two questionnaires of a user", _DESIGN),
    "questionnaire.answer_base": _assumed(
        -4.2, -6.0, 3.0, "logit of answering at satisfaction 0", _PAPERS + ": under 2% answered"
    ),
    "questionnaire.answer_satisfaction": _assumed(
        0.3,
        0.0,
        0.5,
        "logit of answering gained per unit of satisfaction",
        "Traverse et al., RecSys 2020: the pleased answer more",
    ),
    "questionnaire.answer_spread": _assumed(
        1.2, 0.5, 2.0, "standard deviation over users of the logit of answering", _DESIGN
    ),
    "questionnaire.fatigue": _assumed(0.3, 0.0, 0.6, "logit of answering lost per recent questionnaire", _DESIGN),
    "questionnaire.fatigue_kept": _assumed(
        0.8, 0.5, 0.95, "share of a questionnaire's weariness that lasts a day", _DESIGN
    ),
    "questionnaire.say_noise": _assumed(
        0.5, 0.2, 1.0, "standard deviation of the slip between feeling and answer", _DESIGN
    ),
    "questionnaire.dissatisfied_below": _assumed(
        -0.07,
        -0.4,
        0.2,
        "felt satisfaction below which the answer is dissatisfied",
        "28.8% of answers negative (SAQRec)",
    ),
    "questionnaire.satisfied_above": _assumed(
        0.2, 0.0, 0.5, "felt satisfaction above which the answer is satisfied", "about 10% uncertain"
    ),
    "questionnaire.strong_share": _assumed(
        0.0,
        0.0,
        1.0,
        "share of questionnaires, drawn at random, that are shown in the strong form",
        "a setting of the platform; 0, as no published platform does so",
    ),
    "questionnaire.strong_boost": _assumed(
        2.0,
        0.5,
        4.0,
        "logit of answering gained by the strong form, such as a card that has to be closed, or a reward",
        "a design choice; randomised incentives raise answering (Dutz et al., Statistics Norway DP 971, 2021)",
    ),
    "questionnaire.strong_displeased": _assumed(
        0.0,
        -0.5,
        0.5,
        "part by which the strong form works better on displeased users (satisfaction below that of the answer "
        "dissatisfied), or if negative worse",
        "a design choice: 0 is what estimators from two ways of asking assume, and no log shows it",
    ),
    "leaving.cost_scale": _assumed(
        1.0,
        0.8,
        1.2,
        "patience spent by an average view; set so that sessions have the published length",
        _DESIGN,
    ),
    "leaving.satisfaction": _assumed(0.15, 0.0, 0.4, "patience saved per unit of satisfaction", _DESIGN),
    "leaving.skips": _assumed(0.03, 0.0, 0.1, "patience lost per earlier skip in a row", _DESIGN),
    "leaving.shape": _assumed(0.9, 0.6, 1.5, "Weibull shape of session length", _DESIGN),
    "returning.satisfaction": _assumed(
        0.1,
        0.0,
        0.5,
        "logit of returning tomorrow per unit of mood",
        "small, so that +1% satisfied moves LT7 by about .05% (EASQ)",
    ),
    "returning.mood_kept": _assumed(0.8, 0.5, 0.95, "share of yesterday's mood that lasts a day", _DESIGN),
    "returning.mood_usual": _assumed(0.2, -0.5, 1.0, "mood at which the published return rates hold", _DESIGN),
}
"""What a world starts from; `fit` replaces what rows or published tables identify."""

YOUNG: Final = ("questionnaire.strong_share", "questionnaire.strong_boost", "questionnaire.strong_displeased")
"""Parameters that worlds fitted earlier lack; at their defaults they change nothing."""

PRESETS: Final[dict[str, dict[str, float]]] = {
    "easq": {"questionnaire.ask": 0.006, "questionnaire.answer_base": -4.6},
    "saqrec": {
        "questionnaire.ask": 0.045,
        "questionnaire.cool_down_days": 0.0,
        "questionnaire.most_per_day": 1000.0,
        "questionnaire.answer_base": 0.0,
        "questionnaire.fatigue": 0.05,
    },
    "dense": {
        "questionnaire.ask": 0.3,
        "questionnaire.cool_down_days": 0.0,
        "questionnaire.most_per_day": 1000.0,
        "questionnaire.answer_base": 0.0,
        "questionnaire.fatigue": 0.02,
    },
}
"""How often users are asked and answer: EASQ's rates, SAQRec's (1% of views answered), and one for development."""


_SHARE: Final = (0.0, 1.0)
_SPREAD: Final = (0.0, 1_000.0)
_ANY: Final = (-1_000.0, 1_000.0)
_POSSIBLE: Final[dict[str, tuple[float, float]]] = {
    "satiation.memory_views": (1.0, 1e6),
    "satiation.kept": _SHARE,
    "drift.kept": _SHARE,
    "drift.noise": _SPREAD,
    "habituation.memory_days": (1e-3, 1e6),
    "videos.new_per_day": _SHARE,
    "questionnaire.ask": _SHARE,
    "questionnaire.ask_long_views": _SPREAD,
    "questionnaire.most_per_day": (0.0, 32_767.0),
    "questionnaire.cool_down_days": (0.0, 10_000.0),
    "questionnaire.answer_spread": _SPREAD,
    "questionnaire.fatigue_kept": _SHARE,
    "questionnaire.say_noise": _SPREAD,
    "questionnaire.strong_share": _SHARE,
    "questionnaire.strong_displeased": (-1.0, 1_000.0),
    "leaving.cost_scale": (0.01, 1_000.0),
    "leaving.shape": (0.2, 20.0),
    "returning.mood_kept": _SHARE,
}


def fault(name: str, value: float) -> str | None:
    """Describe the fault of a value; None if it is within its bounds.

    >>> fault("leaving.shape", 0.0)
    "'leaving.shape' is 0, want 0.2 to 20"
    """
    low, high = _POSSIBLE.get(name, _ANY)
    if math.isfinite(value) and low <= value <= high:
        return None
    return f"{name!r} is {value:g}, want {low:g} to {high:g}"


def faults(values: dict[str, float]) -> list[str]:
    """Everything that is wrong with some values by name."""
    return [found for name, value in values.items() if (found := fault(name, value))]
