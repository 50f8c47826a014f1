"""Compute the report of a run folder: estimates, truth, health and questionnaires.

Users are read in slices, so memory does not grow with their number.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from simulator.analysis.accumulator import Tallies, gather
from simulator.analysis.day_totals import day_totals
from simulator.analysis.decisions import DecisionRules
from simulator.analysis.gathering import ANSWER_COLUMNS
from simulator.analysis.health import (
    before_warnings,
    mixed_assignment,
    mixed_warnings,
    notes_of,
    p_values_of,
    planned_users,
    significant,
    split_warnings,
    srm_p_value,
    srm_warning,
    too_good,
    too_good_warnings,
)
from simulator.analysis.interference import world_rows
from simulator.analysis.looks import look_at, with_sequential
from simulator.analysis.questionnaire import questionnaire_rows, rate_warnings
from simulator.analysis.scopes import BEFORE, TEST, of_day
from simulator.analysis.sections import (
    answering,
    distribution,
    heterogeneity,
    missing_segments,
    novelty,
    novelty_warnings,
    p2n_sides,
    resplit_rows,
    segment_rows,
    split_by_day,
    split_by_segment,
)
from simulator.analysis.segments import FEWEST
from simulator.analysis.stopping import read_stop
from simulator.analysis.training_variance import training_rows
from simulator.errors import RunFolderError
from simulator.metrics import MAIN, METRICS, day_metrics, scorecard_metrics
from simulator.reports.report import ArmSummary, Health, MetricRow, Report, Stop
from simulator.reports.sections import Answering
from simulator.runs.user_day_slices import SLICE
from simulator.runs.user_profiles import features_of, lost_features
from simulator.spec.experiment import ExperimentSpec, load_spec


def summarise(folder: Path) -> Report:
    """Compute the report of a finished run from its `spec.toml` and `user_days`.

    The same rows give the same report, byte for byte, however they are ordered or divided into files. A test that
    stopped early is reported over the days that were played.

    Raises:
        RunFolderError: A file is missing or damaged, or days are not finished.
        SpecError: `spec.toml` is damaged.
    """
    spec = _spec(folder)
    stop = read_stop(folder)
    played = spec if stop is None else spec.first_days(stop.days)
    tallies = gather(folder, played, features_of(folder, spec.segments), SLICE)
    report = _report(folder, tallies, spec, stop)
    judging = DecisionRules(spec.multiplicity, spec.guardrails, MAIN)
    return report.model_copy(update={"metrics": _judged(report, judging)})


def _judged(report: Report, judging: DecisionRules) -> list[MetricRow]:
    """Judge the scorecard by its valid intervals."""
    judged_rows = judging.judge(report.valid_metrics())
    intervals = ({"ci_low": row.ci_low, "ci_high": row.ci_high} for row in report.metrics)
    return [row.model_copy(update=interval) for row, interval in zip(judged_rows, intervals, strict=True)]


def _spec(folder: Path) -> ExperimentSpec:
    """Read the spec as run."""
    path = folder / "spec.toml"
    if (folder / "sweep.json").is_file():
        raise RunFolderError(
            f"{folder}: holds a sweep; give one of its folders, such as {_first_point(folder)}, "
            "or `askew run` with --resume for the page of them all"
        )
    if not path.is_file():
        raise RunFolderError(f"{folder}: holds no spec.toml; give the folder that `askew run --out` wrote")
    return load_spec(str(path))


def _first_point(folder: Path) -> str:
    """First run folder of a sweep, or a placeholder."""
    point_folders = sorted(path.parent for path in folder.glob("*/spec.toml"))
    return str(point_folders[0]) if point_folders else f"{folder}/VALUE"


def _report(folder: Path, tallies: Tallies, planned: ExperimentSpec, stop: Stop | None) -> Report:
    """Compute every part of the report, with the scorecard not judged yet; `planned` is the spec before a stop."""
    spec, looks = tallies.spec, look_at(tallies, planned)
    rows = tallies.rows(TEST, scorecard_metrics(spec.days))
    answers = answering(tallies, folder)
    return Report(
        name=spec.name,
        seed=spec.seed,
        days=spec.days,
        pre_days=spec.pre_days,
        users=tallies.users,
        world=spec.world,
        views_scale=spec.views_scale,
        arms=_arm_summaries(tallies),
        metrics=with_sequential(rows, looks),
        daily=[row for day in range(spec.days) for row in _day_rows(tallies, day)],
        totals=day_totals(tallies),
        segments=segment_rows(tallies),
        health=_health(tallies, rows, answers, lost_features(folder, spec.segments)),
        questionnaire=questionnaire_rows(_funnel(tallies), tallies.arms),
        heterogeneity=heterogeneity(tallies),
        answering=answers,
        p2n=p2n_sides(tallies),
        distribution=distribution(tallies),
        worlds=world_rows(tallies, rows),
        multiplicity=spec.multiplicity,
        looks=looks,
        stopped=stop,
        second_opinion=tallies.second_opinion(),
        trainings=training_rows(spec.arms, rows),
    )


def _funnel(tallies: Tallies) -> pd.DataFrame:
    """Sums of the questionnaire's columns, one row per bucket."""
    return pd.DataFrame(tallies.funnel, columns=list(ANSWER_COLUMNS)).assign(arm=tallies.arms)


