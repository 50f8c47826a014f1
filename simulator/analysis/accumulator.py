"""What a report needs of a run, gathered slice by slice of users.

Moments of every metric, by day and segment; what looks at a running test and the sections beyond the scorecard need;
counts of users; questionnaires.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar, final

import numpy as np
import pandas as pd

from simulator.analysis.aa_resplits import SplitSums, coins, split_sums
from simulator.analysis.answer_forms import AnswerGroups
from simulator.analysis.cross_check import second_opinion
from simulator.analysis.questionnaire import answer_spread, true_side
from simulator.analysis.scorecard import bucket_of, moment_rows, with_true_effect
from simulator.analysis.segments import SEGMENT_METRICS, scope_of
from simulator.errors import RunFolderError
from simulator.metrics import MAIN, METRICS, P2N_SIDES, PRE, Metric, day_metrics, scorecard_metrics
from simulator.reports.report import MetricRow, SecondOpinion
from simulator.runs.user_day_reader import PRE_WORLD, TOTALS, UserDays, arm_world, check_same_users, join_before
from simulator.runs.user_profiles import levels_of
from simulator.spec.experiment import ExperimentSpec
from simulator.statistics.groups import GroupMoments, group_of, metric_moments
from simulator.statistics.moments import Moments
from simulator.statistics.novelty import FirstAndLastDays, end_spread
from simulator.statistics.paired import paired_effect, paired_spread
from simulator.statistics.quantiles import BinCounts

TEST: Final = "test"
BEFORE: Final = "before"
Key: TypeAlias = tuple[str, str, str]
"""Scope, arm and metric. A scope is `test`, `before`, `day <number>` or `segment <feature>=<level>`."""
Worlds: TypeAlias = Mapping[str, pd.DataFrame]
"""Every user under each arm, by arm; all frames about the same users in the same order."""
LookKey: TypeAlias = tuple[int, str, str]
"""Days so far, arm and metric."""
_Sum = TypeVar("_Sum", Moments, GroupMoments, BinCounts, SplitSums, AnswerGroups)
_Key = TypeVar("_Key")
_Scope = TypeVar("_Scope")


@final
@dataclass(frozen=True)
class PeriodTotals:
    """What the same users did on a day, or over several.

    Attributes:
        users: Each under the arm of their bucket; `pre_` columns as known.
        worlds: Each under every arm, None where that was not run.
    """

    users: pd.DataFrame
    worlds: Worlds | None

    def after(self, earlier: "PeriodTotals | None", metrics: tuple[str, ...]) -> "PeriodTotals":
        """This and what came before, the columns of some metrics added up."""
        if earlier is None:
            return self
        worlds = None
        if self.worlds is not None and earlier.worlds is not None:
            worlds = {arm: _added(earlier.worlds[arm], world, metrics) for arm, world in self.worlds.items()}
        return PeriodTotals(_added(earlier.users, self.users, metrics), worlds)


def looked_at(spec: ExperimentSpec) -> tuple[str, ...]:
    """What is looked at while a test runs: main metrics, and guardrails, which an early stop is judged by as well."""
    return tuple(dict.fromkeys((*MAIN, *spec.guardrails)))


@final
@dataclass
class LookTallies:
    """Sums so far.

    Attributes:
        arms: Names, control first.
        metrics: Keys of what is looked at.
        after: Numbers of days after which there is a look.
        buckets: Spreads of what each bucket did.
        pairs: Spreads of what everybody did under control, and gained under each treatment.
    """

    arms: list[str]
    metrics: tuple[str, ...]
    after: tuple[int, ...]
    buckets: dict[LookKey, GroupMoments] = field(default_factory=dict[LookKey, GroupMoments])
    pairs: dict[LookKey, Moments] = field(default_factory=dict[LookKey, Moments])

    def add(self, days: int, totals: PeriodTotals) -> None:
        """Take in what a slice of users did over the first `days`, if there is a look then."""
        if days not in self.after:
            return
        metrics = [METRICS[key] for key in self.metrics]
        _add_metrics((self.buckets, self.pairs), days, self.arms, metrics, totals)


@final
@dataclass
class SectionTallies:
    """Sums so far; by arm where not said otherwise.

    Attributes:
        arms: Names, control first.
        seed: Of the experiment, for the re-splits.
        ends: First and last days, by arm and main metric.
        splits: Of everybody under control, or of its bucket where that was not run, by main metric.
        watched: Daily watch seconds of each bucket.
        watched_by_all: The same with everybody under the arm.
        answers: Questionnaires of each bucket; `answer_groups` those of hash groups of its users.
        true_answers: What everybody would say under control, and gains under each treatment.
        mixed: Users in more than one arm.
    """

    arms: list[str]
    seed: int
    ends: dict[tuple[str, str], Moments] = field(default_factory=dict[tuple[str, str], Moments])
    splits: dict[str, SplitSums] = field(default_factory=dict[str, SplitSums])
    watched: dict[str, BinCounts] = field(default_factory=dict[str, BinCounts])
    watched_by_all: dict[str, BinCounts] = field(default_factory=dict[str, BinCounts])
    answers: dict[str, GroupMoments] = field(default_factory=dict[str, GroupMoments])
    answer_groups: dict[str, AnswerGroups] = field(default_factory=dict[str, AnswerGroups])
    true_answers: dict[str, Moments] = field(default_factory=dict[str, Moments])
    mixed: int = 0

    def add(self, users: pd.DataFrame, worlds: Worlds | None) -> None:
        """A slice of users over the whole test."""
        for arm in self.arms:
            mine = users.loc[users["arm"] == arm]
            _merge(self.watched, arm, _daily_watch(mine))
            _merge(self.answers, arm, answer_spread(mine))
            _merge(self.answer_groups, arm, AnswerGroups.of(mine))
        under_control = users.loc[users["arm"] == self.arms[0]] if worlds is None else worlds[self.arms[0]]
        sides = coins(under_control["user_id"].to_numpy(np.int64), self.seed)
        for key in MAIN:
            _merge(self.splits, key, split_sums(METRICS[key].ratio(under_control), sides))
        if worlds is None:
            return
        for arm, everyone in worlds.items():
            _merge(self.watched_by_all, arm, _daily_watch(everyone))
        for arm in self.arms[1:]:
            _merge(self.true_answers, arm, paired_spread(true_side(worlds[self.arms[0]]), true_side(worlds[arm])))

    def add_ends(self, users: pd.DataFrame, ends: FirstAndLastDays) -> None:
        """The first and last days of the same slice, if the test is long enough to have both."""
        if ends.early.empty or ends.late.empty:
            return
        for arm in self.arms:
            mine = (users["arm"] == arm).to_numpy()
            for key in MAIN:
                early, late = (METRICS[key].ratio(part.loc[mine]) for part in (ends.early, ends.late))
                _merge(self.ends, (arm, key), end_spread(early, late))


@final
@dataclass
class Tallies:
    """Sums so far.

    Attributes:
        spec: Of the run.
        buckets: Spreads of what each arm's bucket did.
        pairs: Spreads of what everybody did under control, and gained under each treatment.
        features: What users are divided by.
        sizes: Users by bucket.
        level_sizes: Users by feature, level and bucket.
        shifts: Spreads of what each arm's bucket did in the arm's own world, and gained in the mixed one.
        answers: Sums of all columns per bucket, one frame per slice.
        knows_before: Whether there is anything from before the test.
        sections: What the sections beyond the scorecard need.
        looks: What looks at the running test need.
    """

    spec: ExperimentSpec
    features: tuple[str, ...]
    buckets: dict[Key, GroupMoments] = field(default_factory=dict[Key, GroupMoments])
    pairs: dict[Key, Moments] = field(default_factory=dict[Key, Moments])
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    level_sizes: dict[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    shifts: dict[Key, Moments] = field(default_factory=dict[Key, Moments])
    answers: list[pd.DataFrame] = field(default_factory=list[pd.DataFrame])
    knows_before: bool = False
    sections: SectionTallies = field(init=False)
    looks: LookTallies = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is gathered yet."""
        self.sections = SectionTallies(self.arms, self.spec.seed)
        self.looks = LookTallies(self.arms, looked_at(self.spec), self.spec.looks.after(self.spec.days))

    @property
    def arms(self) -> list[str]:
        """Names, control first."""
        return [arm.name for arm in self.spec.arms]

    @property
    def users(self) -> int:
        """Everybody."""
        return sum(self.sizes.values())

    def levels(self, feature: str) -> dict[str, dict[str, int]]:
        """Users per arm of each level of a feature, in alphabetical order."""
        names = sorted({level for of, level, _ in self.level_sizes if of == feature})
        return {name: {arm: self.level_sizes.get((feature, name, arm), 0) for arm in self.arms} for name in names}

    def rows(self, scope: str, metrics: Sequence[Metric]) -> list[MetricRow]:
        """A scope's scorecard, each estimate beside its truth."""
        rows = moment_rows(metrics, self.arms, lambda arm, metric: self.buckets[scope, arm, metric])
        if scope == BEFORE:
            return rows
        if not self.spec.truth:
            return [with_true_effect(row, None) for row in rows]
        return [with_true_effect(row, paired_effect(self.pairs[scope, row.arm, row.metric])) for row in rows]

    def second_opinion(self) -> SecondOpinion:
        """How far another library agrees with the scorecard."""
        keys = [metric.key for metric in scorecard_metrics(self.spec.days)]
        return second_opinion(keys, self.arms, lambda arm, metric: self.buckets[TEST, arm, metric])

    def add(self, table: UserDays) -> None:
        """Take in a slice of users.

        Raises:
            RunFolderError: Users who lack days, or who are not in every world; nobody in the test.
        """
        days = range(self.spec.days)
        users = table.assigned_users(days)
        if not len(users):
            raise RunFolderError(f"{table.folder}/user_days: no rows of days 0 to {days[-1]}; finish the run first")
        before = self._before(table, users)
        joined = join_before(users, before, table.folder) if before is not None else users
        worlds = self._worlds(table, days, users)
        self._count(users)
        self._add(TEST, (*scorecard_metrics(self.spec.days), *P2N_SIDES), joined, worlds)
        self._add_shifts(users, worlds)
        self._add_segments(table, joined, worlds)
        self.sections.add(users, worlds)
        self.sections.mixed += table.mixed_users()
        if before is not None:
            self.knows_before = True
            self._add(BEFORE, [METRICS[key] for key in MAIN], before.assign(arm=users["arm"]), None)
        ends, running = FirstAndLastDays(self.spec.days), None
        for day in days:
            today = self._day(table, day, joined)
            self._add(f"day {day}", day_metrics(), today.users, today.worlds)
            ends.add(day, today.users)
            running = today.after(running, self.looks.metrics)
            self.looks.add(day + 1, running)
        self.sections.add_ends(users, ends)

    def _before(self, table: UserDays, users: pd.DataFrame) -> pd.DataFrame | None:
        """The same users' totals before the test."""
        if PRE_WORLD not in table.worlds:
            return None
        before = table.users(PRE_WORLD, range(-self.spec.pre_days, 0))
        check_same_users(users, before, PRE_WORLD, table.folder)
        return before

    def _worlds(self, table: UserDays, days: range, users: pd.DataFrame) -> Worlds | None:
        """Every user under every arm, or None where that was not run."""
        if not self.spec.truth:
            return None
        worlds = {arm: table.users(arm_world(arm), days) for arm in self.arms}
        for arm, everyone in worlds.items():
            check_same_users(users, everyone, arm_world(arm), table.folder)
        return worlds

    def _count(self, users: pd.DataFrame) -> None:
        """Who is where, and what was asked and answered."""
        for arm, n in users["arm"].value_counts().items():
            self.sizes[str(arm)] = self.sizes.get(str(arm), 0) + int(n)
        self.answers.append(users.groupby("arm", as_index=False)[list(TOTALS)].sum())

    def _day(self, table: UserDays, day: int, users: pd.DataFrame) -> PeriodTotals:
        """One day, with the whole pre-period as covariate; `users` are those of the whole test."""
        days = range(day, day + 1)
        today = table.assigned_users(days)
        check_same_users(users, today, f"of day {day}", table.folder)
        before = users[[column for column in users.columns if column.startswith(PRE)]]
        return PeriodTotals(pd.concat([today, before], axis=1), self._worlds(table, days, today))

    def _add_shifts(self, users: pd.DataFrame, worlds: Worlds | None) -> None:
        """What each bucket did beside what its users did in their arm's own world."""
        for arm, everyone in (worlds or {}).items():
            mine = users["arm"] == arm
            for key in MAIN:
                alone, mixed = (METRICS[key].ratio(frame.loc[mine]) for frame in (everyone, users))
                _merge(self.shifts, (TEST, arm, key), paired_spread(alone, mixed))

    def _add_segments(self, table: UserDays, users: pd.DataFrame, worlds: Worlds | None) -> None:
        """Each level of each feature, with the truth among its users."""
        metrics = [METRICS[key] for key in SEGMENT_METRICS]
        for feature in self.features:
            levels = levels_of(table.folder, feature, users)
            for level in np.unique(levels):
                inside = levels == level
                chosen = None if worlds is None else {arm: everyone.loc[inside] for arm, everyone in worlds.items()}
                self._add(scope_of(feature, str(level)), metrics, users.loc[inside], chosen)
                for arm, n in users.loc[inside, "arm"].value_counts().items():
                    key = (feature, str(level), str(arm))
                    self.level_sizes[key] = self.level_sizes.get(key, 0) + int(n)

    def _add(self, scope: str, metrics: Sequence[Metric], users: pd.DataFrame, worlds: Worlds | None) -> None:
        """Some users of every bucket, and what they did in every world."""
        _add_metrics((self.buckets, self.pairs), scope, self.arms, metrics, PeriodTotals(users, worlds))


