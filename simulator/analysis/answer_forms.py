"""Report rows of the satisfied share by both forms of the questionnaire, its bounds and its sensitivity to answering.

Everything comes from sums of hash groups of users per arm: the six of `simulator.statistics.answer_forms`, those of the
weighted and the doubly robust share, and the chances to say `satisfied`, which are the truth of them all.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Float64

from simulator.analysis.scorecard import NO_TRUTH
from simulator.reports.answer_forms import (
    AnswerForms,
    EffectAtRatio,
    SatisfiedShare,
    ShareAtRatio,
    ShareBounds,
    ShareEstimator,
    SignChange,
    TrueRatio,
)
from simulator.reports.sections import AnswerEffect
from simulator.statistics import answer_sensitivity
from simulator.statistics.answer_forms import (
    N_SUMS,
    FormEstimator,
    GroupEstimate,
    bounds,
    group_jackknife,
    reason_without_value,
    satisfied_share,
)
from simulator.statistics.groups import GROUPS, group_of
from simulator.statistics.moments import Moments
from simulator.statistics.paired import paired_effect

COLUMNS: Final = (
    "asked",
    "answered",
    "answers_satisfied",
    "strong_asked",
    "strong_answered",
    "strong_satisfied",
    "answer_weight",
    "answer_weight_satisfied",
    "answer_expected",
    "answer_weight_expected",
    "true_would_say",
)
_WOULD_SAY: Final = COLUMNS.index("true_would_say")
_BY_FORM: Final[tuple[FormEstimator, ...]] = ("strong", "line", "probit")
_NOT_ASKED: Final = "nobody was asked"
_NO_ERROR: Final = "not every group of users can be left out: too few answers"


@final
@dataclass(frozen=True)
class AnswerGroups:
    """Sums over users by hash group, in the order of `COLUMNS`; a user's group depends on the id alone."""

    sums: Float64[np.ndarray, "groups sums"]

    @staticmethod
    def of(users: pd.DataFrame) -> "AnswerGroups":
        """Sum a slice of users."""
        group = group_of(users["user_id"].to_numpy())
        columns = [np.bincount(group, users[name].to_numpy(np.float64), GROUPS) for name in COLUMNS]
        return AnswerGroups(np.stack(columns, axis=1).astype(np.float64))  # bincount of nobody counts in whole numbers

    def __add__(self, other: "AnswerGroups") -> "AnswerGroups":
        """Add the sums of another slice."""
        return AnswerGroups(self.sums + other.sums)


