"""Sections of a validation: simulated figures compared with published and real ones.

A section that raises `NotMeasuredError` is left null in the report, with the reason.

Axes: `groups`; `bins` of watch time.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, final

import numpy as np
from jaxtyping import Float64

from policies.base import Event
from simulator.errors import NotMeasuredError
from simulator.reports.validation import (
    AnsweringEstimate,
    AnsweringRow,
    Compared,
    Grouping,
    GroupRow,
    HeldOutSection,
    PresetRow,
    RecoveryReport,
    Regime,
    WatchTime,
)
from simulator.validation import answer_bias as answering
from simulator.validation.answer_estimators import ESTIMATORS
from simulator.validation.grouped_counts import BINS_S, BUCKETS, DURATION_CLASSES, FIGURES, watch_counts
from simulator.validation.policy_rates import RATES, DaySums, LineSums
from simulator.validation.recovery import recover
from simulator.validation.simulated_views import FORTNIGHT, Reduction
from simulator.validation.user_spread import EventCounts, concentration, logit_spread, thin
from simulator.validation.views import ValidationViews
from user_models.data.folder import open_folder
from user_models.fit import check_heldout, load_predictor
from user_models.published import (
    ACTIVITY_DEGREES,
    HATE_SHARE_OF_TOP_TENTH,
    HOURLY_EXPOSURES,
    RANDOM_BY_ACTIVITY,
    RANDOM_BY_DURATION,
    RANDOM_CLICK_BY_HOUR,
    REGIMES,
    RETURN_GAP,
    SESSIONS_PER_DAY,
    STANDARD_BY_ACTIVITY,
    STANDARD_BY_DURATION,
    STANDARD_CLICK_BY_HOUR,
    VIEWS_PER_DAY,
)
from user_models.recovery.newton import NoMaximumError
from user_models.world.world import World

BOTH: Final[tuple[Regime, ...]] = ("random", "base")
_BY_DURATION: Final = {"random": RANDOM_BY_DURATION, "base": STANDARD_BY_DURATION}
_BY_ACTIVITY: Final = {"random": RANDOM_BY_ACTIVITY, "base": STANDARD_BY_ACTIVITY}
_ACTIVITY: Final = "user_active_degree"


def regime_section(sums: DaySums) -> dict[Regime, dict[str, Compared]]:
    """Every rate per view and the seconds per view, under both regimes."""
    return {
        regime: {
            figure: Compared.of(sums.lines[f"all:{regime}"].per(column, "views"), REGIMES[regime][figure])
            for figure, column in RATES.items()
        }
        for regime in BOTH
    }


def group_section(reduction: Reduction, world: World) -> dict[Grouping, list[GroupRow]]:
    """Rates by class of duration, activity degree and hour; a world without activity degrees has no such rows."""
    sections: dict[Grouping, list[GroupRow]] = {"duration": [], "activity": [], "hour": []}
    for regime in BOTH:
        tally = reduction.tally_of(regime)
        sections["duration"] += _group_rows(regime, tally.by_duration, DURATION_CLASSES, _BY_DURATION[regime])
        if world.columns[0].name == _ACTIVITY:
            places = [world.columns[0].levels.index(level) for level in _degrees(world)]
            real = {rate: tuple(values) for rate, values in _known(_BY_ACTIVITY[regime], _degrees(world)).items()}
            sections["activity"] += _group_rows(regime, tally.by_activity[places], _degrees(world), real)
        hours = tuple(f"{hour}" for hour in range(24))
        sections["hour"] += _group_rows(regime, tally.by_hour, hours, {"click": _hourly(regime)})
    return sections


def watch_section(reduction: Reduction, real: ValidationViews) -> list[WatchTime]:
    """Compare watch times under `base` with the standard log's, per bucket of durations."""
    ours, theirs = reduction.tally_of("base").watch, watch_counts(real)
    return [_watch_time(bucket, ours[at], theirs[at]) for at, bucket in enumerate(BUCKETS)]


