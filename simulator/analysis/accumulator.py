"""Sums over all users of a run, computed in parallel from ranges of slices of users.

The ranges depend on the users alone, and their sums are added in order of user id. So a report depends neither
on the order of files nor on the number of processors. Memory is one slice per processor.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Final, TypeVar, final

import numpy as np
from jaxtyping import Float64

from simulator.analysis.aa_resplits import SplitSums
from simulator.analysis.answer_forms import AnswerGroups
from simulator.analysis.cross_check import second_opinion
from simulator.analysis.gathering import SliceSums, layout_of
from simulator.analysis.moment_table import MomentTable
from simulator.analysis.scopes import BEFORE, TEST, Scope
from simulator.analysis.scorecard import moment_rows, with_true_effect
from simulator.errors import RunFolderError
from simulator.metrics import Metric, scorecard_metrics
from simulator.reports.report import MetricRow, SecondOpinion
from simulator.runs.user_day_slices import SLICE, UserDaySlices
from simulator.runs.user_profiles import ACTIVITY, FeatureLevels
from simulator.spec.experiment import ExperimentSpec
from simulator.statistics.groups import GroupMoments
from simulator.statistics.moments import Moments
from simulator.statistics.paired import paired_effect
from simulator.statistics.quantiles import BinCounts

_RANGES: Final = 4
"""Number of ranges that slices are divided into, the same on every machine so that sums are the same."""
_Sum = TypeVar("_Sum", Moments, GroupMoments, BinCounts, SplitSums, AnswerGroups, MomentTable)
_Key = TypeVar("_Key")


@final
@dataclass(frozen=True)
class Tallies:
    """Sums over users.

    Attributes:
        spec: Spec of the run.
        features: Features that define segments of users.
        worlds: Worlds of the test that were read.
        buckets: Moments of each arm's bucket, by scope.
        pairs: Moments of all users under control and of their gain under each treatment, by scope; empty without truth.
        shifts: Moments of each bucket in its arm's own world and of its gain in the mixed world; None without truth.
        ends: Moments of each bucket's first and last days; None if the test is too short to have both.
        splits: Re-splits of all users under control, by main metric; of control's bucket if the truth was not run.
        watched: Histogram of daily watch seconds of each bucket.
        watched_by_all: Histogram of daily watch seconds of all users under each arm.
        answers: Questionnaire moments of each bucket.
        answer_groups: Questionnaire sums of each bucket by hash group of users.
        true_answers: Moments of what all users would say under control and of their gain under each treatment.
        funnel: Sums of the questionnaire's columns by bucket.
        by_day: Sums of columns by world and day, then by day before the test, and by bucket.
        names: Names of the columns in `by_day`.
        mixed: Number of users in more than one arm.
    """

    spec: ExperimentSpec
    features: tuple[str, ...]
    worlds: tuple[str, ...]
    buckets: dict[Scope, MomentTable]
    pairs: dict[Scope, MomentTable]
    shifts: MomentTable | None
    ends: MomentTable | None
    splits: dict[str, SplitSums]
    watched: dict[str, BinCounts]
    watched_by_all: dict[str, BinCounts]
    answers: dict[str, GroupMoments]
    answer_groups: dict[str, AnswerGroups]
    true_answers: dict[str, Moments]
    funnel: Float64[np.ndarray, "arms asked"]
    by_day: Float64[np.ndarray, "columns worlds_and_days arms"]
    names: tuple[str, ...]
    mixed: int

    def __add__(self, other: "Tallies") -> "Tallies":
        """Add the sums of other users."""
        return Tallies(
            spec=self.spec,
            features=self.features,
            worlds=self.worlds,
            buckets=_merged(self.buckets, other.buckets),
            pairs=_merged(self.pairs, other.pairs),
            shifts=self.shifts + other.shifts if self.shifts and other.shifts else None,
            ends=self.ends + other.ends if self.ends and other.ends else None,
            splits=_merged(self.splits, other.splits),
            watched=_merged(self.watched, other.watched),
            watched_by_all=_merged(self.watched_by_all, other.watched_by_all),
            answers=_merged(self.answers, other.answers),
            answer_groups=_merged(self.answer_groups, other.answer_groups),
            true_answers=_merged(self.true_answers, other.true_answers),
            funnel=self.funnel + other.funnel,
            by_day=self.by_day + other.by_day,
            names=self.names,
            mixed=self.mixed + other.mixed,
        )

    @property
    def arms(self) -> list[str]:
        """Names of the arms, control first."""
        return [arm.name for arm in self.spec.arms]

    @property
    def sizes(self) -> dict[str, int]:
        """Number of users in each bucket."""
        return {arm: self.buckets[TEST].users(arm) for arm in self.arms}

    @property
    def users(self) -> int:
        """Number of users in all buckets."""
        return sum(self.sizes.values())

    def levels(self, feature: str) -> dict[str, dict[str, int]]:
        """Number of users per arm in each level of a feature, levels in alphabetical order."""
        tables = {scope.level: table for scope, table in self.buckets.items() if scope.feature == feature}
        return {name: {arm: tables[name].users(arm) for arm in self.arms} for name in sorted(tables) if name}

    def bucket(self, scope: Scope, arm: str, metric: str) -> GroupMoments:
        """Moments of one arm's bucket."""
        return self.buckets[scope].group_moments(arm, metric)

    def pair(self, scope: Scope, arm: str, metric: str) -> Moments:
        """Moments of all users under control and of their gain under one treatment."""
        return self.pairs[scope].moments(arm, metric)

    def rows(self, scope: Scope, metrics: Sequence[Metric]) -> list[MetricRow]:
        """Scorecard rows of a scope, each estimate with its true effect."""
        rows = moment_rows(metrics, self.arms, lambda arm, metric: self.bucket(scope, arm, metric))
        if scope == BEFORE:
            return rows
        if not self.spec.truth:
            return [with_true_effect(row, None) for row in rows]
        return [with_true_effect(row, paired_effect(self.pair(scope, row.arm, row.metric))) for row in rows]

    def second_opinion(self) -> SecondOpinion:
        """Largest differences between the scorecard and tea-tasting's results."""
        keys = [metric.key for metric in scorecard_metrics(self.spec.days)]
        return second_opinion(keys, self.arms, lambda arm, metric: self.bucket(TEST, arm, metric))


