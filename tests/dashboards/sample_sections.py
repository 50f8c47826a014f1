"""The sections of a sample report beyond its scorecard, with made-up numbers."""

from simulator.reports.answer_forms import (
    AnswerForms,
    EffectAtRatio,
    SatisfiedShare,
    ShareAtRatio,
    ShareBounds,
    SignChange,
    TrueRatio,
)
from simulator.reports.sections import (
    AnsweredByFeeling,
    AnswerEffect,
    Answering,
    AnswerRates,
    Calibration,
    Heterogeneity,
    LeeBounds,
    MixedAssignment,
    Novelty,
    P2NSide,
    QuantileEffect,
    Resplits,
    SplitCheck,
    TooGood,
)


def sections(control: str, treatments: tuple[str, ...]) -> dict[str, object]:
    """Fields of a report."""
    pairs = [{"arm": arm, "baseline": control} for arm in treatments]
    return {
        "heterogeneity": [
            Heterogeneity(feature=f, metric="AUT", levels=3, wald=1.5, p_value=0.21, p_adjusted=0.42, **pair)
            for f in ("user_active_degree", "register_days_range")
            for pair in pairs
        ],
        "answering": answering((control, *treatments), pairs),
        "p2n": [_side(side, i, pair) for i, side in enumerate(("positives", "negatives")) for pair in pairs],
        "distribution": [_quantile(level / 20, pair) for pair in pairs for level in range(1, 20)],
    }


def health_sections(arms: tuple[str, ...]) -> dict[str, object]:
    """Fields of a report's health."""
    users = dict.fromkeys(arms, 5_000)
    days = [SplitCheck(within=f"day {day}", users=users, p_value=0.3 + day / 20, alarm=False) for day in range(7)]
    return {
        "split_by_day": [*days[:-1], days[-1].model_copy(update={"p_value": 1e-6, "alarm": True})],
        "split_by_segment": [SplitCheck(within="user_active_degree=x", users=users, p_value=0.5, alarm=False)],
        "mixed_assignment": MixedAssignment(users=3, share=0.00015, verdict="warn"),
        "resplits": [
            Resplits(metric="AUT", splits=200, rejected=0.055, ks_p_value=0.41, passed=True),
            Resplits(
                metric="P2N", splits=200, rejected=None, ks_p_value=None, passed=None, reasons={"rejected": "why"}
            ),
        ],
        "novelty": [
            Novelty(
                metric="AUT",
                arm=arm,
                baseline=arms[0],
                unit="s/user/day",
                days=3,
                contrast=2.5,
                low=-1.0,
                high=6.0,
                p_value=0.16,
                true_contrast=1.25,
            )
            for arm in arms[1:]
        ],
        "too_good": [TooGood(metric="AVT", arm=arms[1], lift=0.31, z=14.0)],
    }


def answering(arms: tuple[str, ...], pairs: list[dict[str, str]]) -> Answering:
    """Rates, effects, bounds, who answers, and how well that is foretold."""
    effect = {"control": 0.6, "treatment": 0.66, "p_value": 0.01, "true_control": 0.58, "true_treatment": 0.63}
    estimators = ("naive", "weighted", "doubly_robust")
    return Answering(
        rates=[
            AnswerRates(
                control=0.3, treatment=0.32, difference=0.02, low=0.01, high=0.03, p_value=1e-4, differs=True, **pair
            )
            for pair in pairs
        ],
        effects=[
            AnswerEffect(
                estimator=name, effect=0.06 + i / 200, low=0.04, high=0.08 + i / 200, true_effect=0.05, **effect, **pair
            )
            for i, name in enumerate(estimators)
            for pair in pairs
        ],
        bounds=[LeeBounds(trimmed=0.06, lower=0.02, upper=0.09, low=0.01, high=0.1, **pair) for pair in pairs],
        by_feeling=[
            AnsweredByFeeling(arm=arm, decile=d, satisfaction=d / 5, asked=1_000, rate=0.2 + d / 50)
            for arm in arms
            for d in range(1, 11)
        ],
        calibration=[
            Calibration(asked=900, estimated=0.2 + i / 20, true=0.18 + i / 20, answered=0.19 + i / 20) for i in range(5)
        ],
        forms=answer_forms(arms, pairs),
    )


def answer_forms(arms: tuple[str, ...], pairs: list[dict[str, str]]) -> AnswerForms:
    """Shares by every estimator, bounds, and sensitivity; the true share is .55 in the first arm."""
    estimators = ("naive", "weighted", "doubly_robust", "strong", "line", "probit")
    ratios = (0.5, 1.0, 2.0)
    ends = {"lower": 0.3, "upper": 0.7, "low": 0.28, "high": 0.72}
    return AnswerForms(
        strong_asked=dict.fromkeys(arms, 500),
        strong_answered=dict.fromkeys(arms, 300),
        shares=[
            SatisfiedShare(
                arm=arm,
                estimator=name,
                share=0.61 + place / 50 - i / 100,
                standard_error=0.011,
                low=0.59 + place / 50 - i / 100,
                high=0.63 + place / 50 - i / 100,
                true=0.55 + place / 50,
            )
            for place, arm in enumerate(arms)
            for i, name in enumerate(estimators)
        ],
        bounds=[
            *(ShareBounds(arm=arm, baseline=None, true=0.55 + place / 50, **ends) for place, arm in enumerate(arms)),
            *(ShareBounds(lower=-0.4, upper=0.41, low=-0.44, high=0.45, true=0.05, **pair) for pair in pairs),
        ],
        curve=[ShareAtRatio(arm=arm, ratio=ratio, share=0.6 / (0.6 + 0.4 * ratio)) for arm in arms for ratio in ratios],
        ratios=[TrueRatio(arm=arm, ratio=1.2 + place / 20, true=0.55 + place / 50) for place, arm in enumerate(arms)],
        ranges=[
            EffectAtRatio(ratio=ratio, lower=0.07 - ratio / 50, upper=0.05 + ratio / 50, low=-0.1, high=0.2, **pair)
            for pair in pairs
            for ratio in (1.0, 2.0, 4.0)
        ],
        signs=[SignChange(naive_effect=0.06, ratio=1.13, resolved=1.09, true_effect=0.05, **pair) for pair in pairs],
    )


def _side(side: str, place: int, pair: dict[str, str]) -> P2NSide:
    lift = 0.04 - 0.1 * place
    return P2NSide(
        side=side,
        control=0.8,
        treatment=0.83,
        lift=lift,
        low=lift - 0.02,
        high=lift + 0.02,
        p_value=0.2,
        true_lift=lift + 0.005,
        users_control=900,
        users_treatment=80,
        reasons={"note": "only 80 users have any"} if place else {},
        **pair,
    )


def _quantile(level: float, pair: dict[str, str]) -> QuantileEffect:
    lift = 0.02 + level / 10
    return QuantileEffect(
        quantile=level,
        control=100 * level,
        treatment=100 * level * (1 + lift),
        effect=100 * level * lift,
        low=0.0,
        high=200 * level * lift,
        true_control=100 * level,
        true_treatment=100 * level * (1 + lift / 2),
        true_effect=50 * level * lift,
        lift=lift,
        lift_low=lift - 0.03,
        lift_high=lift + 0.03,
        true_lift=lift / 2,
        **pair,
    )