def _day_rows(tallies: Tallies, day: int) -> list[MetricRow]:
    """Scorecard of one day."""
    return [row.model_copy(update={"day": day}) for row in tallies.rows(of_day(day), day_metrics())]


def _arm_summaries(tallies: Tallies) -> list[ArmSummary]:
    """Number of users and planned share of each bucket."""
    shares = planned_users(tallies.spec.arms, 1)
    return [
        ArmSummary(name=arm.name, policy=arm.policy, users=tallies.sizes.get(arm.name, 0), share=shares[arm.name])
        for arm in tallies.spec.arms
    ]


def _health(
    tallies: Tallies, rows: Sequence[MetricRow], answers: Answering, lost_features_lines: Sequence[str]
) -> Health:
    """The checks of the split, and what had to be left out: `lost_features_lines`, and more."""
    arms = tallies.spec.arms
    planned = planned_users(arms, tallies.users)
    n_users = {arm.name: tallies.sizes.get(arm.name, 0) for arm in arms}
    srm = srm_p_value(n_users, planned)
    p_values_before = _p_values_before(tallies)
    by_day, by_segment = split_by_day(tallies), split_by_segment(tallies)
    mixed, suspicious_lifts = mixed_assignment(tallies.mixed, tallies.users), too_good(rows)
    a_a = all(arm.same_policy(arms[0]) for arm in arms)
    warnings = [*srm_warning(srm, n_users, planned), *split_warnings(by_day, by_segment), *mixed_warnings(mixed)]
    novelty_rows = novelty(tallies)
    warnings += [*novelty_warnings(novelty_rows)]
    warnings += [
        *before_warnings(p_values_before),
        *too_good_warnings(suspicious_lifts),
        *rate_warnings(answers.rates),
        *notes_of(rows),
    ]
    return Health(
        srm_p_value=srm,
        users_planned=planned,
        users_seen=n_users,
        a_a=a_a,
        pre_period=p_values_before,
        warnings=[*warnings, *_missing_users(tallies), *_missing_segments(tallies), *lost_features_lines],
        split_by_day=by_day,
        split_by_segment=by_segment,
        mixed_assignment=mixed,
        resplits=resplit_rows(tallies),
        a_a_significant=significant(rows) if a_a else [],
        novelty=novelty_rows,
        too_good=suspicious_lifts,
    )


def _p_values_before(tallies: Tallies) -> dict[str, float | None]:
    """p-values of differences before the test, by `arm/metric`; empty without a pre-period."""
    if BEFORE not in tallies.buckets:
        return {}
    return p_values_of(tallies.rows(BEFORE, [METRICS[key] for key in MAIN]))


def _missing_users(tallies: Tallies) -> list[str]:
    """One line if the number of users differs from the plan."""
    planned = tallies.spec.users
    return [] if tallies.users == planned else [f"{tallies.users} users have rows, {planned} were planned"]


def _missing_segments(tallies: Tallies) -> list[str]:
    """One line if segments are too small for rows."""
    small = missing_segments(tallies)
    return [f"segments left out, under {FEWEST} users in a bucket: {', '.join(small)}"] if small else []
