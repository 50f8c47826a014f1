"""Effects on answer rates and on the satisfied share by each estimator, and the questionnaire funnel of each arm.

If answer rates differ, the answers of the arms are of different users and views. Every share is a ratio of sums over
users, so intervals have the user as unit; the models of the weights were fitted before the test and count as fixed.

Fatigue grows while a test runs, so inverse propensities fitted before it are too small. Therefore the doubly robust
share divides its correction by the sum of weights, as the weighted share does, and not by the number of questionnaires
(Robins, Sued, Lei-Gomez and Rotnitzky, Statistical Science 22, 2007, https://doi.org/10.1214/07-STS227D): with m the
expected share and w the weights of answers Y, sum(m) / asked + sum(w (Y - m)) / sum(w).
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float64

from simulator.analysis.scorecard import NO_TRUTH
from simulator.metrics import Ratio
from simulator.reports.report import QuestionnaireRow
from simulator.reports.sections import AnswerEffect, AnswerRates, LeeBounds
from simulator.statistics.comparison import Difference, compare
from simulator.statistics.groups import GroupMoments, group_of
from simulator.statistics.lee_bounds import lee_bounds
from simulator.statistics.moments import Moments
from simulator.statistics.paired import paired_effect

Estimator: TypeAlias = Literal["naive", "weighted", "doubly_robust"]
ESTIMATORS: Final[tuple[Estimator, ...]] = get_args(Estimator)
_COLUMNS: Final = (
    "asked",
    "answered",
    "answers_satisfied",
    "answer_weight",
    "answer_weight_satisfied",
    "answer_expected",
    "answer_weight_expected",
)
COLUMNS: Final = tuple(
    dict.fromkeys(
        (
            *_COLUMNS,
            "eligible",
            "answers_uncertain",
            "answers_dissatisfied",
            "true_eligible_satisfied",
            "true_would_say",
        )
    )
)
"""Totals of users that are read for questionnaires."""
DIFFERS: Final = 0.01
"""p-value below which answer rates differ."""


def answer_spread(users: pd.DataFrame) -> GroupMoments:
    """Moments of the columns `_COLUMNS`: counts, weights of answers, and expected answers."""
    columns = tuple(users[name].to_numpy(np.float64) for name in _COLUMNS)
    return GroupMoments.of(columns, group_of(users["user_id"].to_numpy()))


def share(total: Float64[np.ndarray, " k"], estimator: Estimator) -> float | None:
    """Satisfied share of one bucket from the sums of `_COLUMNS`; None if there are no answers."""
    numerator, denominator = (_weights(total, estimator) * total).sum(axis=1)
    return float(numerator) / float(denominator) if total[1] and denominator else None


def sides(moments: GroupMoments, estimator: Estimator) -> GroupMoments:
    """Moments of the numerator and denominator of a bucket's share.

    The doubly robust share is a sum of two ratios; its sides have the same ratio and the same linearisation.
    """
    return moments.combined(_weights(moments.total.sum(axis=0), estimator))


def _weights(total: Float64[np.ndarray, " k"], estimator: Estimator) -> Float64[np.ndarray, "2 k"]:
    """Weights of the columns in the numerator and in the denominator of a share."""
    if estimator != "doubly_robust":
        return np.eye(len(_COLUMNS))[[2, 1] if estimator == "naive" else [4, 3]]
    asked, weight = float(total[0]), float(total[3])
    correction = float(total[4] - total[6]) / weight if weight else 0.0
    per_weight = asked / weight if weight else 0.0
    numerator = [correction, 0, 0, -correction * per_weight, per_weight, 1, -per_weight]
    return np.array([numerator, [1, 0, 0, 0, 0, 0, 0]], np.float64)


def true_side(users: pd.DataFrame) -> Ratio:
    """Ratio of the probabilities of the answer `satisfied` to asked views."""
    return Ratio(users["true_would_say"].to_numpy(np.float64), users["asked"].to_numpy(np.float64))


def rate_rows(arms: Sequence[str], spread_of: Callable[[str], GroupMoments]) -> list[AnswerRates]:
    """Compare the answer rate of each treatment with control's."""
    control = spread_of(arms[0])
    return [_rates(arms[0], control, arm, spread_of(arm)) for arm in arms[1:]]


def effect_rows(
    arms: Sequence[str], spread_of: Callable[[str], GroupMoments], pair_of: Callable[[str], Moments] | None
) -> list[AnswerEffect]:
    """Effect of each treatment by each estimator; `pair_of` gives the `paired_spread` of `true_side`s, if known."""
    return [
        _effect(estimator, (arms[0], arm), (spread_of(arms[0]), spread_of(arm)), pair_of(arm) if pair_of else None)
        for arm in arms[1:]
        for estimator in ESTIMATORS
    ]


def bound_rows(arms: Sequence[str], spread_of: Callable[[str], GroupMoments]) -> list[LeeBounds]:
    """Compute Lee's bounds of each treatment's effect."""
    control = spread_of(arms[0]).whole.take((0, 1, 2))
    rows: list[LeeBounds] = []
    for arm in arms[1:]:
        lee_estimate = lee_bounds(control, spread_of(arm).whole.take((0, 1, 2)))
        fields = (
            dict.fromkeys(("trimmed", "lower", "upper", "low", "high")) if lee_estimate is None else vars(lee_estimate)
        )
        reasons = {"lower": "an arm has no answers"} if lee_estimate is None else {}
        rows.append(LeeBounds(arm=arm, baseline=arms[0], reasons=reasons, **fields))
    return rows


