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
from simulator.validation.policy_rates import RATES, DaySums, TimelineSums
from simulator.validation.recovery import recover
from simulator.validation.simulated_views import FORTNIGHT, Reduction
from simulator.validation.user_spread import EventCounts, concentration, logit_spread, thin
from simulator.validation.views import ValidationViews
from user_models.data.log import open_log
from user_models.fit import check_heldout, load_predictor
from user_models.recovery.newton import NoMaximumError
from user_models.targets import Targets
from user_models.world.world import World

BOTH: Final[tuple[Regime, ...]] = ("random", "base")


def regime_section(sums: DaySums, targets: Targets) -> dict[Regime, dict[str, Compared]]:
    """Compare every rate per view and the seconds per view, under both logging policies."""
    return {
        regime: {
            figure: Compared.of(sums.timelines[f"all:{regime}"].per(column, "views"), targets.regimes()[regime][figure])
            for figure, column in RATES.items()
        }
        for regime in BOTH
    }


def group_section(reduction: Reduction, world: World) -> dict[Grouping, list[GroupRow]]:
    """Compare rates by class of duration, group and hour; a world without groups of its targets has no such rows."""
    targets = world.targets
    sections: dict[Grouping, list[GroupRow]] = {"duration": [], "activity": [], "hour": []}
    for regime in BOTH:
        tally = reduction.tally_of(regime)
        by_duration, by_group = (
            (targets.random_by_duration, targets.random_by_group)
            if regime == "random"
            else (targets.base_by_duration, targets.base_by_group)
        )
        sections["duration"] += _group_rows(regime, tally.by_duration, DURATION_CLASSES, by_duration.figures())
        if _degrees(world):
            level_index = [world.columns[0].levels.index(level) for level in _degrees(world)]
            real = {rate: tuple(values) for rate, values in _target_rates(by_group.figures(), world).items()}
            sections["activity"] += _group_rows(regime, tally.by_activity[level_index], _degrees(world), real)
        hours = tuple(f"{hour}" for hour in range(24))
        sections["hour"] += _group_rows(regime, tally.by_hour, hours, {"click": _hourly(regime, targets)})
    return sections


def watch_section(reduction: Reduction, real: ValidationViews) -> list[WatchTime]:
    """Compare watch times under `base` with the standard log's, per bucket of durations."""
    simulated, real_counts = reduction.tally_of("base").watch, watch_counts(real)
    return [_watch_time(bucket, simulated[index], real_counts[index]) for index, bucket in enumerate(BUCKETS)]


def user_section(
    base: TimelineSums, fortnight: TimelineSums, real: ValidationViews, rng: np.random.Generator, targets: Targets
) -> dict[str, Compared]:
    """Compare the spread of rates between users; simulated users are thinned to the real numbers of views.

    The share of hates is that of the tenth of haters who hate most, over a fortnight of full activity.
    """
    user = np.unique(real.user, return_inverse=True)[1]
    views = np.bincount(user)
    compared: dict[str, Compared] = {}
    for name, column, event in (("click", "clicks", Event.CLICK), ("like", "likes", Event.LIKE)):
        real_events = EventCounts.of(np.bincount(user, real.had(event)), views)
        simulated = thin(EventCounts.of(base.of_users(column), base.of_users("views")), real_events.views, rng)
        compared[f"{name}_logit_sd"] = Compared.of(logit_spread(simulated), logit_spread(real_events))
    top_tenth = float(concentration(fortnight.of_users("hates"))[1])
    return compared | {"hate_share_top_tenth": Compared.of(top_tenth, targets.hate_share_of_top_tenth)}


def activity_section(fortnight: TimelineSums, targets: Targets) -> dict[str, Compared]:
    """Compare sessions per user and day, views per session, and the share of returns after one day."""
    per_day = fortnight.total("sessions") / (len(fortnight.by_user) * FORTNIGHT)
    return {
        "sessions_per_user_day": Compared.of(per_day, targets.sessions_per_day),
        "views_per_session": Compared.of(
            fortnight.per("views", "sessions"), targets.views_per_day / targets.sessions_per_day
        ),
        "return_next_day": Compared.of(_next_day(np.stack(fortnight.active)), targets.return_gap[0]),
    }


def preset_row(sums: TimelineSums) -> PresetRow:
    """Funnel of one preset of the questionnaire."""
    return PresetRow(
        share_asked=_share(sums, "asked", "eligible"),
        share_answered=_share(sums, "answered", "asked"),
        answered_per_view=_share(sums, "answered", "views"),
        share_negative=_share(sums, "answers_dissatisfied", "answered"),
        answers=int(sums.total("answered")),
    )