def user_section(
    base: LineSums, fortnight: LineSums, real: ValidationViews, rng: np.random.Generator
) -> dict[str, Compared]:
    """Compare the spread of rates between users; simulated users are thinned to the real numbers of views.

    The share of hates is that of the tenth of haters who hate most, over a fortnight of full activity.
    """
    user = np.unique(real.user, return_inverse=True)[1]
    views = np.bincount(user)
    compared: dict[str, Compared] = {}
    for name, column, event in (("click", "clicks", Event.CLICK), ("like", "likes", Event.LIKE)):
        theirs = EventCounts.of(np.bincount(user, real.had(event)), views)
        ours = thin(EventCounts.of(base.of_users(column), base.of_users("views")), theirs.views, rng)
        compared[f"{name}_logit_sd"] = Compared.of(logit_spread(ours), logit_spread(theirs))
    top_tenth = float(concentration(fortnight.of_users("hates"))[1])
    return compared | {"hate_share_top_tenth": Compared.of(top_tenth, HATE_SHARE_OF_TOP_TENTH)}


def activity_section(fortnight: LineSums) -> dict[str, Compared]:
    """Sessions per user and day, views per session, and the share of returns that come after one day."""
    per_day = fortnight.total("sessions") / (len(fortnight.by_user) * FORTNIGHT)
    return {
        "sessions_per_user_day": Compared.of(per_day, SESSIONS_PER_DAY),
        "views_per_session": Compared.of(fortnight.per("views", "sessions"), VIEWS_PER_DAY / SESSIONS_PER_DAY),
        "return_next_day": Compared.of(_next_day(np.stack(fortnight.active)), RETURN_GAP[0]),
    }


def preset_row(line: LineSums) -> PresetRow:
    """The funnel of one preset of the questionnaire."""
    return PresetRow(
        share_asked=_share(line, "asked", "eligible"),
        share_answered=_share(line, "answered", "asked"),
        answered_per_view=_share(line, "answered", "views"),
        share_negative=_share(line, "answers_dissatisfied", "answered"),
        answers=int(line.total("answered")),
    )


def _share(line: LineSums, part: str, whole: str) -> float | None:
    """One total over another; None over nothing."""
    return line.per(part, whole) if line.total(whole) else None


def _next_day(active: np.ndarray) -> float:
    """Share of returns that come on the day after; `active` has one row per day.

    Returns lie after an active day and are themselves inside the days looked at, as in the published table.
    """
    day = np.arange(len(active))[:, None]
    last = np.maximum.accumulate(np.where(active, day, -1), axis=0)[:-1]
    returned = active[1:] & (last >= 0)
    return float((active[1:] & active[:-1]).sum() / max(1, returned.sum()))


def _degrees(world: World) -> tuple[str, ...]:
    """Activity degrees that the world has and of which rates are published."""
    return tuple(level for level in ACTIVITY_DEGREES if level in world.columns[0].levels)


def _known(published: dict[str, tuple[float, ...]], degrees: tuple[str, ...]) -> dict[str, list[float]]:
    """Published rates of some degrees."""
    places = [ACTIVITY_DEGREES.index(degree) for degree in degrees]
    return {rate: [values[place] for place in places] for rate, values in published.items()}


def _hourly(regime: Regime) -> tuple[float, ...]:
    """Published click rates by hour.

    A reconstruction for `base`: the shape over the day is that of KuaiRand-27K, the level that of KuaiRand-Pure, whose
    videos are clicked more.
    """
    if regime == "random":
        return RANDOM_CLICK_BY_HOUR
    shape = np.array(STANDARD_CLICK_BY_HOUR)
    level = REGIMES["base"]["click"] / (shape @ HOURLY_EXPOSURES / HOURLY_EXPOSURES.sum())
    return tuple((shape * level).tolist())


