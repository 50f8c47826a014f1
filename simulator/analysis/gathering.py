"""Reduce slices of users to sums for every scope, bucket and metric, in one pass over the user-days."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar, final

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from simulator.analysis.aa_resplits import SplitSums, coins, split_sums
from simulator.analysis.answer_forms import COLUMNS as FORM_COLUMNS
from simulator.analysis.answer_forms import AnswerGroups
from simulator.analysis.moment_table import MetricColumns, MomentSums, MomentTable
from simulator.analysis.questionnaire import COLUMNS as QUESTIONNAIRE_COLUMNS
from simulator.analysis.questionnaire import answer_spread, true_side
from simulator.analysis.scopes import BEFORE, TEST, Scope, of_day, of_look, of_segment
from simulator.analysis.segments import SEGMENT_METRICS
from simulator.metrics import DAY_TOTALS, MAIN, METRICS, P2N_SIDES, Metric, Ratio, day_metrics, scorecard_metrics
from simulator.runs.user_day_chunks import UNIT
from simulator.runs.user_day_slices import Layout, UserSlice
from simulator.runs.user_profiles import FeatureLevels
from simulator.spec.experiment import ExperimentSpec
from simulator.statistics.groups import GROUPS, GroupMoments, group_of
from simulator.statistics.moments import Moments
from simulator.statistics.novelty import end_days
from simulator.statistics.paired import paired_spread
from simulator.statistics.quantiles import BinCounts
from simulator.user_days import SUMS

_Sum = TypeVar("_Sum", Moments, GroupMoments, BinCounts, SplitSums, AnswerGroups)
DAYS: Final = "days"
ANSWER_COLUMNS: Final = tuple(dict.fromkeys((*QUESTIONNAIRE_COLUMNS, *FORM_COLUMNS)))
"""Totals of users that are read for questionnaires."""
_WATCHED: Final = "watch_s"


def looked_at(spec: ExperimentSpec) -> tuple[str, ...]:
    """Metrics that have interim looks: main metrics and guardrails, which also decide on an early stop."""
    return tuple(dict.fromkeys((*MAIN, *spec.guardrails)))


def layout_of(spec: ExperimentSpec) -> Layout:
    """Columns and days of the user-days that a report needs."""
    keys = (*MAIN, *DAY_TOTALS, *SEGMENT_METRICS, *looked_at(spec))
    metrics = [*day_metrics(), *scorecard_metrics(spec.days), *P2N_SIDES, *(METRICS[key] for key in keys)]
    names = dict.fromkeys((_WATCHED, *(column for metric in metrics for column in metric.columns)))
    by_day = tuple(name for name in names if name != DAYS)
    arms = tuple(arm.name for arm in spec.arms)
    answer_columns = tuple(name for name in ANSWER_COLUMNS if name not in by_day)
    return Layout(arms, spec.days, spec.pre_days, spec.truth, by_day, answer_columns)


@final
class SliceSums:
    """Sums over slices of users, added in order of user id.

    Attributes:
        levels: Names of each feature's levels, in the order of their first user.
        buckets: Sums of the arms' buckets by scope; for segments by feature, with levels times arms as cells.
        pairs: Sums of all users under control and of their gain under each treatment.
        shifts: Sums of each bucket in its arm's own world and of its gain in the mixed world.
        ends: Sums of each bucket's first and last days.
        splits: Re-splits of all users under control; of control's bucket if the truth was not run.
        watched: Histogram of daily watch seconds of each bucket.
        watched_by_all: Histogram of daily watch seconds of all users under each arm.
        answers: Questionnaire moments of each bucket.
        answer_groups: Questionnaire sums of each bucket by hash group of users.
        true_answers: Moments of what all users would say under control and of their gain under each treatment.
        funnel: Sums of the questionnaire's columns by bucket.
        by_day: Sums of columns by world and day, and bucket.
        mixed: Number of users in more than one arm.
    """

    def __init__(
        self, spec: ExperimentSpec, worlds: tuple[str, ...], features: Mapping[str, FeatureLevels | None]
    ) -> None:
        """Start with zeros; `features` has None for the feature that user-days carry."""
        self.spec, self.features, self.layout = spec, features, layout_of(spec)
        self.arms, self.worlds = self.layout.arms, worlds
        self.names = (*self.layout.by_day, DAYS)
        self.levels: dict[str, list[str]] = {feature: [] for feature in features}
        self.buckets: dict[Scope, MomentSums] = {}
        self.pairs: dict[Scope, MomentSums] = {}
        self.shifts = MomentSums(MAIN, 1)
        self.ends = MomentSums(MAIN, 1)
        self.splits: dict[str, SplitSums] = {}
        self.watched: dict[str, BinCounts] = {}
        self.watched_by_all: dict[str, BinCounts] = {}
        self.answers: dict[str, GroupMoments] = {}
        self.answer_groups: dict[str, AnswerGroups] = {}
        self.true_answers: dict[str, Moments] = {}
        self.funnel = np.zeros((len(self.arms), len(ANSWER_COLUMNS)))
        cells = len(worlds) * spec.days + spec.pre_days
        self.by_day = np.zeros((len(self.names), cells, len(self.arms)))
        self.mixed = 0
        self.has_before = False
        keys = looked_at(spec)
        self.main = self._columns([METRICS[key] for key in MAIN])
        self.test = self._columns((*scorecard_metrics(spec.days), *P2N_SIDES))
        self.day = self._columns(day_metrics())
        self.look = self._columns([METRICS[key] for key in keys])
        self.segment = self._columns([METRICS[key] for key in SEGMENT_METRICS])

    def add(self, users: UserSlice) -> None:
        """Add a slice of users."""
        step = _SliceStep(self, users)
        step.add_days()
        step.add_test()
        step.add_sections()
        self.mixed += users.mixed
        units = np.array([float(UNIT) if name in SUMS else 1.0 for name in self.names])
        self.by_day += users.sums / units[:, None, None]

    def tables(self) -> tuple[dict[Scope, MomentTable], dict[Scope, MomentTable]]:
        """Moments of buckets and of pairs of worlds by scope; a segment has one scope per level."""
        columns = 4 if self.has_before else 2
        return self._tables(self.buckets, self.arms, columns), self._tables(self.pairs, self.arms[1:], 4)

    def _tables(self, sums: dict[Scope, MomentSums], cells: tuple[str, ...], columns: int) -> dict[Scope, MomentTable]:
        tables: dict[Scope, MomentTable] = {}
        for scope, moment_sums in sums.items():
            if scope.kind != "segment":
                tables[scope] = moment_sums.table(cells, 2 if scope == BEFORE else columns)
                continue
            all_levels = moment_sums.table(cells * len(self.levels[scope.feature]), columns)
            for level_index, level in enumerate(self.levels[scope.feature]):
                cell_range = range(level_index * len(cells), (level_index + 1) * len(cells))
                tables[of_segment(scope.feature, level)] = all_levels.take(cell_range)
        return tables

    def _columns(self, metrics: Sequence[Metric]) -> MetricColumns:
        return MetricColumns.of(metrics, self.names)


@final
class _SliceStep:
    """Adds one slice to the sums.

    Attributes:
        sums: Sums to add to.
        part: The slice.
        group: Hash group of each user.
        totals: Totals over the days so far by column, world and user; the last world is the assigned one.
        ends: Totals as assigned over the first days of the test, and over all but the last days.
    """

    def __init__(self, sums: SliceSums, part: UserSlice) -> None:
        self.sums, self.part = sums, part
        self.group = group_of(part.user_id)
        self.none = np.zeros(len(part.user_id), np.int64)
        self.totals = np.zeros((len(sums.names), len(sums.worlds) + 1, len(part.user_id)), np.int64)
        self.ends: list[Int64[np.ndarray, "columns users"]] = []
        self.own = [sums.worlds.index(f"all:{arm}") for arm in sums.arms] if sums.spec.truth else []
        self._before: dict[tuple[str, ...], Float64[np.ndarray, "metrics 2 users"]] = {}

    def add_days(self) -> None:
        """Add each day, and each look at the days so far."""
        sums, days = self.sums, self.sums.spec.days
        looks, n = sums.spec.looks.after(days), end_days(days)
        for day in range(days):
            today = np.empty_like(self.totals)
            today[:-1, :-1] = self.part.days[:, :, day]
            assigned_world = self.part.chosen[day][None, None, :]
            today[:-1, -1] = np.take_along_axis(self.part.days[:, :, day], assigned_world, axis=1)[:, 0]
            today[-1] = 1
            self.totals += today
            self._add(of_day(day), sums.day, today)
            if day + 1 in looks:
                self._add(of_look(day + 1), sums.look, self.totals)
            if n and day + 1 in (n, days - n):
                self.ends += [self.totals[:, -1].copy()] * (2 if 2 * n == days else 1)

    def add_test(self) -> None:
        """Add the whole test, the pre-period and the segments."""
        sums, users = self.sums, self.part
        self._add(TEST, sums.test, self.totals)
        for feature, levels in sums.features.items():
            names, codes = (users.segments, users.segment) if levels is None else levels.codes(users.user_id)
            self._add(Scope("segment", feature=feature), sums.segment, self.totals, self._level(feature, names, codes))
        if users.before is not None:
            sums.has_before = True
            first = self.before(sums.main)
            moments = sums.buckets.setdefault(BEFORE, MomentSums(sums.main.keys, GROUPS))
            moments.add(first, np.zeros_like(first), users.arm, self.group, len(sums.arms))

    def add_sections(self) -> None:
        """Add the sums for the sections beyond the scorecard."""
        sums, arm = self.sums, self.part.arm
        main_metrics = sums.main.sides(self._row(-1))
        if self.ends:
            first_days, all_but_last_days = self.ends
            last_days = sums.main.sides(self._row(-1) - all_but_last_days)
            sums.ends.add(sums.main.sides(first_days), last_days, arm, self.none, len(sums.arms))
        for arm_index, name in enumerate(sums.arms):
            is_in_arm = arm == arm_index
            answers = self._answers(-1, is_in_arm)
            _merge(sums.watched, name, self._watched(-1, is_in_arm))
            _merge(sums.answers, name, answer_spread(answers))
            _merge(sums.answer_groups, name, AnswerGroups.of(answers))
            sums.funnel[arm_index] += answers[list(ANSWER_COLUMNS)].to_numpy().sum(axis=0)
        all_users = np.ones(len(arm), np.bool_)
        control = main_metrics[:, :, arm == 0]
        user_id = self.part.user_id[all_users if self.own else arm == 0]
        if self.own:
            worlds = np.stack([sums.main.sides(self._row(world)) for world in self.own])
            control = worlds[0]
            own_world = np.take_along_axis(worlds, arm[None, None, None, :], axis=0)[0]
            sums.shifts.add(own_world, main_metrics - own_world, arm, self.none, len(sums.arms))
            true_answers = [true_side(self._answers(world, all_users)) for world in self.own]
            for name, world in zip(sums.arms, self.own, strict=True):
                _merge(sums.watched_by_all, name, self._watched(world, all_users))
            for name, arm_answers in zip(sums.arms[1:], true_answers[1:], strict=True):
                _merge(sums.true_answers, name, paired_spread(true_answers[0], arm_answers))
        split_coins = coins(user_id, sums.spec.seed)
        for key, (numerator, denominator) in zip(MAIN, control, strict=True):
            _merge(sums.splits, key, split_sums(Ratio(numerator, denominator), split_coins))

    def before(self, columns: MetricColumns) -> Float64[np.ndarray, "metrics 2 users"]:
        """Sides of metrics over the pre-period; zeros without one."""
        if columns.keys not in self._before:
            totals = np.zeros_like(self._row(-1))
            if self.part.before is not None:
                totals[:-1] = self.part.before
                totals[-1] = self.sums.spec.pre_days
            sides = columns.sides(totals)
            self._before[columns.keys] = sides if self.part.before is not None else np.zeros_like(sides)
        return self._before[columns.keys]

    def _add(
        self,
        scope: Scope,
        columns: MetricColumns,
        totals: Int64[np.ndarray, "columns worlds_and_assigned users"],
        level: Int64[np.ndarray, " users"] | None = None,
    ) -> None:
        """Add buckets and pairs of worlds to a scope, by level of a feature if one is given."""
        sums, n_arms = self.sums, len(self.sums.arms)
        level, n_levels = (self.none, 1) if level is None else (level, len(sums.levels[scope.feature]))
        moments = sums.buckets.setdefault(scope, MomentSums(columns.keys, GROUPS))
        assigned = columns.sides(np.ascontiguousarray(totals[:, -1]))
        moments.add(assigned, self.before(columns), level * n_arms + self.part.arm, self.group, n_levels * n_arms)
        if not self.own:
            return
        pairs = sums.pairs.setdefault(scope, MomentSums(columns.keys, 1))
        control, *treatments = (columns.sides(np.ascontiguousarray(totals[:, world])) for world in self.own)
        for treatment_index, treatment in enumerate(treatments):
            cell = level * (n_arms - 1) + treatment_index
            pairs.add(control, treatment - control, cell, self.none, n_levels * (n_arms - 1))

    def _level(
        self, feature: str, names: Sequence[str], codes: Int64[np.ndarray, " users"]
    ) -> Int64[np.ndarray, " users"]:
        """Map a slice's level codes to the codes of all slices."""
        levels = self.sums.levels[feature]
        codes_in_slice = np.unique(codes).tolist()
        levels += [names[code] for code in codes_in_slice if names[code] not in levels]
        global_codes = np.zeros(len(names), np.int64)
        global_codes[codes_in_slice] = [levels.index(names[code]) for code in codes_in_slice]
        return global_codes[codes]

    def _row(self, world: int) -> Int64[np.ndarray, "columns users"]:
        """Totals over the test in one world; world -1 is as assigned."""
        return np.ascontiguousarray(self.totals[:, world])

    def _watched(self, world: int, is_chosen: np.ndarray) -> BinCounts:
        """Histogram of users by daily watch seconds."""
        total = self.totals[self.sums.names.index(_WATCHED), world, is_chosen]
        return BinCounts.of(total / float(UNIT) / self.sums.spec.days)

    def _answers(self, world: int, is_chosen: np.ndarray) -> pd.DataFrame:
        """Questionnaire columns of the chosen users in one world; world -1 is as assigned."""
        names, total_names = self.sums.names, self.sums.layout.in_all
        columns: dict[str, np.ndarray] = {"user_id": self.part.user_id[is_chosen]}
        for name in ANSWER_COLUMNS:
            source = (
                self.part.totals[total_names.index(name)] if name in total_names else self.totals[names.index(name)]
            )
            columns[name] = source[world, is_chosen] / (float(UNIT) if name in SUMS else 1.0)
        return pd.DataFrame(columns)


def _merge(sums: dict[str, _Sum], key: str, sums_of_slice: _Sum) -> None:
    """Add the sums of a slice under a key."""
    sums[key] = sums[key] + sums_of_slice if key in sums else sums_of_slice
