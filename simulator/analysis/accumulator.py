"""What a report needs of a run, gathered slice by slice: spreads of every metric, counts of users, questionnaires."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

import numpy as np
import pandas as pd

from simulator.analysis.cross_check import SecondReader
from simulator.analysis.look_accumulator import LookTallies, PeriodTotals, Worlds, looked_at
from simulator.analysis.scorecard import moment_rows, with_true_effect
from simulator.analysis.section_accumulator import SectionTallies
from simulator.analysis.segments import SEGMENT_METRICS, scope_of
from simulator.errors import RunFolderError
from simulator.metrics import MAIN, METRICS, P2N_SIDES, PRE, Metric, day_metrics, scorecard_metrics
from simulator.reports.report import MetricRow, SecondOpinion
from simulator.runs.user_day_reader import PRE_WORLD, TOTALS, UserDays, arm_world, check_same_users, join_before
from simulator.runs.user_profiles import levels_of
from simulator.spec.experiment import ExperimentSpec
from simulator.statistics.moments import Moments, bucket_spread
from simulator.statistics.novelty import FirstAndLastDays
from simulator.statistics.paired import paired_effect, paired_spread

TEST: Final = "test"
BEFORE: Final = "before"
Key: TypeAlias = tuple[str, str, str]
"""Scope, arm and metric. A scope is `test`, `before`, `day <number>` or `segment <feature>=<level>`."""


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
        second: Reads the scorecard once more from its rows.
    """

    spec: ExperimentSpec
    features: tuple[str, ...]
    buckets: dict[Key, Moments] = field(default_factory=dict[Key, Moments])
    pairs: dict[Key, Moments] = field(default_factory=dict[Key, Moments])
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    level_sizes: dict[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    shifts: dict[Key, Moments] = field(default_factory=dict[Key, Moments])
    answers: list[pd.DataFrame] = field(default_factory=list[pd.DataFrame])
    knows_before: bool = False
    sections: SectionTallies = field(init=False)
    looks: LookTallies = field(init=False)
    second: SecondReader = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is gathered yet."""
        self.sections = SectionTallies(self.arms, self.spec.seed)
        self.looks = LookTallies(self.arms, looked_at(self.spec), self.spec.looks.after(self.spec.days))
        self.second = SecondReader(self.arms, scorecard_metrics(self.spec.days))

    @property
    def arms(self) -> list[str]:
        """Names, control first."""
        return [arm.name for arm in self.spec.arms]

    @property
    def users(self) -> int:
        """Everybody."""
        return sum(self.sizes.values())

    def users_of(self, arm: str) -> int:
        """Users of a bucket."""
        return self.sizes.get(arm, 0)

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
        return self.second.ask(
            {(arm, key): spread for (scope, arm, key), spread in self.buckets.items() if scope == TEST}
        )

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
        self.second.add(joined)
        self._add_shifts(users, worlds)
        self._add_segments(table, joined, worlds)
        self.sections.add(users, worlds)
        self.sections.mixed += table.mixed_users()
        if before is not None:
            self.knows_before = True
            self._add(BEFORE, [METRICS[key] for key in MAIN], before.assign(arm=users["arm"]), None)
        ends, running = FirstAndLastDays(self.spec.days), None
        for day in days:
            lived = self._lived(table, day, joined)
            self._add(f"day {day}", day_metrics(), lived.users, lived.worlds)
            ends.add(day, lived.users)
            running = lived.after(running, self.looks.metrics)
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

    def _lived(self, table: UserDays, day: int, users: pd.DataFrame) -> PeriodTotals:
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
        for arm in self.arms:
            mine = users.loc[users["arm"] == arm]
            for metric in metrics:
                known = all(PRE + column in users.columns for column in metric.columns)
                spread = bucket_spread(metric.ratio(mine), metric.ratio(mine, PRE) if known else None)
                _merge(self.buckets, (scope, arm, metric.key), spread)
        if worlds is None:
            return
        for arm in self.arms[1:]:
            for metric in metrics:
                pair = paired_spread(metric.ratio(worlds[self.arms[0]]), metric.ratio(worlds[arm]))
                _merge(self.pairs, (scope, arm, metric.key), pair)


def _merge(spreads: dict[Key, Moments], key: Key, spread: Moments) -> None:
    """Add a slice."""
    spreads[key] = spreads[key] + spread if key in spreads else spread