def _group_rows(
    regime: Regime,
    sums: Float64[np.ndarray, "groups figures"],
    names: tuple[str, ...],
    published: dict[str, tuple[float, ...]],
) -> list[GroupRow]:
    """One row per group and published rate; groups without a view have no rate."""
    return [
        GroupRow(
            regime=regime,
            group=name,
            rate=rate,
            views=int(row[0]),
            compared=Compared.of(
                float(row[1 + list(FIGURES).index(rate)] / row[0]) if row[0] else float("nan"), published[rate][at]
            ),
        )
        for at, (name, row) in enumerate(zip(names, sums, strict=True))
        for rate in published
    ]


def _watch_time(bucket: str, ours: Float64[np.ndarray, " bins"], theirs: Float64[np.ndarray, " bins"]) -> WatchTime:
    """One bucket's distributions, and how far apart they are."""
    shares = [counts / max(1, counts.sum()) for counts in (ours, theirs)]
    apart = float(np.abs(np.cumsum(shares[0]) - np.cumsum(shares[1])).max())
    return WatchTime(
        bucket=bucket,
        edges_s=np.round(BINS_S, 4).tolist(),
        simulated=shares[0].tolist(),
        real=shares[1].tolist(),
        simulated_views=int(ours.sum()),
        real_views=int(theirs.sum()),
        ks=apart if ours.sum() and theirs.sum() else None,
    )


@final
@dataclass(frozen=True)
class ValidationSubject:
    """World to validate, and the data to validate it on.

    Attributes:
        world: The world.
        source: The name or folder that it was loaded from; its predictor is there.
        data: KuaiRand folder that it was fitted on, or one like it.
        heldout: Folder of rows to predict, or None for the last days of `data`.
        seed: Of whatever is drawn.
    """

    world: World
    source: str
    data: Path
    heldout: Path | None
    seed: int


def heldout_section(subject: ValidationSubject) -> HeldOutSection:
    """Prediction of unseen rows."""
    predictor = load_predictor(subject.source)
    if predictor is None:
        raise NotMeasuredError("this world carries no predictor of single rows; fit it again")
    heldout = None if subject.heldout is None else open_folder(subject.heldout)
    scores = check_heldout(predictor, open_folder(subject.data), heldout, subject.seed)
    return HeldOutSection(
        auc=dict(scores.auc),
        log_loss=dict(scores.log_loss),
        reference_log_loss=dict(scores.reference_log_loss),
        watch_spearman=scores.watch_spearman,
        pit=list(scores.pit),
        pit_max_deviation=scores.pit_max_deviation,
        ks_by_duration={each.bucket: each.ks for each in scores.ks_by_duration},
    )


def answering_section(subject: ValidationSubject) -> list[AnsweringRow]:
    """Measure the bias of the satisfied share under selective answering."""
    return [answering_row(row) for row in answering.satisfied_share_check(subject.world, seed=subject.seed).rows]


def answering_row(row: answering.AnsweringSlopeResult) -> AnsweringRow:
    """One strength of selection in the form of the report."""
    columns = vars(row)
    estimates = {
        name: AnsweringEstimate(estimate=columns[name], bias=columns[f"bias_{name}"], se=columns[f"se_{name}"])
        for name in ESTIMATORS
    }
    return AnsweringRow(
        slope=row.slope,
        asked=row.asked,
        answer_rate=row.answer_rate,
        true=row.true,
        estimates=estimates,
        predicted_sign=_sign(row.predicted_sign),
        as_predicted=row.as_predicted,
    )


def recovery_section(subject: ValidationSubject) -> RecoveryReport:
    """Refit the world's parameters from simulated rows."""
    try:
        recovery = recover(subject.world, seed=subject.seed)
    except NoMaximumError as error:
        raise NotMeasuredError(str(error)) from None
    missed = [row.name for row in recovery.rows if abs(row.z) > 2]
    return RecoveryReport(parameters=len(recovery.rows), share_within_two_se=recovery.share_within_2, missed=missed)


def _sign(value: int) -> Literal[-1, 0, 1]:
    """The sign of a number."""
    return 1 if value > 0 else -1 if value < 0 else 0
