"""What the sections of a report beyond the scorecard need of a run, gathered slice by slice."""

from dataclasses import dataclass, field
from typing import TypeVar, final

import numpy as np
import pandas as pd

from simulator.analysis.aa_resplits import SplitSums, coins, split_sums
from simulator.analysis.look_accumulator import Worlds
from simulator.analysis.questionnaire import answer_spread, true_side
from simulator.metrics import MAIN, METRICS
from simulator.statistics.moments import Moments
from simulator.statistics.novelty import FirstAndLastDays, end_spread
from simulator.statistics.paired import paired_spread
from simulator.statistics.quantiles import BinCounts

Sum = TypeVar("Sum", Moments, BinCounts, SplitSums)
Key = TypeVar("Key")


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
        answers: Questionnaires of each bucket.
        true_answers: What everybody would say under control, and gains under each treatment.
        mixed: Users in more than one arm.
    """

    arms: list[str]
    seed: int
    ends: dict[tuple[str, str], Moments] = field(default_factory=dict[tuple[str, str], Moments])
    splits: dict[str, SplitSums] = field(default_factory=dict[str, SplitSums])
    watched: dict[str, BinCounts] = field(default_factory=dict[str, BinCounts])
    watched_by_all: dict[str, BinCounts] = field(default_factory=dict[str, BinCounts])
    answers: dict[str, Moments] = field(default_factory=dict[str, Moments])
    true_answers: dict[str, Moments] = field(default_factory=dict[str, Moments])
    mixed: int = 0

    def add(self, users: pd.DataFrame, worlds: Worlds | None) -> None:
        """A slice of users over the whole test."""
        for arm in self.arms:
            mine = users.loc[users["arm"] == arm]
            _merge(self.watched, arm, _daily_watch(mine))
            _merge(self.answers, arm, answer_spread(mine))
        self._split_anew(users.loc[users["arm"] == self.arms[0]] if worlds is None else worlds[self.arms[0]])
        if worlds is None:
            return
        for arm, everyone in worlds.items():
            _merge(self.watched_by_all, arm, _daily_watch(everyone))
        for arm in self.arms[1:]:
            pair = paired_spread(true_side(worlds[self.arms[0]]), true_side(worlds[arm]))
            _merge(self.true_answers, arm, pair)

    def add_ends(self, users: pd.DataFrame, ends: FirstAndLastDays) -> None:
        """The first and last days of the same slice, if the test is long enough to have both."""
        if ends.early.empty or ends.late.empty:
            return
        for arm in self.arms:
            mine = (users["arm"] == arm).to_numpy()
            for key in MAIN:
                early, late = (METRICS[key].ratio(part.loc[mine]) for part in (ends.early, ends.late))
                _merge(self.ends, (arm, key), end_spread(early, late))

    def _split_anew(self, users: pd.DataFrame) -> None:
        """Toss the coins of some users under control."""
        sides = coins(users["user_id"].to_numpy(np.int64), self.seed)
        for key in MAIN:
            _merge(self.splits, key, split_sums(METRICS[key].ratio(users), sides))


def _daily_watch(users: pd.DataFrame) -> BinCounts:
    """Users by watch seconds per day."""
    return BinCounts.of((users["watch_s"] / users["days"]).to_numpy(np.float64))


def _merge(sums: dict[Key, Sum], key: Key, part: Sum) -> None:
    """Add a slice."""
    sums[key] = sums[key] + part if key in sums else part