def _added(earlier: pd.DataFrame, later: pd.DataFrame, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Two frames of the same users, row by row; columns of none of the metrics go."""
    columns = tuple(dict.fromkeys(column for key in metrics for column in METRICS[key].columns))
    columns_left = [name for name in later.columns if name in ("user_id", "arm", *columns) or name.startswith(PRE)]
    return later[columns_left].assign(**{name: earlier[name] + later[name] for name in columns})


def _daily_watch(users: pd.DataFrame) -> BinCounts:
    """Users by watch seconds per day."""
    return BinCounts.of((users["watch_s"] / users["days"]).to_numpy(np.float64))


def _add_metrics(
    sums: tuple[dict[tuple[_Scope, str, str], GroupMoments], dict[tuple[_Scope, str, str], Moments]],
    scope: _Scope,
    arms: Sequence[str],
    metrics: Sequence[Metric],
    totals: PeriodTotals,
) -> None:
    """Add a slice of users to the moments of buckets and of pairs of worlds, by scope, arm and metric."""
    buckets, pairs = sums
    for arm in arms:
        mine = totals.users.loc[totals.users["arm"] == arm]
        group = group_of(mine["user_id"].to_numpy())
        for metric in metrics:
            sample = bucket_of(metric, arm, mine)
            _merge(buckets, (scope, arm, metric.key), metric_moments(sample.test, sample.before, group))
    if totals.worlds is None:
        return
    for arm in arms[1:]:
        for metric in metrics:
            control, treatment = (metric.ratio(totals.worlds[name]) for name in (arms[0], arm))
            _merge(pairs, (scope, arm, metric.key), paired_spread(control, treatment))


def _merge(sums: dict[_Key, _Sum], key: _Key, part: _Sum) -> None:
    """Add a slice."""
    sums[key] = sums[key] + part if key in sums else part