def _share(sums: TimelineSums, numerator: str, denominator: str) -> float | None:
    """Ratio of two totals; None if the second is 0."""
    return sums.per(numerator, denominator) if sums.total(denominator) else None


def _next_day(active: np.ndarray) -> float:
    """Share of returns on the next day; `active` has one row per day.

    As in the published table, both the active day and the return are within these days.
    """
    day = np.arange(len(active))[:, None]
    last = np.maximum.accumulate(np.where(active, day, -1), axis=0)[:-1]
    returned = active[1:] & (last >= 0)
    return float((active[1:] & active[:-1]).sum() / max(1, returned.sum()))


def _degrees(world: World) -> tuple[str, ...]:
    """Groups of users that the world has and of which its targets have rates."""
    return tuple(level for level in world.targets.groups if level in world.columns[0].levels)


def _target_rates(rates: dict[str, tuple[float, ...]], world: World) -> dict[str, list[float]]:
    """Rates of the groups that the world has."""
    level_index = [world.targets.groups.index(degree) for degree in _degrees(world)]
    return {rate: [values[index] for index in level_index] for rate, values in rates.items()}


def _hourly(regime: Regime, targets: Targets) -> tuple[float, ...]:
    """Click rates by hour.

    A reconstruction for `base`: the shape over the day, at the level of the overall rate. KuaiRand's shape is that of
    27K, its level that of Pure, whose videos are clicked more.
    """
    if regime == "random":
        return targets.random_click_by_hour
    shape, exposures = np.array(targets.base_click_by_hour), np.array(targets.hourly_exposures)
    level = targets.base.click / (shape @ exposures / exposures.sum())
    return tuple((shape * level).tolist())


def _group_rows(
    regime: Regime,
    sums: Float64[np.ndarray, "groups figures"],
    names: tuple[str, ...],
    published: dict[str, tuple[float, ...]],
) -> list[GroupRow]:
    """Make one row per group and published rate; groups without a view have no rate."""
    return [
        GroupRow(
            regime=regime,
            group=name,
            rate=rate,
            views=int(row[0]),
            compared=Compared.of(
                float(row[1 + list(FIGURES).index(rate)] / row[0]) if row[0] else float("nan"), published[rate][index]
            ),
        )
        for index, (name, row) in enumerate(zip(names, sums, strict=True))
        for rate in published
    ]


def _watch_time(bucket: str, simulated: Float64[np.ndarray, " bins"], real: Float64[np.ndarray, " bins"]) -> WatchTime:
    """Distributions of watch time in one bucket, and their distance."""
    shares = [counts / max(1, counts.sum()) for counts in (simulated, real)]
    ks = float(np.abs(np.cumsum(shares[0]) - np.cumsum(shares[1])).max())
    return WatchTime(
        bucket=bucket,
        edges_s=np.round(BINS_S, 4).tolist(),
        simulated=shares[0].tolist(),
        real=shares[1].tolist(),
        simulated_views=int(simulated.sum()),
        real_views=int(real.sum()),
        ks=ks if simulated.sum() and real.sum() else None,
    )


@final
@dataclass(frozen=True)
class ValidationSubject:
    """World to validate, and the data to validate it on.

    Attributes:
        world: The world.
        source: The name or folder that it was loaded from; its predictor is there.
        data: Mapping file or folder that it was fitted on, or one like it.
        heldout: Folder of rows to predict, or None for the last days of `data`.
        seed: Seed of all draws.
    """

    world: World
    source: str
    data: Path
    heldout: Path | None
    seed: int


def heldout_section(subject: ValidationSubject) -> HeldOutSection:
    """Measure the prediction of held-out rows."""
    predictor = load_predictor(subject.source)
    if predictor is None:
        raise NotMeasuredError("this world carries no predictor of single rows; fit it again")
    heldout = None if subject.heldout is None else open_log(subject.heldout)
    scores = check_heldout(predictor, open_log(subject.data), heldout, subject.seed)
    return HeldOutSection(
        auc=dict(scores.auc),
        log_loss=dict(scores.log_loss),
        reference_log_loss=dict(scores.reference_log_loss),
        watch_spearman=scores.watch_spearman,
        pit=list(scores.pit),
        pit_max_deviation=scores.pit_max_deviation,
        ks_by_duration={bucket.bucket: bucket.ks for bucket in scores.ks_by_duration},
    )


def answering_section(subject: ValidationSubject) -> list[AnsweringRow]:
    """Measure the bias of the satisfied share under selective answering."""
    return [answering_row(row) for row in answering.satisfied_share_check(subject.world, seed=subject.seed).rows]


def answering_row(row: answering.AnsweringSlopeResult) -> AnsweringRow:
    """Report row of one strength of selection."""
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