@final
@dataclass(frozen=True)
class FormReadings:
    """Estimates of the arms, from their sums.

    Attributes:
        arms: Names of the arms, control first.
        groups: Sums of each bucket.
        pair_of: Function from a treatment to the `paired_spread` of what all users would say; None without truth.
    """

    arms: Sequence[str]
    groups: Mapping[str, AnswerGroups]
    pair_of: Callable[[str], Moments] | None

    @property
    def estimators(self) -> tuple[ShareEstimator, ...]:
        """Estimators that the sums allow; those by form need views asked in the strong form."""
        without_strong_form: tuple[ShareEstimator, ...] = ("naive", "weighted", "doubly_robust")
        return (
            (*without_strong_form, *_BY_FORM) if any(self._total(arm)[3] for arm in self.arms) else without_strong_form
        )

    def section(self) -> AnswerForms:
        """Build the report section, without effects."""
        ratios = sorted({*answer_sensitivity.RATIOS, *(1 / ratio for ratio in answer_sensitivity.RATIOS)})
        return AnswerForms(
            strong_asked={arm: int(self._total(arm)[3]) for arm in self.arms},
            strong_answered={arm: int(self._total(arm)[4]) for arm in self.arms},
            shares=[self._share(arm, estimator) for arm in self.arms for estimator in self.estimators],
            bounds=[*map(self._bounds, self.arms), *map(self._effect_bounds, self.arms[1:])],
            curve=[self._at_ratio(arm, ratio) for arm in self.arms for ratio in ratios],
            ratios=[self._true_ratio(arm) for arm in self.arms],
            ranges=[self._range(arm, ratio) for arm in self.arms[1:] for ratio in answer_sensitivity.RATIOS],
            signs=[self._sign(arm) for arm in self.arms[1:]],
        )

    def effects(self) -> list[AnswerEffect]:
        """Effect of each treatment by the estimators that need the strong form."""
        estimators: list[FormEstimator] = [estimator for estimator in _BY_FORM if estimator in self.estimators]
        return [self._effect(arm, estimator) for arm in self.arms[1:] for estimator in estimators]

    def _total(self, arm: str) -> np.ndarray:
        """Sums of one bucket."""
        return self.groups[arm].sums.sum(axis=0)

    def _six(self, arm: str) -> Float64[np.ndarray, "groups 6"]:
        """The six counts of one bucket, by hash group."""
        return self.groups[arm].sums[:, :N_SUMS]

    def _estimate(self, arm: str, estimator: ShareEstimator) -> GroupEstimate:
        """Satisfied share of one bucket by one estimator."""
        return group_jackknife(self.groups[arm].sums, lambda sums: _share_of(sums, estimator))

    def _true(self, arm: str) -> float | None:
        """True satisfied share of a bucket's asked views."""
        total = self._total(arm)
        return float(total[_WOULD_SAY] / total[0]) if total[0] else None

    def _true_effect(self, arm: str) -> tuple[float | None, float | None]:
        """True satisfied share of all users' asked views, under control and under a treatment."""
        if self.pair_of is None:
            return None, None
        effect = paired_effect(self.pair_of(arm))
        return effect.control, effect.treatment

    def _why(self, arm: str, estimator: ShareEstimator) -> str:
        """Reason why an estimator has no value for a bucket."""
        total = self._total(arm)
        if not total[1] or estimator in ("weighted", "doubly_robust"):
            return "nobody answered"
        return reason_without_value(total[:N_SUMS], estimator)

    def _share(self, arm: str, estimator: ShareEstimator) -> SatisfiedShare:
        """Report row of one arm's share by one estimator."""
        estimate, true = self._estimate(arm, estimator), self._true(arm)
        reasons = {} if math.isfinite(estimate.value) else {"share": self._why(arm, estimator)}
        if not reasons and not math.isfinite(estimate.reach):
            reasons["standard_error"] = _NO_ERROR
        return SatisfiedShare(
            arm=arm,
            estimator=estimator,
            share=_finite(estimate.value),
            standard_error=_finite(estimate.standard_error),
            low=_finite(estimate.value - estimate.reach),
            high=_finite(estimate.value + estimate.reach),
            true=true,
            reasons=reasons | ({"true": _NOT_ASKED} if true is None else {}),
        )

    def _effect(self, arm: str, estimator: FormEstimator) -> AnswerEffect:
        """Report row of one treatment's effect by one estimator."""
        control, treatment = (self._estimate(name, estimator) for name in (self.arms[0], arm))
        gap, (true_control, true_treatment) = treatment - control, self._true_effect(arm)
        reasons = {} if true_control is not None and true_treatment is not None else {"true_effect": NO_TRUTH}
        if not math.isfinite(gap.value):
            arm_without_share = self.arms[0] if not math.isfinite(control.value) else arm
            reasons["effect"] = f"{arm_without_share}: {self._why(arm_without_share, estimator)}"
        elif not math.isfinite(gap.reach):
            reasons |= {"low": _NO_ERROR, "p_value": _NO_ERROR}
        return AnswerEffect(
            estimator=estimator,
            arm=arm,
            baseline=self.arms[0],
            control=_finite(control.value),
            treatment=_finite(treatment.value),
            effect=_finite(gap.value),
            low=_finite(gap.value - gap.reach),
            high=_finite(gap.value + gap.reach),
            p_value=_finite(gap.p_value),
            true_control=true_control,
            true_treatment=true_treatment,
            true_effect=None if true_control is None or true_treatment is None else true_treatment - true_control,
            reasons=reasons,
        )

    def _ends(self, arm: str) -> tuple[GroupEstimate, GroupEstimate]:
        """Manski's bounds of a bucket's share."""
        lower, upper = (group_jackknife(self._six(arm), lambda s, i=i: bounds(s)[i]) for i in (0, 1))
        return lower, upper

    def _bounds(self, arm: str) -> ShareBounds:
        """Bounds of an arm's share."""
        reasons = {} if self._total(arm)[0] else {"lower": _NOT_ASKED, "true": _NOT_ASKED}
        return ShareBounds(arm=arm, baseline=None, true=self._true(arm), reasons=reasons, **_range_of(self._ends(arm)))

    def _effect_bounds(self, arm: str) -> ShareBounds:
        """Bounds of an effect: treatment's lower less control's upper bound, and the reverse."""
        (least, most), (before_least, before_most) = (self._ends(name) for name in (arm, self.arms[0]))
        effect_range, (true_control, true_treatment) = (
            (least - before_most, most - before_least),
            self._true_effect(arm),
        )
        reasons = {} if math.isfinite(effect_range[0].value) else {"lower": _NOT_ASKED}
        truth_is_known = true_control is not None and true_treatment is not None
        return ShareBounds(
            arm=arm,
            baseline=self.arms[0],
            true=true_treatment - true_control if true_control is not None and true_treatment is not None else None,
            reasons=reasons if truth_is_known else {**reasons, "true": NO_TRUTH},
            **_range_of(effect_range),
        )

    def _at_ratio(self, arm: str, ratio: float) -> ShareAtRatio:
        """Share of an arm at an assumed ratio of answer rates."""
        share = answer_sensitivity.share_at(_share_of(self._total(arm), "naive"), ratio)
        return ShareAtRatio(arm=arm, ratio=ratio, share=_finite(float(share)))

    def _true_ratio(self, arm: str) -> TrueRatio:
        """True ratio of answer rates in a bucket."""
        asked, answered, satisfied = (float(value) for value in self._total(arm)[:3])
        ratio = answer_sensitivity.answering_ratio(asked, answered, satisfied, float(self._total(arm)[_WOULD_SAY]))
        reasons = {"ratio": "only one kind was asked or answered"} if ratio is None else {}
        return TrueRatio(arm=arm, ratio=ratio, true=self._true(arm), reasons=reasons)

    def _range(self, arm: str, ratio: float) -> EffectAtRatio:
        """Range of an effect at an assumed ratio of answer rates."""
        effect_range = answer_sensitivity.effect_range(self._six(self.arms[0]), self._six(arm), ratio)
        return EffectAtRatio(arm=arm, baseline=self.arms[0], ratio=ratio, **_range_of(effect_range))

    def _sign(self, arm: str) -> SignChange:
        """Ratio of answer rates from which the sign of an effect is open."""
        change = answer_sensitivity.sign_change(self._six(self.arms[0]), self._six(arm))
        effect = self._estimate(arm, "naive").value - self._estimate(self.arms[0], "naive").value
        true_control, true_treatment = self._true_effect(arm)
        truth_is_known = true_control is not None and true_treatment is not None
        reasons = {} if change else {"ratio": "an arm has no answers of one kind, or too few"}
        return SignChange(
            arm=arm,
            baseline=self.arms[0],
            naive_effect=_finite(effect),
            ratio=change.estimate if change else None,
            resolved=change.resolved if change else None,
            true_effect=true_treatment - true_control
            if true_control is not None and true_treatment is not None
            else None,
            reasons=reasons if truth_is_known else {**reasons, "true_effect": NO_TRUTH},
        )


def _share_of(sums: np.ndarray, estimator: ShareEstimator) -> np.ndarray:
    """Share by one estimator, from sums in the order of `COLUMNS`; NaN where there is none."""
    if estimator not in ("weighted", "doubly_robust"):
        return satisfied_share(sums[..., :N_SUMS], estimator)
    asked, weight = (np.where(sums[..., index] > 0, sums[..., index], np.nan) for index in (0, 6))
    if estimator == "weighted":
        return np.asarray(sums[..., 7] / weight)
    return np.asarray(sums[..., 8] / asked + (sums[..., 7] - sums[..., 9]) / weight)


def _range_of(bounds_pair: tuple[GroupEstimate, GroupEstimate]) -> dict[str, float | None]:
    """Both bounds, and the interval around them."""
    lower, upper = bounds_pair
    values = {
        "lower": lower.value,
        "upper": upper.value,
        "low": lower.value - lower.reach,
        "high": upper.value + upper.reach,
    }
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: float) -> float | None:
    """The value, or None if it is not finite."""
    return value if math.isfinite(value) else None
