"""What the treatment does to answering, and to the satisfied share by each estimator, from each user's sums.

Answer rates come first: where they differ, answers of the arms are of different users and views. Every share is a ratio
of sums over users, so intervals are the delta method's with the user as unit; the models behind the weights were
fitted before the test and are taken as given.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
import pandas as pd

from simulator.estimates import Difference
from simulator.lee_bounds import lee_bounds
from simulator.metrics import Ratio
from simulator.moment_rows import compare_spreads
from simulator.moments import Spread, paired_effect
from simulator.report_sections import AnswerEffect, AnswerRates, LeeBounds
from simulator.truth import NO_TRUTH

Estimator: TypeAlias = Literal["naive", "weighted", "doubly_robust"]
SIDES: Final[dict[Estimator, tuple[int, int]]] = {"naive": (2, 1), "weighted": (4, 3), "doubly_robust": (5, 0)}
"""Numerator and denominator of each share, as places in `answer_spread`."""
DIFFERS: Final = 0.01
"""p-value below which answer rates are said to differ."""


def answer_spread(users: pd.DataFrame) -> Spread:
    """Asked, answered, satisfied; weights of answers and of the satisfied ones; the doubly robust total."""
    names = ("asked", "answered", "answers_satisfied", "answer_weight", "answer_weight_satisfied")
    columns = tuple(users[name].to_numpy(np.float64) for name in names)
    expected = users["answer_expected"] - users["answer_weight_expected"]
    robust = (expected + users["answer_weight_satisfied"]).to_numpy(np.float64)
    return Spread.of((*columns, robust))


def share(spread: Spread, estimator: Estimator) -> float | None:
    """The satisfied share of one bucket; None where there are no answers."""
    above, below = SIDES[estimator]
    total = float(spread.total[below])
    return float(spread.total[above]) / total if spread.total[1] and total else None


def true_side(users: pd.DataFrame) -> Ratio:
    """Chances to say `satisfied` over asked views."""
    return Ratio(users["true_would_say"].to_numpy(np.float64), users["asked"].to_numpy(np.float64))


def rate_rows(arms: Sequence[str], spread_of: Callable[[str], Spread]) -> list[AnswerRates]:
    """The answer rate of each treatment against control."""
    control = spread_of(arms[0])
    return [_rates(arms[0], control, arm, spread_of(arm)) for arm in arms[1:]]


def effect_rows(
    arms: Sequence[str], spread_of: Callable[[str], Spread], pair_of: Callable[[str], Spread] | None
) -> list[AnswerEffect]:
    """Each treatment's effect by each estimator; `pair_of` gives the `paired_spread` of `true_side`s, if known."""
    return [
        _effect(estimator, (arms[0], arm), (spread_of(arms[0]), spread_of(arm)), pair_of(arm) if pair_of else None)
        for arm in arms[1:]
        for estimator in SIDES
    ]


def bound_rows(arms: Sequence[str], spread_of: Callable[[str], Spread]) -> list[LeeBounds]:
    """Lee's bounds of each treatment's effect."""
    control = spread_of(arms[0]).take((0, 1, 2))
    rows: list[LeeBounds] = []
    for arm in arms[1:]:
        found = lee_bounds(control, spread_of(arm).take((0, 1, 2)))
        fields = dict.fromkeys(("trimmed", "lower", "upper", "low", "high")) if found is None else vars(found)
        reasons = {"lower": "an arm has no answers"} if found is None else {}
        rows.append(LeeBounds(arm=arm, baseline=arms[0], reasons=reasons, **fields))
    return rows


def rate_warnings(rows: Sequence[AnswerRates]) -> list[str]:
    """One line per arm whose users answer more or less than control's."""
    return [
        f"{row.arm} answers {row.treatment:.1%} of questionnaires, {row.baseline} {row.control:.1%} "
        f"(p = {row.p_value:.2g}): compare satisfied shares by their bounds"
        for row in rows
        if row.differs
    ]


def _rates(baseline: str, control: Spread, arm: str, treatment: Spread) -> AnswerRates:
    """One treatment's answer rate."""
    found = _compare(baseline, control, arm, treatment, (1, 0))
    return AnswerRates(
        arm=arm,
        baseline=baseline,
        control=found.adjusted_control,
        treatment=found.adjusted_treatment,
        difference=found.effect,
        low=found.effect_low,
        high=found.effect_high,
        p_value=found.p_value,
        differs=found.p_value is not None and found.p_value < DIFFERS,
        reasons=_reasons(found),
    )


def _effect(
    estimator: Estimator, arms: tuple[str, str], spreads: tuple[Spread, Spread], pair: Spread | None
) -> AnswerEffect:
    """One treatment's effect by one estimator."""
    found = _compare(arms[0], spreads[0], arms[1], spreads[1], SIDES[estimator])
    true = None if pair is None else paired_effect(pair)
    before, after = (None, None) if true is None else (true.control, true.treatment)
    return AnswerEffect(
        estimator=estimator,
        arm=arms[1],
        baseline=arms[0],
        control=found.adjusted_control,
        treatment=found.adjusted_treatment,
        effect=found.effect,
        low=found.effect_low,
        high=found.effect_high,
        p_value=found.p_value,
        true_control=before,
        true_treatment=after,
        true_effect=None if before is None or after is None else after - before,
        reasons=_reasons(found) | ({"true_effect": NO_TRUTH} if pair is None else {}),
    )


def _compare(baseline: str, control: Spread, arm: str, treatment: Spread, sides: tuple[int, int]) -> Difference:
    """A difference of two shares."""
    return compare_spreads(baseline, control.take(sides), arm, treatment.take(sides)).plain


def _reasons(found: Difference) -> dict[str, str]:
    """Why there is no difference, or no interval of one."""
    named = {"effect": "effect", "effect_low": "low", "p_value": "p_value"}
    return {name: found.reasons[key] for key, name in named.items() if key in found.reasons}