def rate_warnings(rows: Sequence[AnswerRates]) -> list[str]:
    """One line per arm whose answer rate differs from control's."""
    return [
        f"{row.arm} answers {row.treatment:.1%} of questionnaires, {row.baseline} {row.control:.1%} "
        f"(p = {row.p_value:.2g}): compare satisfied shares by their bounds"
        for row in rows
        if row.differs
    ]


def _rates(baseline: str, control: GroupMoments, arm: str, treatment: GroupMoments) -> AnswerRates:
    """Report row of one treatment's answer rate."""
    rate = np.eye(len(_COLUMNS))[[1, 0]]
    rate_difference = compare(baseline, control.combined(rate), arm, treatment.combined(rate), error="jackknife").plain
    return AnswerRates(
        arm=arm,
        baseline=baseline,
        control=rate_difference.adjusted_control,
        treatment=rate_difference.adjusted_treatment,
        difference=rate_difference.effect,
        low=rate_difference.effect_low,
        high=rate_difference.effect_high,
        p_value=rate_difference.p_value,
        differs=rate_difference.p_value is not None and rate_difference.p_value < DIFFERS,
        reasons=_reasons(rate_difference),
    )


def _effect(
    estimator: Estimator, arms: tuple[str, str], spreads: tuple[GroupMoments, GroupMoments], pair: Moments | None
) -> AnswerEffect:
    """Report row of one treatment's effect by one estimator."""
    control, treatment = (sides(spread, estimator) for spread in spreads)
    share_difference = compare(arms[0], control, arms[1], treatment, error="jackknife").plain
    true_effect = None if pair is None else paired_effect(pair)
    true_control, true_treatment = (None, None) if true_effect is None else (true_effect.control, true_effect.treatment)
    return AnswerEffect(
        estimator=estimator,
        arm=arms[1],
        baseline=arms[0],
        control=share_difference.adjusted_control,
        treatment=share_difference.adjusted_treatment,
        effect=share_difference.effect,
        low=share_difference.effect_low,
        high=share_difference.effect_high,
        p_value=share_difference.p_value,
        true_control=true_control,
        true_treatment=true_treatment,
        true_effect=None if true_control is None or true_treatment is None else true_treatment - true_control,
        reasons=_reasons(share_difference) | ({"true_effect": NO_TRUTH} if pair is None else {}),
    )


def _reasons(difference: Difference) -> dict[str, str]:
    """Reasons why there is no difference or no interval, by field of a report row."""
    field_of_reason = {"effect": "effect", "effect_low": "low", "p_value": "p_value"}
    return {name: difference.reasons[key] for key, name in field_of_reason.items() if key in difference.reasons}


def questionnaire_rows(users: pd.DataFrame, arms: Sequence[str]) -> list[QuestionnaireRow]:
    """Make one row per arm, over the users of its bucket."""
    return [_row(users.loc[users["arm"] == arm], arm) for arm in arms]


def _row(users: pd.DataFrame, arm: str) -> QuestionnaireRow:
    """Report row of one bucket's funnel and satisfied shares.

    The weighted share is Hajek's: inverse propensities over the satisfied answers, over those of all answers
    (Hajek 1971, comment on Basu, in Foundations of Statistical Inference). The doubly robust one is the mean over asked
    views of m + R (Y - m) / e, with R answered, Y said `satisfied`, e the propensity and m the chance to say so, both
    estimated before the test, the second part normalised: see `simulator.analysis.questionnaire`.
    """
    naive = _share(users, "answers_satisfied", "answered")
    weighted = _share(users, "answer_weight_satisfied", "answer_weight")
    robust = share(users[list(_COLUMNS)].to_numpy(np.float64).sum(axis=0), "doubly_robust")
    true = _share(users, "true_eligible_satisfied", "eligible")
    true_asked = _share(users, "true_would_say", "asked")
    reasons = dict.fromkeys(("naive", "weighted", "doubly_robust"), "nobody answered")
    reasons |= {"true": "no view was eligible", "true_asked": "nobody was asked"}
    shares = {"naive": naive, "weighted": weighted, "doubly_robust": robust, "true": true, "true_asked": true_asked}
    return QuestionnaireRow(
        arm=arm,
        eligible=int(users["eligible"].sum()),
        exposed=int(users["asked"].sum()),
        answered=int(users["answered"].sum()),
        satisfied=int(users["answers_satisfied"].sum()),
        uncertain=int(users["answers_uncertain"].sum()),
        dissatisfied=int(users["answers_dissatisfied"].sum()),
        naive=naive,
        weighted=weighted,
        doubly_robust=robust,
        true=true,
        true_asked=true_asked,
        reasons={name: reasons[name] for name, value in shares.items() if value is None},
    )


def _share(users: pd.DataFrame, numerator: str, denominator: str) -> float | None:
    """Ratio of the totals of two columns; None if the second is 0."""
    total = float(users[denominator].sum())
    return float(users[numerator].sum()) / total if total else None