def gather(folder: Path, spec: ExperimentSpec, features: Sequence[str], size: int = SLICE) -> Tallies:
    """Read a run's user-days once.

    Args:
        folder: The run folder.
        spec: Spec of the run, with the days that were played.
        features: Features that define segments of users.
        size: Width of a slice, in user ids.

    Raises:
        RunFolderError: A file is damaged, a user lacks days or is not in every world, or there are no users.
    """
    table = UserDaySlices(folder, layout_of(spec))
    levels_by_feature = {name: None if name == ACTIVITY else FeatureLevels.read(folder, name) for name in features}
    numbers = table.numbers(size)
    if not numbers:
        raise RunFolderError(f"{folder}/user_days: no rows of days 0 to {spec.days - 1}; finish the run first")
    ranges = [
        slice_numbers.tolist() for slice_numbers in np.array_split(np.array(numbers), _RANGES) if len(slice_numbers)
    ]

    def gather_range(slice_numbers: list[int]) -> Tallies:
        sums = SliceSums(spec, table.worlds, levels_by_feature)
        for users in table.read(slice_numbers, size):
            sums.add(users)
        return _tallies(sums)

    with ThreadPoolExecutor(min(len(ranges), os.cpu_count() or 1)) as pool:
        return reduce(Tallies.__add__, pool.map(gather_range, ranges))


def _tallies(sums: SliceSums) -> Tallies:
    """Turn the sums of slices into `Tallies`."""
    buckets, pairs = sums.tables()
    return Tallies(
        spec=sums.spec,
        features=tuple(sums.features),
        worlds=sums.worlds,
        buckets=buckets,
        pairs=pairs,
        shifts=sums.shifts.table(sums.arms, 4) if sums.spec.truth else None,
        ends=sums.ends.table(sums.arms, 4) if len(sums.ends.n) else None,
        splits=sums.splits,
        watched=sums.watched,
        watched_by_all=sums.watched_by_all,
        answers=sums.answers,
        answer_groups=sums.answer_groups,
        true_answers=sums.true_answers,
        funnel=sums.funnel,
        by_day=sums.by_day,
        names=sums.names,
        mixed=sums.mixed,
    )


def _merged(first: dict[_Key, _Sum], second: dict[_Key, _Sum]) -> dict[_Key, _Sum]:
    """Merge two mappings, adding the sums of keys that are in both."""
    summed = {key: first[key] + sums if key in first else sums for key, sums in second.items()}
    return first | summed
